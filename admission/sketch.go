package admission

import (
	"math/bits"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// A sketch remembers recent durations well enough for quantiles: counts in
// buckets of 1/16 octave (4.4 % wide), in two halves that take turns, so that a
// change of service time is forgotten within two turns.
type sketch struct {
	halves  [2]half
	current uint8     // 0 or 1
	turned  mono.Time // when the current half began
	begun   bool
}

type half struct {
	counts [sketchBuckets]uint32
	total  uint32
	held   time.Duration // of all, for as long as they held a slot
}

const (
	sketchBuckets  = 16 * 46                // 1 ns to 19 hours
	sketchMost     = 1<<46 - 1              // what is longer counts as that
	sketchTurn     = 250 * time.Millisecond // a half lasts at least so long,
	sketchTurnSize = 128                    // and holds at least so many,
	sketchTurnMost = 5 * time.Second        // but never lasts longer than this
)

// bucketOf returns the bucket of d: the position of its leading bit, and the four
// bits after it.
func bucketOf(d time.Duration) int {
	n := uint64(max(1, min(d, sketchMost))) << 4
	exp := bits.Len64(n) - 5
	return exp*16 + int(n>>exp&15)
}

// bucketTop returns the upper end of a bucket.
func bucketTop(b int) time.Duration {
	exp, frac := b/16, uint64(b%16)
	return time.Duration((16 + frac + 1) << exp >> 4)
}

// add takes in a duration, and for how much of it a slot was held.
func (s *sketch) add(d, held time.Duration) {
	d = min(max(d, 0), sketchMost)
	h := &s.halves[s.current&1]
	h.counts[bucketOf(d)]++
	h.total++
	h.held += min(max(held, 0), sketchMost)
}

// turn lets the halves take turns when it is time. Call it at every tick.
func (s *sketch) turn(now mono.Time) {
	if !s.begun {
		s.turned, s.begun = now, true
		return
	}
	age := now.Sub(s.turned)
	if age < sketchTurn || age < sketchTurnMost && s.halves[s.current].total < sketchTurnSize {
		return
	}
	if s.halves[s.current].total == 0 {
		s.turned = now // nothing new to remember: keep the old
		return
	}
	s.current ^= 1
	s.halves[s.current] = half{}
	s.turned = now
}

// summary is what a sketch says.
type summary struct {
	penstock.Quantiles
	mean time.Duration // of what was held
	n    uint32
}

// merge takes in another summary, weighted by how much each has seen. The
// result is exact for the mean and near enough for quantiles of like gates.
func (s *summary) merge(o summary) {
	if o.n == 0 {
		return
	}
	if s.n == 0 {
		*s = o
		return
	}
	share := float64(o.n) / float64(s.n+o.n)
	mix := func(a *time.Duration, b time.Duration) { *a += time.Duration(share * float64(b-*a)) }
	mix(&s.P50, o.P50)
	mix(&s.P90, o.P90)
	mix(&s.P99, o.P99)
	mix(&s.mean, o.mean)
	s.n += o.n
}

func (s *sketch) summary() summary {
	var out summary
	a, b := &s.halves[0], &s.halves[1]
	out.n = a.total + b.total
	if out.n == 0 {
		return out
	}
	out.mean = (a.held + b.held) / time.Duration(out.n)
	ranks := [3]uint32{(out.n + 1) / 2, (out.n*9 + 9) / 10, uint32((uint64(out.n)*99 + 99) / 100)}
	targets := [3]*time.Duration{&out.P50, &out.P90, &out.P99}
	var seen uint32
	next := 0
	for i := range sketchBuckets {
		seen += a.counts[i] + b.counts[i]
		for next < len(ranks) && seen >= ranks[next] {
			*targets[next] = bucketTop(i)
			next++
		}
		if next == len(ranks) {
			break
		}
	}
	return out
}
