package caller

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The share of refusals by estimate that is let through, so that the estimate
// can be corrected.
const (
	exploreEvery  = 100
	exploreWithin = 100 * time.Millisecond
)

// An explorer lets through one in a hundred of what an estimate refuses, and at
// least one in 100 ms while anything asks.
type explorer struct {
	skipped int
	last    mono.Time // when anything was last let through, refused by estimate or not
	begun   bool
}

// passed notes that something was sent: while calls pass, news comes by itself.
func (e *explorer) passed(now mono.Time) { e.last, e.begun = now, true }

// let reports whether a refusal is to be tested.
func (e *explorer) let(now mono.Time) bool {
	if e.skipped++; e.begun && e.skipped < exploreEvery && now.Sub(e.last) < exploreWithin && now >= e.last {
		return false
	}
	e.skipped, e.last, e.begun = 0, now, true
	return true
}
