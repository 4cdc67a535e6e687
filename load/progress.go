package load

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// progressEvery is the time between two calls of Config.Progress, and
// progressOver how many of them its rates look back.
const (
	progressEvery = 250 * time.Millisecond
	progressOver  = 4
)

// Progress is how a run is going: rates are those of the last second, the
// warm-up included.
type Progress struct {
	Elapsed time.Duration
	Left    time.Duration // until the offering ends; 0 while waiting for answers

	OfferedPerSecond float64
	GoodPerSecond    float64
	LatePerSecond    float64
	RefusedPerSecond float64
	ErrorsPerSecond  float64 // requests not sent included

	P99         time.Duration // of good requests in the last full second; 0 without any
	Outstanding int           // offered and not yet ended; retries to come are not
}

// watch calls Config.Progress until done is closed.
func (g *generator) watch(done <-chan struct{}) {
	var past [progressOver]sample
	past[0].at = g.start
	var p99 time.Duration
	timer := time.NewTimer(progressEvery)
	defer timer.Stop()
	for tick := 1; ; tick++ {
		select {
		case <-done:
			return
		case <-timer.C:
			timer.Reset(progressEvery)
		}
		now := sample{at: mono.Now()}
		now.counts, p99 = g.rec.sample(p99, tick%progressOver == 0)
		oldest := past[0]
		if tick >= progressOver {
			oldest = past[tick%progressOver]
		}
		past[tick%progressOver] = now
		g.cfg.Progress(g.progress(oldest, now, p99))
	}
}

// sample is what had been counted at an instant.
type sample struct {
	at     mono.Time
	counts counts
}

func (g *generator) progress(from, to sample, p99 time.Duration) Progress {
	g.mu.Lock()
	outstanding := g.inFlight
	g.mu.Unlock()
	seconds := to.at.Sub(from.at).Seconds()
	rate := func(before, after uint64) float64 { return float64(after-before) / seconds }
	of := func(f Fate) float64 { return rate(from.counts.fate[f], to.counts.fate[f]) }
	return Progress{
		Elapsed:          to.at.Sub(g.start),
		Left:             max(g.start.Add(g.cfg.For).Sub(to.at), 0),
		OfferedPerSecond: rate(from.counts.offered, to.counts.offered),
		GoodPerSecond:    of(Good), LatePerSecond: of(Late), RefusedPerSecond: of(Refused),
		ErrorsPerSecond: of(Failed) + of(NotSent),
		P99:             p99, Outstanding: outstanding,
	}
}

// sample returns the live counts, and the p99 of the last full second: last, or
// a new one if a second has just passed, or what there is while there is none.
func (r *recorder) sample(last time.Duration, second bool) (counts, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if second || last == 0 {
		last = r.recent.at(99)
	}
	if second {
		r.recent.reset()
	}
	return r.live, last
}
