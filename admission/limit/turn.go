package limit

import (
	"fmt"
	"math"
)

// The constants of a turn.
const (
	turnMemory   = 1.0 / 16 // weight of a reply in the means
	turnHeadroom = 0.5      // square roots of what runs that may be inside beyond it
	turnMost     = 2.0      // by how much one look may shrink the limit below what is inside
	turnCalm     = 1.0 / 16 // share of the time waited below which nothing is seen to queue,
	turnRelease  = 1.25     // and the limit grows by this
)

// A turn sees work wait inside the callee for its turn to run. By Little's law,
// as large a share of what is inside waits as of the time that it spends there;
// the rest runs. What runs and a little more need be inside: the more, in
// proportion, the less it is.
//
// It sees the first wait of each piece of work. Where work waits again and again,
// as what computes for longer than a slice of the processor does, the term allows
// more than is best, and the law beside it must find out.
type turn struct {
	limit  float64
	took   float64 // moving means: seconds inside,
	waited float64 // of them until its turn came,
	inside float64 // slots taken at the start
}

// observe takes one reply.
func (t *turn) observe(took, waited, inside float64) {
	if t.inside == 0 {
		t.took, t.waited, t.inside = took, waited, inside
	}
	t.took += turnMemory * (took - t.took)
	t.waited += turnMemory * (min(waited, took) - t.waited)
	t.inside += turnMemory * (inside - t.inside)
}

// share is that of its time inside that work waits for its turn.
func (t *turn) share() float64 { return t.waited / max(t.took, 1e-9) }

// runs is how many of those inside do not wait.
func (t *turn) runs() float64 { return max(1, t.inside*(1-t.share())) }

// look moves the limit, once per reply time or so. It grows no further than most,
// which is well above what another term allows.
func (t *turn) look(most float64) {
	runs := t.runs()
	to := runs + turnHeadroom*math.Sqrt(runs)
	switch {
	case t.inside == 0:
	case to < t.inside:
		t.limit = min(t.limit, max(to, t.inside/turnMost))
	case t.share() < turnCalm:
		t.limit = max(t.limit, min(t.limit*turnRelease, most))
	default:
		t.limit = max(t.limit, min(to, most))
	}
}

// explain says how the term comes about.
func (t *turn) explain() string {
	return fmt.Sprintf("limit %.1f, held by what is seen directly: %.1f are inside for %.3g ms and wait %.3g ms of them for a thread, so %.1f run",
		t.limit, t.inside, t.took*1e3, t.waited*1e3, t.runs())
}
