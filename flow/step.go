package flow

import "slices"

// Reasons that the core itself gives.
const (
	reasonTimeout  = "the lease timed out"
	reasonDeadline = "the deadline passed"
)

// Step appends to buf what is to happen by itself: leases that time out,
// deadlines that pass, delayed items that come due, blocked items that find
// room. It proposes max at most; then [Core.Next] says to come back at once.
// It is idempotent: late and spurious calls are harmless.
func (c *Core) Step(now Instant, most int, buf []*Proposal) []*Proposal {
	limit := len(buf) + most
	full := func() bool { return len(buf) >= limit }
	c.forget(now)
	for !full() && c.leases.len() > 0 && c.leases.top().expiry <= now.Mono {
		c.counts.TimedOut++
		buf = append(buf, c.sendBack(now, c.leases.top(), -1, reasonTimeout))
	}
	c.mature(now)
	for !full() && c.spillers.len() > 0 && c.spilled < c.def.Spillway {
		e := c.spillers.top()
		it := e.Item
		if it.State != Spilling {
			it.Reason = reasonDeadline
			c.counts.Expired++
		}
		buf = append(buf, c.spill(e, it))
	}
	for _, s := range slices.Backward(c.stages) {
		for !full() && s.entering.len() > 0 && !s.leaving {
			e := s.entering.top()
			if !s.fits(s.charge(&e.Item)) {
				break
			}
			it := e.Item
			it.State = Waiting
			buf = append(buf, c.propose(e, OpMove, it, s, inside(s, &it), Entered))
		}
		for !full() && s.blocked.len() > 0 {
			p := c.pass(now, s.blocked.top(), s.blocked.top().Item)
			if p == nil {
				break
			}
			buf = append(buf, p)
		}
	}
	c.stirred = full()
	c.observe(now)
	return buf
}

// mature moves on, in memory, what has become due or has passed its deadline.
func (c *Core) mature(now Instant) {
	for c.deadlines.len() > 0 && c.deadlines.top().Deadline <= now.Wall {
		e := c.deadlines.top()
		c.detach(e)
		c.settle(now, e)
	}
	for c.due.len() > 0 && c.due.top().Due <= now.Wall {
		e := c.due.top()
		c.detach(e)
		c.settle(now, e)
	}
}
