package admission_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/sim"
)

// Under a flood of what matters most, every criticality still gets 1 or 2 % of
// what finishes, whether the room or the price is in its way; and the flood gets
// the rest.
func TestEveryCriticalityIsKeptAlive(t *testing.T) {
	const s = time.Second
	for name, flood := range map[string]float64{"the room alone": 1000, "a price": 8000} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(admission.Config{Seed: 5, Limit: limit.Fixed(12)}, 8, sim.Exponential(10*time.Millisecond))
			strong := &crowd{perSecond: flood, to: 12 * s, work: penstock.Work{Criticality: penstock.CriticalPlus}, patience: s}
			w.add(strong)
			var weak []*crowd
			for c := penstock.Sheddable; c < penstock.CriticalPlus; c++ {
				k := &crowd{perSecond: flood / 20, to: 12 * s, work: penstock.Work{Criticality: c}, patience: s}
				w.add(k)
				weak = append(weak, k)
			}
			w.loop.Run(14e9)
			finished := strong.good
			for _, k := range weak {
				finished += k.good
			}
			for _, k := range weak {
				if share := float64(k.good) / float64(finished); share < 0.004 || share > 0.03 {
					t.Errorf("%v: %d of %d finished, a share of %.4f", k.work.Criticality, k.good, finished, share)
				}
			}
			if finished < 12*780 || float64(strong.good) < 0.92*float64(finished) {
				t.Errorf("%d of %d finished for the flood", strong.good, finished)
			}
		})
	}
}
