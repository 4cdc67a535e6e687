package flow

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// An Instant is one moment on two clocks. Leases and rates go by the monotonic
// one. Delays, deadlines and what is remembered of ended items must outlive the
// process and go by the wall: when it jumps they come early or late, and nothing
// else happens.
type Instant struct {
	Mono mono.Time
	Wall Wall
}

// After is the instant d later on both clocks.
func (i Instant) After(d time.Duration) Instant { return Instant{i.Mono.Add(d), i.Wall.Add(d)} }

// Wall is a reading of the wall clock in nanoseconds since 1970, UTC. Zero means
// that there is none, as in an item without a deadline.
type Wall int64

// WallOf converts a time; the zero time is no reading.
func WallOf(t time.Time) Wall {
	if t.IsZero() {
		return 0
	}
	return Wall(t.UnixNano())
}

// Time converts back, in UTC; no reading is the zero time.
func (w Wall) Time() time.Time {
	if w == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(w)).UTC()
}

// Add returns w+d, kept within the range of a Wall.
func (w Wall) Add(d time.Duration) Wall { return Wall(mono.Time(w).Add(d)) }

// Sub returns w-v, kept within the range of a [time.Duration].
func (w Wall) Sub(v Wall) time.Duration { return mono.Time(w).Sub(mono.Time(v)) }

// until is when the monotonic clock will show what the wall shows at w, if the
// wall does not jump.
func (i Instant) until(w Wall) mono.Time { return i.Mono.Add(max(w.Sub(i.Wall), 0)) }
