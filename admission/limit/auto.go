package limit

import (
	"math"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// silence is how many answers in a row without a report of the queue show that
// the callee has ceased to report.
const silence = 32

// Default returns the law that needs no number.
//
// Where the callee reports how long work waits inside it ([Sample.HasDelay]),
// the limit is that of [Delay]: nothing need be inferred then. Otherwise it is
// found from reply times alone, by the law Octave:
//
// It keeps the limit where halving it would shorten a reply by a factor of
// about 1.4, plus a headroom of 1.25 square roots of the limit; close to a knee, where
// replies hardly scatter and a trial has shown one, half of both. It measures the
// mean time of a window of replies sent while the limit was full, and compares
// it with the same at about half the present limit: taken in a brief dip, or
// for free from the windows passed on the way up. A server with spare capacity
// answers both in the same time (ratio 1), a saturated one takes twice as long
// for twice as many (ratio 2), by Little's law. The reference is never a
// minimum over time and is dropped once the limit has left the range in which
// it is "about half", so a wrong one undoes itself. Late replies shrink the
// target, and when most recent replies are late the limit halves at once.
//
// While the load does not fill the limit, nothing moves.
func Default() Law { return DefaultUpTo(math.Inf(1)) }

// DefaultUpTo is [Default] with a bound on the slots that it may give. It panics
// if most is below 1.
func DefaultUpTo(most float64) Law {
	if !(most >= 1) {
		panic("limit: DefaultUpTo takes a bound of at least 1")
	}
	return &auto{octave: newOctave(min(defaultStart, most), most)}
}

// Dipping implements [Dipper].
func (a *auto) Dipping() bool { return !a.told && a.octave.Dipping() }

// auto infers until it is told, and again when it is told no more. One of the two
// moves at a time, from where the other stopped.
type auto struct {
	octave *octave
	delay  *delay // where told
	told   bool
	silent int // answers without a report since the last that had one
}

// Start tells the law that infers, while it does.
func (a *auto) Start(now mono.Time, inFlight int) {
	if !a.told {
		a.octave.Start(now, inFlight)
	}
}

// Observe takes one end of work.
func (a *auto) Observe(now mono.Time, s Sample) {
	switch {
	case s.HasDelay:
		a.silent = 0
		if !a.told {
			a.told = true
			a.delay = &delay{limit: a.octave.limit, most: a.octave.most}
		}
	case a.told && s.Outcome == penstock.OK:
		if a.silent++; a.silent >= silence {
			a.told = false
			a.octave = newOctave(a.delay.limit, a.octave.most)
		}
	}
	if a.told {
		a.delay.Observe(now, s)
		return
	}
	a.octave.Observe(now, &s)
}

// Limit is that of the law that moves.
func (a *auto) Limit() float64 {
	if a.told {
		return a.delay.limit
	}
	return a.octave.w.level
}

// Next is when the law that moves wants to be stepped.
func (a *auto) Next() (mono.Time, bool) {
	if a.told {
		return 0, false
	}
	return a.octave.Next()
}

// Step applies the passage of time.
func (a *auto) Step(now mono.Time) {
	if !a.told {
		a.octave.Step(now)
	}
}

// Explain is that of the law that moves.
func (a *auto) Explain() string {
	if a.told {
		return a.delay.Explain()
	}
	return a.octave.Explain()
}

var _ interface {
	Law
	Starter
	Stepper
} = (*auto)(nil)
