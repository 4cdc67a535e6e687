// Package mono provides monotonic instants: eight bytes, comparable with <, and
// never moved by a step of the wall clock.
//
// Every controller takes a [Time] for each decision and reads no clock itself,
// so that the same code runs against the operating system's clock, inside a
// testing/synctest bubble, and in the simulator. This package is the only one
// that reads the clock.
package mono

import (
	"math"
	"time"
)

// Time is an instant: nanoseconds since an arbitrary origin that differs from
// process to process. It may be negative (it is, inside a synctest bubble), and
// zero is an ordinary instant, never "unset". Where an instant may be absent, a
// bool says so, or [Never] stands for "after everything".
type Time int64

const (
	// Never is later than every instant that a clock returns.
	Never Time = math.MaxInt64
	// Distant is earlier than every instant that a clock returns.
	Distant Time = math.MinInt64
)

var origin = time.Now()

// Now reads the clock. Call it once per event, at the edge, and hand the
// instant down.
func Now() Time { return Time(time.Since(origin)) }

// Of converts a time that carries a monotonic reading, such as a context's
// deadline, without reading the clock. A time without one is converted through
// its wall clock and moves with it.
func Of(t time.Time) Time { return Time(t.Sub(origin)) }

// Time is t for the standard library: the inverse of [Of], without reading the
// clock. It carries a monotonic reading, by which it is compared and waited for;
// what it shows on the wall does not know of steps of the wall clock since the
// process began.
func (t Time) Time() time.Time { return origin.Add(time.Duration(t)) }

// Add returns t+d, kept between [Distant] and [Never] where the sum would
// overflow.
func (t Time) Add(d time.Duration) Time {
	sum := t + Time(d)
	switch {
	case d > 0 && sum < t:
		return Never
	case d < 0 && sum > t:
		return Distant
	}
	return sum
}

// Sub returns t-u, kept within the range of a [time.Duration] where the
// difference would overflow.
func (t Time) Sub(u Time) time.Duration {
	d := t - u
	switch {
	case u < 0 && d < t:
		return math.MaxInt64
	case u > 0 && d > t:
		return math.MinInt64
	}
	return time.Duration(d)
}
