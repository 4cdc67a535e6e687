package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/arrival"
)

// seed is that of the first phase's arrivals; the next phase has the next.
const seed = 1

// Load offers the load to both lanes, phase by phase, and says what became of
// it. When ctx ends, so does the load, and the summary covers what there was. It
// may be called once.
func (d *Demo) Load(ctx context.Context) (Summary, error) {
	err := errors.New("demo: Load was called before")
	var s Summary
	d.loading.Do(func() { s, err = d.load(ctx) })
	return s, err
}

func (d *Demo) load(ctx context.Context) (Summary, error) {
	reports := make([][lanes]load.Report, len(d.phases))
	var mu sync.Mutex
	var errs []error
	var runs sync.WaitGroup
	d.start = mono.Now()
	next := d.start
	for i, p := range d.phases {
		if !waitUntil(ctx, next) {
			break
		}
		next = next.Add(p.For)
		d.phase.Store(int64(i + 1))
		for j := range d.lanes {
			runs.Go(func() {
				r, err := d.offer(ctx, i, j)
				mu.Lock()
				defer mu.Unlock()
				reports[i][j] = r
				errs = append(errs, err)
			})
		}
		if p.Load > 1 {
			runs.Go(func() { d.askForRefusal(ctx, p) })
		}
	}
	waitUntil(ctx, next)
	d.phase.Store(int64(len(d.phases) + 1))
	for _, l := range d.lanes {
		l.rest()
	}
	runs.Wait()
	return d.summary(reports, ctx.Err() != nil), errors.Join(errs...)
}

// offer is one phase on one lane. The clients of a phase are awaited while
// those of the next are at work already, so that the load has no gap.
func (d *Demo) offer(ctx context.Context, phase, lane int) (load.Report, error) {
	p, l := d.phases[phase], d.lanes[lane]
	profile, err := arrival.Flat(p.Load * d.capacity)
	if err != nil {
		return load.Report{}, fmt.Errorf("demo: %w", err)
	}
	// The same seed on both lanes: both get the same arrivals.
	r, err := load.Run(ctx, load.Config{
		URL: l.url() + "/", Profile: profile, Seed: seed + uint64(phase), For: p.For,
		Deadline: d.cfg.Deadline, Retry: load.Retry{Max: d.cfg.Retries},
		Progress: func(now load.Progress) {
			if d.phase.Load() == int64(phase+1) {
				l.note(now, d.capacity, mono.Now().Sub(d.start).Seconds()/d.cfg.For.Seconds())
			}
		},
	})
	if err != nil {
		return r, fmt.Errorf("demo: %s: %w", l.name, err)
	}
	return r, nil
}

// waitUntil is false if ctx ended first.
func waitUntil(ctx context.Context, at mono.Time) bool {
	timer := time.NewTimer(at.Sub(mono.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Frame is what there is to see now.
func (d *Demo) Frame() Frame {
	f := Frame{
		Workers: d.cfg.Workers, Service: lawText(d.cfg.Service), Capacity: d.capacity,
		Deadline: d.cfg.Deadline, Phases: d.phases, Phase: int(d.phase.Load()), Left: d.cfg.For,
	}
	switch {
	case f.Phase > len(d.phases):
		f.Left = 0
	case f.Phase > 0:
		f.Left = max(d.start.Add(d.cfg.For).Sub(mono.Now()), 0)
	}
	for i, l := range d.lanes {
		f.Lanes[i] = l.frame()
	}
	return f
}
