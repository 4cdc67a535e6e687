package admission

import (
	"sync/atomic"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// exploreEvery lets one in so many of the refusals that rest on an estimate
// through, so that the estimate can be corrected.
const exploreEvery = 100

// jitters is how many retry-after values one refusal reason has at a time, so
// that callers refused in one tick do not come back in one.
const jitters = 8

// A verdict is what the core decided at its last tick. It does not change while
// anybody may look at it, so that refusing costs a load and a compare.
type verdict struct {
	at     mono.Time
	ranked bool // ranks are being counted: there is a price, or may soon be one
	price  penstock.Price
	errs   *[jitters]penstock.RejectedError // set where price > 0
	signal pressure.Signal
}

// A turnstile refuses by rank in front of a room. It is the one part of the
// core that any goroutine may touch at any time.
type turnstile struct {
	verdict atomic.Pointer[verdict]
	refused [penstock.MaxRank + 1]atomic.Uint32 // by rank, ever: it wraps
	credit  atomic.Int32                        // so many more are let through below the price,
	floor   [penstock.Criticalities]atomic.Bool // and the next of a criticality
}

// refuse returns the refusal that v means for work of rank r, or nil. explored
// says that the work would have been refused but is let through to test the
// price.
func (t *turnstile) refuse(v *verdict, r penstock.Rank) (err *penstock.RejectedError, explored bool) {
	if v.price.Admits(r) {
		return nil, false
	}
	if v.price < penstock.MaxPrice {
		if t.credit.Load() > 0 && t.credit.Add(-1) >= 0 {
			return nil, true
		}
		if floor := &t.floor[r.Criticality()]; floor.Load() && floor.CompareAndSwap(true, false) {
			return nil, true
		}
	}
	return t.turnAway(v, r), false
}

// refuseNow is refuse for work that asks again if it is not refused: what would
// be let through below the price is not, here.
func (t *turnstile) refuseNow(v *verdict, r penstock.Rank) *penstock.RejectedError {
	if v.price < penstock.MaxPrice && (t.credit.Load() > 0 || t.floor[r.Criticality()].Load()) {
		return nil
	}
	return t.turnAway(v, r)
}

func (t *turnstile) turnAway(v *verdict, r penstock.Rank) *penstock.RejectedError {
	n := t.refused[min(r, penstock.MaxRank)].Add(1)
	return &v.errs[n%jitters]
}
