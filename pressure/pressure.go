// Package pressure is the signal between processes: how full a consumer is, the
// lowest rank that it still admits, how long work waits in it, and when to come
// back.
package pressure

import (
	"time"

	"github.com/penstock-go/penstock"
)

// A Signal is what a consumer tells whoever calls it.
type Signal struct {
	// Level is how full the consumer is, 0 to 1: 0.8 x in flight / limit while
	// nothing waits, 0.8 + 0.2 x sojourn / bound while something does, and 1
	// while it refuses. It informs (balancing, brownout, pacing).
	Level float64
	// Price is the lowest rank that the consumer admits. It refuses.
	Price penstock.Price
	// Delay is the time that work waits before it runs.
	Delay time.Duration
	// Retry is when refused work should come back; 0 while nothing is refused.
	Retry time.Duration
}
