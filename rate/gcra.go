package rate

import (
	"math"
	"math/bits"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// Instants are kept within ±horizon (73 years) and spans within span (18), so
// that no sum of them overflows 63 bits.
const (
	horizon = int64(1) << 61
	span    = int64(1) << 59

	full = -horizon // a theoretical arrival time that no instant precedes
)

func instant(t mono.Time) int64 { return min(max(int64(t), -horizon), horizon) }

// A law is the two parameters of the GCRA. The Recommendation's increment T is
// interval; its limit τ is capacity - interval.
type law struct {
	interval int64 // nanoseconds that one token takes to arrive, at least 1
	capacity int64 // burst x interval: at most span
}

func newLaw(perSecond float64, burst int) law {
	if !(perSecond > 0) || math.IsInf(perSecond, 0) || burst < 1 || burst > MaxBurst {
		panic("rate: perSecond must be positive and finite, burst 1 to MaxBurst")
	}
	slowest := span / int64(burst)
	t := slowest
	if f := math.Round(float64(time.Second) / perSecond); f < float64(slowest) {
		t = max(1, int64(f))
	}
	return law{interval: t, capacity: int64(burst) * t}
}

// take asks for n tokens at now. It returns the theoretical arrival time after
// they are taken; or, in wait, how long until there are so many.
func (l law) take(tat, now int64, n int) (after int64, wait time.Duration) {
	need := l.interval
	if n > 1 {
		need *= min(int64(n), l.capacity/l.interval)
	}
	after = max(tat, now) + need
	return after, time.Duration(max(0, after-now-l.capacity))
}

// available is the time's worth of tokens in the bucket, 0 to capacity.
func (l law) available(tat, now int64) int64 {
	return min(max(l.capacity-(tat-now), 0), l.capacity)
}

func (l law) quota(tat, now int64) (remaining int, reset time.Duration) {
	return int(l.available(tat, now) / l.interval), time.Duration(max(0, tat-now))
}

// adopt returns the theoretical arrival time at which l's bucket is, at now, as
// full as old's is.
func (l law) adopt(old law, tat, now int64) int64 {
	hi, lo := bits.Mul64(uint64(old.available(tat, now)), uint64(l.capacity))
	share, _ := bits.Div64(hi, lo, uint64(old.capacity)) // at most l.capacity
	return now + l.capacity - int64(share)
}
