// Package throttle lets a caller refuse locally what its callee would refuse
// anyway: adaptive throttling, for callees that say nothing else of their state.
//
// Source: Google, "Site Reliability Engineering", chapter 21, "Client-side
// throttling": refuse with probability max(0, (requests - K x accepts) /
// (requests + 1)) over a recent window.
package throttle

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The defaults of a Config.
const (
	DefaultK      = 2
	DefaultMemory = 20 * time.Second
	DefaultLeast  = 100
)

// exploreWithin is how long a throttle that refuses everything goes without
// asking: the estimate could otherwise never be corrected.
const exploreWithin = 100 * time.Millisecond

// decaysPerMemory is in how many steps a Memory's worth of the past is forgotten.
const decaysPerMemory = 1000

// Config shapes a Throttle; the zero Config means the defaults.
type Config struct {
	// K is how many requests are sent per accepted one, at least 1. The closer to
	// 1, the less the callee has to refuse, and the longer recovery takes. It
	// comes by itself, as the share a that was accepted grows with the time
	// constant Memory / (K - 1): at most Memory / (K - 1) x ln(1 / (K x a)). At 1
	// it needs the callee's word: see [Throttle.Recovered].
	K float64
	// Memory is the time constant with which the past is forgotten.
	Memory time.Duration
	// Least is how many requests must be remembered before any is refused.
	Least float64
}

// A Throttle is for one goroutine at a time. Make one with [New].
type Throttle struct {
	cfg      Config
	requests float64
	accepts  float64
	at       mono.Time
	asked    mono.Time // when a request was last let through
	begun    bool
}

// New returns a throttle that has seen nothing. It panics if K is below 1 or a
// field is negative.
func New(cfg Config) *Throttle {
	if cfg.K == 0 {
		cfg.K = DefaultK
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.Least == 0 {
		cfg.Least = DefaultLeast
	}
	if !(cfg.K >= 1) || cfg.Memory < 0 || cfg.Least < 0 {
		panic("throttle: K must be at least 1, Memory and Least not negative")
	}
	return &Throttle{cfg: cfg}
}

// Refuse reports whether to refuse a request now, given a uniform draw u from
// [0, 1). Every request that the caller has counts as asked, refused here or
// not. One in a hundred refusals, and one in 100 ms, is let through.
func (t *Throttle) Refuse(now mono.Time, u float64) bool {
	t.decay(now)
	p := t.Probability()
	t.requests++
	if p > 0 && u < p && u >= 0.01*p && now.Sub(t.asked) < exploreWithin {
		return true
	}
	t.asked = now
	return false
}

// Probability is the present probability of refusing.
func (t *Throttle) Probability() float64 {
	if t.requests < t.cfg.Least {
		return 0
	}
	return max(0, (t.requests-t.cfg.K*t.accepts)/(t.requests+1))
}

// Accepted reports that the callee took a request, however it ended after that.
func (t *Throttle) Accepted(now mono.Time) {
	t.decay(now)
	t.accepts++
}

// Recovered forgets the refusals: the callee has said that it is well again. The
// book's law has no such word, and waits until the past is forgotten.
func (t *Throttle) Recovered(now mono.Time) {
	t.decay(now)
	t.accepts = max(t.accepts, t.requests)
}

func (t *Throttle) decay(now mono.Time) {
	switch {
	case !t.begun:
		t.at, t.asked, t.begun = now, now, true
	case now.Sub(t.at) > t.cfg.Memory/decaysPerMemory:
		keep := math.Exp(-now.Sub(t.at).Seconds() / t.cfg.Memory.Seconds())
		t.requests *= keep
		t.accepts *= keep
		t.at = now
	}
}
