// Package limit holds the laws that move a gate's concurrency limit, a file
// each.
//
// A [Law] is a single-threaded state machine. It is told of every start (if it
// is a [Starter]) and every end of work at its gate, with the instant, and
// answers with a limit. It reads no clock and holds no lock.
//
// [Default] needs no number and finds the limit. [Fixed] obeys one. [Delay] is
// for callees that report their queue. [AIMD], [Vegas] and [Gradient2] are
// published laws, there for comparison. [Named] makes laws by name.
//
// Package limittest puts any Law through plants, steps, lulls and outages.
package limit

import (
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// A Law finds how much work its gate may run at once.
type Law interface {
	// Observe tells the law how one unit of work ended. It is called once for
	// every start, at the end or, where the caller left earlier, when it left.
	Observe(now mono.Time, s Sample)

	// Limit is the number of slots, at least 0 and finite. It may be a fraction:
	// below 1, one unit runs at a time, for that share of the time.
	Limit() float64

	// Next is the instant at which the law wants to be stepped (see [Stepper])
	// even if nothing happens. A law that needs no time returns false.
	Next() (at mono.Time, ok bool)

	// Explain says in words what binds the limit at present.
	Explain() string
}

// A Starter is a Law that is also told of every start.
type Starter interface {
	// Start reports that work entered the gate; inFlight counts its slots too.
	// It does not move the limit.
	Start(now mono.Time, inFlight int)
}

// A Stepper is a Law whose limit moves with time alone.
type Stepper interface {
	// Step applies the passage of time. It is idempotent.
	Step(now mono.Time)
}

// A Dipper is a Law that lowers its limit now and then for a short while, to see
// what less work inside does.
type Dipper interface {
	// Dipping reports whether it does now: what does not fit then will soon, and
	// should wait and not be refused.
	Dipping() bool
}

// A Sample is one unit of work that has ended.
type Sample struct {
	Started         mono.Time     // when it entered the gate
	InFlightAtStart int           // slots taken at that instant, its own included
	Cost            int           // slots that it took, at least 1
	QueueDelay      time.Duration // its wait inside the callee; counts only where HasDelay
	// Away is for how much of its time inside it held no slot, as it was with a callee
	// that limits itself.
	Away     time.Duration
	HasDelay bool
	Outcome  penstock.Outcome
	// Late says that the answer was of no use any more: the deadline had
	// passed or the caller had left. Its Outcome is then Dropped, or Ignored
	// where the work had spent its time before it entered the gate.
	Late bool
}

// Own is for how long the work has held its slot.
func (s *Sample) Own(now mono.Time) time.Duration { return max(0, now.Sub(s.Started)-s.Away) }
