package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The watch looks once a second. It logs what changed, and a summary at most
// every tenth time, however many requests are refused.
const (
	watchEvery   = time.Second
	summaryEvery = 10
)

// watch runs beside the servers until ctx ends.
func (g *Gateway) watch(ctx context.Context) {
	ticks := time.NewTicker(watchEvery) //nolint:forbidigo // it reports, and decides nothing
	defer ticks.Stop()
	w := watcher{g: g, at: mono.Now(), before: g.ctl.Stats(), failing: map[string]bool{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			w.look(ctx, mono.Now())
		}
	}
}

type watcher struct {
	g        *Gateway
	at       mono.Time
	before   penstock.Stats
	refused  uint64 // by routes, at the last look
	refusing bool
	quiet    int    // looks since the last summary
	since    uint64 // refused when refusing began
	failing  map[string]bool
}

func (w *watcher) look(ctx context.Context, now mono.Time) {
	s := w.g.ctl.Stats()
	w.measure(now, s)
	w.refusals(ctx, s)
	w.backends(ctx)
	w.before, w.at = s, now
}

// measure renews the rates that answers report.
func (w *watcher) measure(now mono.Time, s penstock.Stats) {
	seconds := max(now.Sub(w.at), time.Millisecond).Seconds()
	failed := s.Wasted + s.Dropped - w.before.Wasted - w.before.Dropped
	finished := s.Good + s.Ignored - w.before.Good - w.before.Ignored + failed
	w.g.signal.rates.Store(&rates{rps: float64(finished) / seconds, eps: float64(failed) / seconds})
}

func (w *watcher) refusals(ctx context.Context, s penstock.Stats) {
	var refused uint64
	for _, r := range w.g.table.Load().routes {
		refused += r.counts.refusals()
	}
	fresh := refused > w.refused
	w.quiet++
	log := w.g.log.With(
		slog.Uint64("refused", refused-min(w.since, refused)), slog.Float64("limit", s.Limit), slog.Int("in_flight", s.InFlight),
		slog.Int("waiting", s.Waiting), slog.Float64("level", s.Level), slog.Int("price", int(s.Price)))
	switch {
	case refused < w.refused: // a reload took routes away
		w.since = refused
	case fresh && !w.refusing:
		w.refusing, w.since, w.quiet = true, w.refused, 0
		log.LogAttrs(ctx, slog.LevelWarn, "refusing")
	case fresh && w.quiet >= summaryEvery:
		w.quiet = 0
		log.LogAttrs(ctx, slog.LevelWarn, "still refusing")
	case !fresh && w.refusing && w.quiet >= summaryEvery:
		w.refusing, w.quiet = false, 0
		log.LogAttrs(ctx, slog.LevelInfo, "stopped refusing")
	}
	w.refused = refused
}

func (w *watcher) backends(ctx context.Context) {
	for name, be := range *w.g.backends.Load() {
		failing := be.failing.Load()
		if failing == w.failing[name] {
			continue
		}
		w.failing[name] = failing
		log := w.g.log.With(slog.String("backend", name), slog.Uint64("faults", be.faults.Load()))
		if failing {
			log.LogAttrs(ctx, slog.LevelWarn, "backend fails")
		} else {
			log.LogAttrs(ctx, slog.LevelInfo, "backend answers again")
		}
	}
	for name := range w.failing {
		if (*w.g.backends.Load())[name] == nil {
			delete(w.failing, name)
		}
	}
}
