package sim_test

import (
	"math"
	"testing"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// TestCreditWindow: a window carries what its receiver can do once it is as large
// as what fits on the way there and back, refill portions included, and never
// more than itself is out.
func TestCreditWindow(t *testing.T) {
	const service, delay = time.Millisecond, 10 * time.Millisecond
	for _, c := range []struct {
		window int64
		refill float64
		rate   float64 // items per second
	}{
		{1, 1, 1 / 0.021},    // one item per round trip and service
		{10, 1, 10 / 0.030},  // a window at a time: round trip, and ten services
		{64, 0.75, 922},      // 48 go back at once, and the 16 left last less than the round trip of 20
		{84, 0.75, 1000},     // a quarter covers the round trip
		{1000, 0.75, 1000},   // more does not help
		{20, 0.0001, 952.38}, // 20 each 21 ms: credit comes back one by one
	} {
		w := sim.Credited{Window: c.window, Refill: c.refill, Delay: delay, Service: func() time.Duration { return service }}
		r := w.Run(20 * time.Second)
		if got := float64(r.Done) / 20; math.Abs(got-c.rate) > 0.01*c.rate {
			t.Errorf("window %d, refill %v: %.1f items/s, want %.1f", c.window, c.refill, got, c.rate)
		}
		if r.Peak > c.window || r.Sent-r.Done > c.window {
			t.Errorf("window %d: %d were out", c.window, r.Peak)
		}
		if most := float64(r.Done)/math.Max(1, math.Floor(c.refill*float64(c.window))) + 1; float64(r.Grants) > most {
			t.Errorf("window %d, refill %v: %d grants for %d items", c.window, c.refill, r.Grants, r.Done)
		}
	}
}
