package pressure

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// returnShare is the part of the drain rate that returning work may take. Nine
// tenths stay for work that has not been refused yet.
const returnShare = 0.1

// A Spreader says when refused work should come back, so that it returns as a
// trickle and not as the crowd that was refused: the waits are those of a GCRA
// (generic cell rate algorithm, ITU-T I.371, Annex A) over the refusals, at 10 %
// of the rate at which the consumer drains. The zero Spreader is ready to use.
type Spreader struct {
	last mono.Time // when the latest refused unit is due back
	used bool
}

// Next returns how long the refused should wait, from [MinRetry] to [MaxRetry],
// after refusals more of them have just been made. drainPerSecond is how much
// work the consumer finishes; 0, anything below it and NaN mean that it finishes
// none. Next with no refusals changes nothing.
//
// Up to [MaxRetry] of returns is remembered. What is refused beyond that is all
// told MaxRetry: it comes back as fast as it was refused, that much later.
func (s *Spreader) Next(now mono.Time, drainPerSecond float64, refusals int) time.Duration {
	due := now
	if s.used && s.last > now {
		due = min(s.last, now.Add(MaxRetry)) // an instant further off means that now went backwards
	}
	due = due.Add(span(drainPerSecond, refusals))
	due = min(due, now.Add(MaxRetry))
	if refusals > 0 {
		s.last, s.used = due, true
	}
	return clampDuration(due.Sub(now), MinRetry, MaxRetry)
}

// span is the time over which n units come back, at most MaxRetry.
func span(drainPerSecond float64, n int) time.Duration {
	if n <= 0 {
		return 0
	}
	seconds := float64(n) / (drainPerSecond * returnShare)
	if !(drainPerSecond > 0) || !(seconds < MaxRetry.Seconds()) {
		return MaxRetry
	}
	return time.Duration(math.Ceil(seconds * float64(time.Second)))
}

// Jitter returns d x U(0.75, 1.25), within [MinRetry] and [MaxRetry], where u
// from [0, 1) is the draw: work that was refused together does not return
// together. A u outside that range is moved into it, NaN to 0.
func Jitter(d time.Duration, u float64) time.Duration {
	if !(u > 0) {
		u = 0
	}
	d = clampDuration(d, MinRetry, MaxRetry)
	return clampDuration(time.Duration(float64(d)*(0.75+0.5*min(u, 1))), MinRetry, MaxRetry)
}
