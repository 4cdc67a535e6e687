package sim

import (
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/mono"
)

// Credited is a saturated sender and a receiver that works on one item after
// another, with a path between them and the credit window of package demand: the
// production core in virtual time.
type Credited struct {
	Window  int64         // as of demand.Window
	Refill  float64       // as of demand.Refill
	Delay   time.Duration // of the path, each way
	Service func() time.Duration

	loop      *Loop
	credit    demand.Credit
	allowance demand.Allowance
	waiting   int64
	busy      bool
	sent      int64
	done      int64
	grants    int64
	peak      int64
}

// CreditReport says how a [Credited] went.
type CreditReport struct {
	Sent, Done int64 // items
	Grants     int64 // messages back, the first one left out
	Peak       int64 // items that were out at once, sent and not done
}

// What the events of a Credited are.
const (
	creditArrives uint64 = iota // an item
	creditServed
	creditGranted // and beyond: the total that is granted, plus this
)

// Run runs it for the given time in a loop of its own.
func (c *Credited) Run(d time.Duration) CreditReport {
	c.loop = new(Loop)
	c.allowance = demand.NewAllowance(c.Window, c.Refill)
	c.loop.After(c.Delay, c, creditGranted+uint64(c.allowance.Upto()))
	c.loop.Run(mono.Time(0).Add(d))
	return CreditReport{Sent: c.sent, Done: c.done, Grants: c.grants, Peak: c.peak}
}

// Fire is an item that arrives or is done with, or a grant that arrives.
func (c *Credited) Fire(_ mono.Time, what uint64) {
	switch what {
	case creditArrives:
		c.waiting++
	case creditServed:
		c.busy = false
		c.done++
		if c.allowance.Done(1) {
			c.grants++
			c.loop.After(c.Delay, c, creditGranted+uint64(c.allowance.Upto()))
		}
	default:
		c.credit.Raise(int64(what - creditGranted))
		for c.credit.Spend(1) {
			c.sent++
			c.loop.After(c.Delay, c, creditArrives)
		}
		c.peak = max(c.peak, c.sent-c.done)
	}
	if !c.busy && c.waiting > 0 {
		c.busy = true
		c.waiting--
		c.loop.After(c.Service(), c, creditServed)
	}
}
