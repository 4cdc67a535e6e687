// Package breaker is a circuit breaker: it stops asking a callee that mostly
// fails or is mostly slow, and probes it from time to time.
//
// A breaker is all or nothing, and that makes things worse in three cases:
//
//   - Only a part of the callee is sick (one shard, one route): the well part is
//     refused too, and the outage widens. Use one breaker per part.
//   - The callee is overloaded and not sick: half of its capacity is good work,
//     and an open breaker refuses all of it; when it closes, everybody is back at
//     once. A price refuses the surplus alone. Do not report refusals as
//     failures.
//   - Slow calls count as failed, and everything is a little slow: a service that
//     answers in 1.1 s what it should in 1 s is shut off.
//
// It is right for a callee that hangs or fails and says nothing of it: what is
// saved then is the caller's own threads, connections and time.
//
// Source of the pattern: M. Nygard, "Release It!", 2007; slow calls counted as
// failures follow resilience4j's documentation.
package breaker

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The defaults of a Config.
const (
	DefaultFailures = 0.5
	DefaultLeast    = 20
	DefaultMemory   = 10 * time.Second
	DefaultOpenFor  = time.Second
	DefaultProbes   = 5
	maxOpenDoubling = 5 // an open spell is at most 2^5 times OpenFor
)

// Config shapes a Breaker; the zero Config means the defaults.
type Config struct {
	Failures float64       // share of failures that opens it, 0 to 1
	Least    float64       // calls remembered before it may open
	Memory   time.Duration // time constant with which calls are forgotten
	Slow     time.Duration // a call that takes longer counts as failed; 0 is never
	OpenFor  time.Duration // first open spell; doubles while probes fail
	Probes   int           // calls let through at once while it is half open
}

// State is what the breaker does now.
type State uint8

// The states.
const (
	Closed   State = iota // lets everything through
	Open                  // refuses
	HalfOpen              // lets Config.Probes through, and waits for them
)

// String returns closed, open or half_open.
func (s State) String() string { return [...]string{"closed", "open", "half_open"}[s] }

// A Breaker is for one goroutine at a time. Make one with [New].
type Breaker struct {
	cfg    Config
	state  State
	calls  float64
	failed float64
	at     mono.Time
	begun  bool

	reopen mono.Time // when an open breaker turns half open
	spells int       // open spells in a row
	out    int       // probes let through
	good   int       // of them, ended well
}

// New returns a closed breaker. It panics if a field is out of its range.
func New(cfg Config) *Breaker {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&cfg.Failures, DefaultFailures)
	set(&cfg.Least, DefaultLeast)
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.OpenFor == 0 {
		cfg.OpenFor = DefaultOpenFor
	}
	if cfg.Probes == 0 {
		cfg.Probes = DefaultProbes
	}
	if !(cfg.Failures > 0 && cfg.Failures <= 1) || cfg.Least < 0 || cfg.Memory < 0 || cfg.OpenFor < 0 || cfg.Probes < 0 || cfg.Slow < 0 {
		panic("breaker: Failures must be a share, the rest not negative")
	}
	return &Breaker{cfg: cfg}
}

// Allow reports whether a call may be made now; each one that may must be
// followed by one Report.
func (b *Breaker) Allow(now mono.Time) bool {
	b.advance(now)
	switch b.state {
	case Open:
		return false
	case HalfOpen:
		if b.out >= b.cfg.Probes {
			return false
		}
		b.out++
	default:
	}
	return true
}

// Report tells how an allowed call ended.
func (b *Breaker) Report(now mono.Time, failed bool, took time.Duration) {
	b.advance(now)
	failed = failed || b.cfg.Slow > 0 && took > b.cfg.Slow
	switch b.state {
	case Closed:
		b.calls++
		if failed {
			b.failed++
		}
		if b.calls >= b.cfg.Least && b.failed >= b.cfg.Failures*b.calls {
			b.open(now)
		}
	case HalfOpen:
		if failed {
			b.open(now)
			return
		}
		if b.good++; b.good >= b.cfg.Probes {
			b.state, b.calls, b.failed, b.spells = Closed, 0, 0, 0
		}
	default: // a call from before it opened: known already
	}
}

// Explored tells how a call ended that was made although the breaker was open.
// If it ended well, the breaker need not wait any longer: it is half open.
func (b *Breaker) Explored(now mono.Time, failed bool, took time.Duration) {
	b.advance(now)
	failed = failed || b.cfg.Slow > 0 && took > b.cfg.Slow
	if b.state == Open && !failed {
		b.reopen = now
		b.advance(now)
	}
}

// State is what the breaker does at now.
func (b *Breaker) State(now mono.Time) State {
	b.advance(now)
	return b.state
}

// Next is when an open breaker turns half open.
func (b *Breaker) Next() (mono.Time, bool) { return b.reopen, b.state == Open }

func (b *Breaker) open(now mono.Time) {
	b.state = Open
	b.reopen = now.Add(b.cfg.OpenFor << min(b.spells, maxOpenDoubling))
	b.spells++
}

func (b *Breaker) advance(now mono.Time) {
	switch {
	case !b.begun:
		b.at, b.begun = now, true
	case now > b.at:
		keep := math.Exp(-now.Sub(b.at).Seconds() / b.cfg.Memory.Seconds())
		b.calls *= keep
		b.failed *= keep
		b.at = now
	}
	if b.state == Open && now >= b.reopen {
		b.state, b.out, b.good = HalfOpen, 0, 0
		// A probe that never reports must not keep the breaker half open for
		// ever: another round of probes follows.
		b.reopen = now.Add(b.cfg.OpenFor << min(b.spells, maxOpenDoubling))
	} else if b.state == HalfOpen && now >= b.reopen && b.out >= b.cfg.Probes {
		b.out, b.good = 0, 0
		b.reopen = now.Add(b.cfg.OpenFor << min(b.spells, maxOpenDoubling))
	}
}
