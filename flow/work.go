package flow

import (
	"fmt"
	"time"
)

// Leased is an item handed to a worker. Its payload is in the store.
type Leased struct {
	Item  Item
	Lease Lease
	For   time.Duration // until the lease times out
}

// Pull hands out up to n items of a stage, and appends them to buf. A lease of
// zero means the stage's own; a longer one than [LeaseMax] is cut. Nothing is
// proposed: leases do not survive a crash, and need not.
func (c *Core) Pull(now Instant, stageName string, n int, lease time.Duration, buf []Leased) ([]Leased, error) {
	s := c.stage(stageName)
	if s == nil {
		return buf, fmt.Errorf("%w: %q", ErrUnknownStage, stageName)
	}
	if lease <= 0 {
		lease = s.Lease
	}
	lease = min(lease, LeaseMax)
	for n > 0 && !s.Paused {
		e := s.ready.pop()
		if e == nil {
			break
		}
		if e.deadPos >= 0 {
			c.deadlines.remove(e.deadPos)
		}
		if e.Deadline != 0 && e.Deadline <= now.Wall {
			c.stirred = true
			c.settle(now, e)
			continue
		}
		c.leaseNo++
		e.lease, e.expiry, e.since, e.where = c.leaseNo, now.Mono.Add(lease), now.Mono, inLeases
		c.leases.push(e)
		s.leased++
		buf = append(buf, Leased{e.Item, Lease{e.No, c.epoch.n, e.lease}, lease})
		n--
	}
	c.observe(now)
	return buf, nil
}

// Ready is how many items of a stage can be handed out.
func (c *Core) Ready(stageName string) int {
	if s := c.stage(stageName); s != nil && !s.Paused {
		return s.ready.waiting
	}
	return 0
}

// SetDemand tells how many items the workers that wait at a stage ask for. It
// tells a starved stage from an idle one.
func (c *Core) SetDemand(now Instant, stageName string, n int) {
	if s := c.stage(stageName); s != nil {
		s.demand = n
		c.observe(now)
	}
}

// holder returns the item that the lease holds, or [ErrStale].
func (c *Core) holder(now Instant, l Lease) (*entry, error) {
	e := c.items[l.Item]
	if e == nil || l.Epoch != c.epoch.n || e.lease != l.Number || e.where != inLeases || e.expiry <= now.Mono {
		c.counts.Stale++
		return nil, ErrStale
	}
	return e, nil
}

// Extend lets the lease act for d from now; zero means the stage's own time.
func (c *Core) Extend(now Instant, l Lease, d time.Duration) (time.Duration, error) {
	e, err := c.holder(now, l)
	if err != nil {
		return 0, err
	}
	if d <= 0 {
		d = e.stage.Lease
	}
	d = min(d, LeaseMax)
	c.leases.remove(e.pos)
	e.expiry = now.Mono.Add(d)
	c.leases.push(e)
	return d, nil
}

// Release takes a lease back from a worker that never got to know of it, and does
// not count as an attempt. A stale lease is left alone.
func (c *Core) Release(now Instant, l Lease) {
	if e, err := c.holder(now, l); err == nil {
		c.detach(e)
		c.settle(now, e)
		c.stirred = true
	}
}

// Ack proposes that the stage has finished the item. Where replace, its payload
// is output from now on. The item moves on if the next stage has room, else it
// keeps its slot until there is.
func (c *Core) Ack(now Instant, l Lease, output []byte, replace bool) (*Proposal, error) {
	if err := c.checkPayload(output); err != nil {
		return nil, err
	}
	e, err := c.holder(now, l)
	if err != nil {
		return nil, err
	}
	it := e.Item
	if replace {
		it.Size = int32(len(output))
	}
	s := e.stage
	s.clock.served(now.Mono.Sub(e.since))
	p := c.pass(now, e, it)
	if p == nil {
		it.State = Blocked
		p = c.propose(e, OpMove, it, s, e.at, Held)
	}
	if replace && p.Change.Op != OpFinish {
		p.Change.Payload, p.Change.HasPayload, p.Source = output, true, 0
	}
	return p, nil
}

// pass proposes that a finished item leaves its stage: for the next, for an item
// of its key there, or for good. It returns nil if it must wait.
func (c *Core) pass(now Instant, e *entry, it Item) *Proposal {
	next := c.after(e.stage)
	if next == nil {
		return c.propose(e, OpFinish, c.ending(now, it), e.stage, place{}, Finished)
	}
	if next.Draining || next.leaving {
		return nil
	}
	older := e.stage.blocked.len() > 0 && e.stage.blocked.top() != e
	if next.entering.len() == 0 && !older && next.fits(next.charge(&it)) {
		it.State, it.Due, it.Attempts, it.Reason = Waiting, 0, 0, ""
		return c.propose(e, OpMove, it, next, inside(next, &it), Moved)
	}
	if target := next.conflatesWith(e); target != nil {
		p := c.merge(now, e, target, next.Conflate)
		p.Change.Item.Size, p.Source = it.Size, e.No
		return p
	}
	return nil
}

// Nack proposes to send the item back. A delay below zero means the stage's
// backoff. At the last attempt the item is spilled. While it is delayed it gives
// its slot to others, unless as many are outside as may be, or its key waits for
// it.
func (c *Core) Nack(now Instant, l Lease, delay time.Duration, reason string) (*Proposal, error) {
	e, err := c.holder(now, l)
	if err != nil {
		return nil, err
	}
	return c.sendBack(now, e, delay, reason), nil
}

func (c *Core) sendBack(now Instant, e *entry, delay time.Duration, reason string) *Proposal {
	it, s := e.Item, e.stage
	it.Attempts++
	it.Reason = clip(reason)
	if int(it.Attempts) >= s.Attempts {
		return c.spill(e, it)
	}
	if delay < 0 {
		delay = c.jitter(backoff(s.Backoff, s.BackoffMax, int(it.Attempts)))
	}
	it.Due = 0
	if delay > 0 {
		it.Due = now.Wall.Add(min(delay, LeaseMax))
	}
	it.State = Waiting
	to := e.at
	if delay > 0 && c.delayed < c.def.DelayedMax && (!s.Ordered || it.Key == "") {
		it.State, to = Delayed, place{kind: outsidePlace}
	}
	return c.propose(e, OpNack, it, s, to, Returned)
}

// backoff doubles with each attempt from the first, up to most.
func backoff(first, most time.Duration, attempt int) time.Duration {
	d := first
	for range attempt - 1 {
		if d >= most/2 {
			return most
		}
		d *= 2
	}
	return min(d, most)
}

// Spill proposes to send the item to the spillway.
func (c *Core) Spill(now Instant, l Lease, reason string) (*Proposal, error) {
	e, err := c.holder(now, l)
	if err != nil {
		return nil, err
	}
	it := e.Item
	it.Reason = clip(reason)
	return c.spill(e, it), nil
}

func (c *Core) spill(e *entry, it Item) *Proposal {
	if c.spilled < c.def.Spillway {
		it.State, it.Due = Spilled, 0
		return c.propose(e, OpSpill, it, e.stage, place{kind: spillwayPlace}, SpilledOut)
	}
	it.State, it.Due = Spilling, 0
	return c.propose(e, OpSpill, it, e.stage, e.at, SpillBlocked)
}
