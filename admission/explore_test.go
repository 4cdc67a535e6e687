package admission_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// About one in a hundred of the refusals that rest on an estimate is let
// through, and one within 100 ms (and the 10 ms of a tick) however few there are.
func TestExploration(t *testing.T) {
	const s = time.Second
	floods := map[string]struct {
		cfg    admission.Config
		crowds []*crowd
	}{
		"price": {
			admission.Config{Limit: limit.Fixed(12)},
			[]*crowd{
				{perSecond: 4000, to: 6 * s, work: penstock.Work{Criticality: penstock.Critical}, patience: s},
				{perSecond: 4000, to: 6 * s, work: penstock.Work{Criticality: penstock.Sheddable}, patience: s},
			},
		},
		"price, a trickle below": {
			admission.Config{Limit: limit.Fixed(12)},
			[]*crowd{
				{perSecond: 2400, to: 6 * s, work: penstock.Work{Criticality: penstock.Critical}, patience: s},
				{perSecond: 100, to: 6 * s, work: penstock.Work{Criticality: penstock.Sheddable}, patience: s},
			},
		},
		"doomed by the room's bound": {
			admission.Config{Limit: limit.Fixed(12), Routes: []admission.Route{{Order: queue.FIFO}}},
			[]*crowd{{perSecond: 8000, to: 6 * s, patience: s}},
		},
		"doomed, few": {
			admission.Config{Limit: limit.Fixed(12), Routes: []admission.Route{{Order: queue.FIFO}}},
			[]*crowd{{perSecond: 1000, to: 6 * s, patience: s}},
		},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			flood.cfg.Seed = 3
			w := newWorld(flood.cfg, 8, sim.Exponential(10*time.Millisecond))
			for _, c := range flood.crowds {
				w.add(c)
			}
			refused := func() (n int) {
				for _, c := range flood.crowds {
					n += c.turnedAway
				}
				return n
			}
			// The price and the wait are two estimates, each with its own 100 ms.
			const from, window = mono.Time(s), 2 * (100*time.Millisecond + admission.Tick)
			w.loop.Run(from)
			before, began := refused(), w.host.Core.Stats(from).Explored
			n, seen := before, began
			for at := from.Add(window); time.Duration(at) <= 6*s; at = at.Add(window) {
				w.loop.Run(at)
				m, sees := refused(), w.host.Core.Stats(at).Explored
				if m-n > 10 && sees == seen {
					t.Errorf("until %v: %d refused in %v, and none let through", time.Duration(at), m-n, window)
				}
				n, seen = m, sees
			}
			total, explored := float64(n-before), float64(seen-began)
			most := 0.012*total + 2*12*(6*s-s).Seconds()
			if total < 400 || explored < 0.008*total || explored > most {
				t.Errorf("%v let through of %v refused", explored, total)
			}
		})
	}
}
