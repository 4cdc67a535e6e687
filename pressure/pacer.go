package pressure

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The constants of a Pacer.
const (
	// PaceTarget is the level up to which a Pacer speeds up: at 0.8 nothing waits
	// yet (see Signal.Level).
	PaceTarget = 0.8
	// PaceStep is the least time between two changes of the rate, so that a
	// change can show before the next one.
	PaceStep   = 100 * time.Millisecond
	paceDown   = 0.7  // of the rate, at each step above the target
	paceUpPart = 0.02 // of Most, at each step below it
)

// PacerConfig says within which bounds a Pacer moves.
type PacerConfig struct {
	Least float64 // events per second that always go; positive, so that the level is heard of again
	Most  float64 // events per second at no pressure; at least Least
	Start float64 // at the beginning; 0 means Least
}

// A Pacer turns the level that a callee reports into a rate for work that can
// wait, by additive increase and multiplicative decrease (D. Chiu and R. Jain,
// "Analysis of the increase and decrease algorithms for congestion avoidance",
// 1989): several producers that share a callee come to share it evenly. Make one
// with [NewPacer]. It is for one goroutine at a time.
type Pacer struct {
	cfg   PacerConfig
	rate  float64
	at    mono.Time
	begun bool
}

// NewPacer returns a Pacer at its start. It panics if the bounds are not
// 0 < Least <= Most: configuration is checked before.
func NewPacer(cfg PacerConfig) Pacer {
	if !(cfg.Least > 0 && cfg.Most >= cfg.Least) {
		panic("pressure: a pacer needs 0 < Least <= Most")
	}
	return Pacer{cfg: cfg, rate: min(max(cfg.Start, cfg.Least), cfg.Most)}
}

// PerSecond returns the rate.
func (p *Pacer) PerSecond() float64 { return p.rate }

// Observe takes a level, and reports whether the rate has changed. What is not a
// number counts as 1. At most one change is made in [PaceStep].
func (p *Pacer) Observe(now mono.Time, level float64) bool {
	if p.begun && now.Sub(p.at) < PaceStep {
		return false
	}
	before := p.rate
	if level < PaceTarget {
		p.rate = min(p.rate+paceUpPart*p.cfg.Most, p.cfg.Most)
	} else {
		p.rate = max(p.rate*paceDown, p.cfg.Least)
	}
	p.at, p.begun = now, true
	return p.rate != before
}
