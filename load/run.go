package load

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/arrival"
)

const (
	// drainAfterCancel is how long outstanding requests are awaited when the
	// run is cut short; a complete run awaits them to their deadlines.
	drainAfterCancel = 2 * time.Second
	// nap is the pacer's shortest sleep. Above ten thousand arrivals a second
	// it sends a few at a time, up to so much too late: waking for each one
	// would take more processor time than sending it.
	nap = 100 * time.Microsecond
)

// Run offers load as the configuration says and reports what became of it. When
// ctx ends, it stops offering, waits up to two seconds for what is outstanding,
// and reports so far, without an error.
//
// The error is non-nil only if the configuration is wrong (it is then that of
// [Config.Check]) or the operating system has no timer to give.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	g, err := newGenerator(cfg)
	if err != nil {
		return Report{}, err
	}
	unhook := context.AfterFunc(ctx, g.stop)
	defer unhook()
	dialing, stopDialing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDialing()
	g.stopDialing = stopDialing

	var watcher sync.WaitGroup
	done := make(chan struct{})
	if cfg.Progress != nil {
		watcher.Go(func() { g.watch(done) })
	}
	ended, err := g.pace(dialing)
	close(done)
	watcher.Wait()
	g.close()
	if err != nil {
		return Report{}, err
	}
	return g.rec.report(cfg, ended, ended < g.start.Add(cfg.For)), nil
}

func newGenerator(cfg Config) (*generator, error) {
	a, err := cfg.newAlarm()
	if err != nil {
		return nil, err
	}
	g := &generator{
		cfg: cfg, request: newRequest(cfg), alarm: a,
		rng: rand.New(rand.NewPCG(cfg.Seed, 1)), offering: true, wake: mono.Never,
	}
	g.tls = cfg.TLS.Clone()
	if g.tls == nil {
		g.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	g.tls.NextProtos = []string{"http/1.1"}
	if g.tls.ServerName == "" {
		g.tls.ServerName = g.request.host
	}
	g.wall = time.Now() // with its monotonic reading
	g.start = mono.Of(g.wall)
	g.rec = newRecorder(cfg, g.start)
	return g, nil
}

// arrivals are the first attempts, which Config.Seed alone decides.
func (c Config) arrivals() arrival.Process {
	if c.Even {
		return arrival.Constant(c.Profile)
	}
	return arrival.Poisson(c.Profile, rand.New(rand.NewPCG(c.Seed, 0)))
}

// pace offers every first attempt and retry at its time, until the run's end,
// and then waits for what is outstanding. It returns when the offering ended. ctx
// is for connecting.
func (g *generator) pace(ctx context.Context) (ended mono.Time, err error) {
	end := g.start.Add(g.cfg.For)
	arrivals := g.cfg.arrivals()
	following := func() mono.Time {
		if at, ok := arrivals.Next(); ok && at < g.cfg.For {
			return g.start.Add(at)
		}
		return mono.Never
	}
	next := following()
	for g.mayOffer() {
		now := mono.Now()
		for next <= now && g.mayOffer() {
			g.offer(ctx, job{intended: next, deadline: next.Add(g.cfg.Deadline), attempt: 1})
			next = following()
		}
		g.offerRetries(ctx, now)
		if now >= end {
			return end, g.drain(mono.Never)
		}
		if err := g.sleep(min(next, end)); err != nil {
			return now, err
		}
	}
	ended = min(mono.Now(), end)
	return ended, g.drain(ended.Add(drainAfterCancel))
}

// mayOffer is false once the run has been cut short.
func (g *generator) mayOffer() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offering
}

// offerRetries offers the retries that are due.
func (g *generator) offerRetries(ctx context.Context, now mono.Time) {
	for {
		g.mu.Lock()
		if !g.offering || len(g.retries) == 0 || g.retries[0].intended > now {
			g.mu.Unlock()
			return
		}
		j := g.retries.pop()
		g.mu.Unlock()
		g.offer(ctx, j)
	}
}

// sleep waits until the given instant, the next retry, or the run's end.
func (g *generator) sleep(until mono.Time) error {
	g.mu.Lock()
	if !g.offering {
		until = mono.Distant
	} else if len(g.retries) > 0 {
		until = min(until, g.retries[0].intended)
	}
	g.wake = until
	g.alarm.set(max(until.Sub(mono.Now()), nap))
	g.mu.Unlock()
	return g.alarm.wait()
}

// drain waits for what is outstanding: each request until its deadline, and all
// of them until the given instant at most.
func (g *generator) drain(until mono.Time) error {
	g.mu.Lock()
	g.offering = false
	g.retries = nil
	g.mu.Unlock()
	for {
		g.mu.Lock()
		if g.inFlight == 0 {
			g.mu.Unlock()
			return nil
		}
		now := mono.Now()
		late := now >= until
		if !late {
			g.alarm.set(until.Sub(now))
		}
		g.mu.Unlock()
		if late {
			g.hangUp()
			until = mono.Never
			continue
		}
		if err := g.alarm.wait(); err != nil {
			return err
		}
	}
}
