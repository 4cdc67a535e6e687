package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// How finely a run is measured.
const (
	leastWindows = 600  // of a run: enough for a report's pictures
	mostWindows  = 4000 // finer boundaries than these are rounded
	chunks       = 1000 // how often in a run its context is asked, and its size looked at
)

// A run whose queues grow without end takes most of a gigabyte before it is
// stopped. Of runs with more than crowdedAt calls open at once, which takes about
// 100 MB, there are two at a time, however many cores there are.
const crowdedAt = 1 << 17

var crowds = make(chan struct{}, 2)

// Simulate is the [Simulator] that drives package sim. It ends early with the
// context's cause.
func Simulate(ctx context.Context, s *System, seed uint64) (Measured, error) {
	p := s.Plan
	p.Seed = seed
	w, err := sim.New(p)
	if err != nil {
		return nil, fmt.Errorf("lab: seed %d: %w", seed, err)
	}
	crowded := false
	for w.RunFor(max(1, p.For/chunks)) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !crowded && w.Open() > crowdedAt {
			select {
			case crowds <- struct{}{}:
				crowded = true
				defer func() { <-crowds }()
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	return newMeasurement(s, w.Report()), nil
}

// windowFor chooses the length of the windows of a run's metrics, so that all
// boundaries fall between windows, [sim.LatencyWindows] of which share a
// histogram. Boundaries that have no such common measure are rounded.
func windowFor(length time.Duration, boundaries []time.Duration) time.Duration {
	step := length
	for _, b := range boundaries {
		step = greatestDivisor(step, b)
	}
	step /= sim.LatencyWindows
	coarsest := length / leastWindows
	if step < length/mostWindows || step <= 0 || length < mostWindows {
		return max(1, coarsest/2)
	}
	for n := time.Duration(1); ; n++ {
		if step%n == 0 && step/n <= coarsest {
			return max(step/n, 1)
		}
		if step/n < length/mostWindows {
			return max(1, coarsest/2)
		}
	}
}

func greatestDivisor(a, b time.Duration) time.Duration {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// boundaries are the instants at which a scenario's metrics begin or end.
func (s *Scenario) boundaries() []time.Duration {
	out := []time.Duration{s.Run.Warmup}
	for _, e := range s.Expect {
		for _, c := range e.Comparisons {
			for _, t := range []*Term{&c.Left, c.Of} {
				if t != nil && t.HasWindow {
					out = append(out, t.Window.From, t.Window.To)
				}
			}
		}
	}
	return out
}
