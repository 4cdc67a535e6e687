package demand

import "math"

// Unbounded is demand without a bound: 2^63-1, as in rule 3.17 of Reactive
// Streams. Demand that adds up to it or beyond stays there.
const Unbounded = math.MaxInt64

// A Credit is the sender's half of a credit window: what it may still send. It
// counts in totals since the beginning, so that a grant that is repeated or
// overtaken does no harm. The zero Credit allows nothing.
//
// Credit and [Allowance] are pure: their owner brings the lock or the wire. The
// boundaries of this package, package wire and the simulator all count with them.
type Credit struct {
	sent, upto int64
}

// Spend takes cost, which is not negative, from the credit, or reports false
// and changes nothing.
func (c *Credit) Spend(cost int64) bool {
	if cost > c.Left() {
		return false
	}
	c.sent = saturated(c.sent, cost)
	return true
}

// Add grants n more, as Request(n) does: demand adds up (rule 3.8), and stays at
// [Unbounded] once it is there (rule 3.17). An n below 1 grants nothing.
func (c *Credit) Add(n int64) { c.upto = saturated(c.upto, max(n, 0)) }

// Raise lets the sender go as far as upto in total. A grant that is lower than
// an earlier one came late and changes nothing.
func (c *Credit) Raise(upto int64) { c.upto = max(c.upto, upto) }

// Replace lets the sender go as far as upto in total, and takes back what an
// earlier grant allowed beyond that.
func (c *Credit) Replace(upto int64) { c.upto = max(upto, c.sent) }

// Left returns how much may be spent now; [Unbounded] stays that.
func (c *Credit) Left() int64 {
	if c.upto == Unbounded {
		return Unbounded
	}
	return c.upto - c.sent
}

// Sent returns what was spent in total.
func (c *Credit) Sent() int64 { return c.sent }

// An Allowance is the receiver's half of a credit window: it lets at most its size
// be outstanding, which is sent and not yet done with, and gives credit back in
// portions, since a grant costs a message or a wake-up. Make one with
// [NewAllowance].
type Allowance struct {
	size, step, done, upto int64
}

// NewAllowance returns an allowance of the given size, 1 to [Unbounded], which grants
// anew once refill x size has been done with since the last grant. refill is
// above 0 and at most 1; both are kept within their range.
func NewAllowance(size int64, refill float64) Allowance {
	size = max(size, 1)
	step := int64(1)
	if refill > 0 {
		step = int64(min(refill*float64(size), 1<<62))
	}
	return Allowance{size: size, step: min(max(step, 1), size), upto: size}
}

// Upto returns how far the sender may go in total: the first grant, and the one
// to repeat.
func (w *Allowance) Upto() int64 { return w.upto }

// Size returns the size.
func (w *Allowance) Size() int64 { return w.size }

// Done gives back the cost of what the receiver is done with. It reports whether
// a grant of [Allowance.Upto] is due.
func (w *Allowance) Done(cost int64) bool {
	w.done += cost
	return w.done+w.size-w.upto >= w.step && w.renew()
}

// Due returns how much must be done with until the next grant is due; at least 1.
func (w *Allowance) Due() int64 { return max(w.step-(w.done+w.size-w.upto), 1) }

// Flush reports whether a grant is due if nothing is to be held back: a receiver
// that runs dry flushes, as the sender may wait for an item that costs more than
// the portion that is left.
func (w *Allowance) Flush() bool { return w.renew() }

func (w *Allowance) renew() bool {
	upto := saturated(w.done, w.size)
	if upto == w.upto {
		return false
	}
	w.upto = upto
	return true
}

// saturated is a+b for b of at least 0.
func saturated(a, b int64) int64 {
	if a > Unbounded-b {
		return Unbounded
	}
	return a + b
}
