package admission_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/sim"
)

// No absorbing state: within five seconds of the end of any trouble the core
// does at least nine tenths of what the best fixed limit does. The trouble
// lasts from 3 s to 8 s; limittest has the longer ones.
func TestLiveness(t *testing.T) {
	if raceDetector {
		t.Skip("a single-threaded simulation has no races, and takes long under the race detector: go test without -race runs it")
	}
	const s = time.Second
	steady := func(of float64) []limittest.Load { return []limittest.Load{{For: 18 * s, Of: of}} }
	for _, trouble := range []struct {
		name  string
		trial limittest.Trial
	}{
		{"stall", limittest.Trial{Load: steady(2), Events: []limittest.Event{{At: 3 * s, Stall: true}, {At: 8 * s, Workers: 8}}}},
		{"stall, callers unknown to wait", limittest.Trial{
			Load: steady(0.8), Untold: true, Events: []limittest.Event{{At: 3 * s, Stall: true}, {At: 8 * s, Workers: 8}},
		}},
		{"every estimate says too late", limittest.Trial{Load: steady(0.8), Events: []limittest.Event{{At: 3 * s, Speed: 0.05}, {At: 8 * s, Speed: 1}}}},
		{"a quarter of the workers", limittest.Trial{Load: steady(2), Events: []limittest.Event{{At: 3 * s, Workers: 2}, {At: 8 * s, Workers: 8}}}},
		{"four times the workers", limittest.Trial{Load: steady(2), Events: []limittest.Event{{At: 3 * s, Workers: 32}, {At: 8 * s, Workers: 8}}}},
		{"faster service", limittest.Trial{Load: steady(2), Events: []limittest.Event{{At: 3 * s, Speed: 4}, {At: 8 * s, Speed: 1}}}},
		{"flood", limittest.Trial{Load: []limittest.Load{{For: 3 * s, Of: 0.8}, {For: 5 * s, Of: 10}, {For: 10 * s, Of: 0.8}}}},
		{"lull", limittest.Trial{Load: []limittest.Load{{For: 3 * s, Of: 2}, {For: 5 * s, Of: 0.05}, {For: 10 * s, Of: 2}}}},
		{"retry storm", limittest.Trial{
			Load: steady(0.7), Untold: true, Retries: 3, Backoff: 20 * time.Millisecond,
			Events: []limittest.Event{{At: 3 * s, Speed: 0.3}, {At: 8 * s, Speed: 1}},
		}},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			trial := trouble.trial
			trial.Workers, trial.Service, trial.Deadline = 8, sim.Exponential(10*time.Millisecond), 100*time.Millisecond
			best := limittest.Oracle(trial, 13*s, 18*s).Between(13*s, 18*s).Good
			for name, law := range map[string]func() limit.Law{"default": limit.Default, "fixed": func() limit.Law { return limit.Fixed(12) }} {
				trial.New = law
				good := trial.Run().Between(13*s, 18*s).Good
				if float64(good) < 0.9*float64(best) {
					t.Errorf("law %s: %d good between 5 s and 10 s after it ended, the oracle has %d", name, good, best)
				}
			}
		})
	}
}

// A flood of the highest class raises the price to that class. When it is over,
// the lowest is served again.
func TestPriceFallsFromTheTop(t *testing.T) {
	const s = time.Second
	for name, law := range map[string]limit.Law{"default": limit.Default(), "fixed": limit.Fixed(12)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(admission.Config{Limit: law, Seed: 1}, 8, sim.Constant(10*time.Millisecond))
			w.add(&crowd{perSecond: 8000, to: 10 * s, work: penstock.Work{Criticality: penstock.CriticalPlus}, patience: s})
			meek := &crowd{perSecond: 640, to: 10 * s, work: penstock.Work{Criticality: penstock.Sheddable}, patience: s}
			after := *meek
			after.from, after.to = 11*s, 16*s
			w.add(meek)
			w.add(&after)
			w.loop.Run(9 * 1e9)
			if p := w.host.Core.Stats(w.loop.Now()).Price; p.Admits((&penstock.Work{Criticality: penstock.Critical}).Rank()) {
				t.Errorf("in the flood the price is %d: the class below it is admitted", p)
			}
			w.loop.Run(20 * 1e9)
			if st := w.host.Core.Stats(w.loop.Now()); st.Price != 0 || st.Waiting != 0 || st.InFlight != 0 {
				t.Errorf("when all is over: %+v", st)
			}
			if after.good*10 < after.offered*9 {
				t.Errorf("of %d offered after the flood %d are good", after.offered, after.good)
			}
		})
	}
}
