package flow

import (
	"fmt"
	"strconv"
	"time"

	"github.com/penstock-go/penstock"
)

// An Offer is an item that asks to enter.
type Offer struct {
	// ID is what the producer calls the item, at most [IDMax] bytes. An id that
	// is in the flow, or ended lately, is a [Duplicate]: so an offer may be
	// repeated until it is answered. Empty means that the core makes one.
	ID string

	Key         string               // fairness and order; at most [KeyMax] bytes, empty for none
	Criticality penstock.Criticality // who goes first; unspecified means [penstock.Critical]
	Cost        int                  // 1 to [penstock.MaxCost]; 0 means 1, larger means MaxCost
	Payload     []byte               // at most [Definition.PayloadMax]; kept until the proposal is done
	Due         Wall                 // not to be handed out before; 0: at once
	Deadline    Wall                 // worthless from then on: it is spilled; 0: never

	// Follows says that an earlier offer of the same request was refused. Both
	// come back together, so this one has no place of its own in the line of
	// those who come back.
	Follows bool
}

// An InvalidError says what is wrong with what was asked for, and what is allowed.
type InvalidError struct{ Field, Text string }

// Error names the field first.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Text }

func (c *Core) check(o *Offer) error {
	switch {
	case len(o.ID) > IDMax:
		return &InvalidError{"id", fmt.Sprintf("%d bytes, where at most %d are allowed", len(o.ID), IDMax)}
	case len(o.Key) > KeyMax:
		return &InvalidError{"key", fmt.Sprintf("%d bytes, where at most %d are allowed", len(o.Key), KeyMax)}
	}
	return c.checkPayload(o.Payload)
}

func (c *Core) checkPayload(p []byte) error {
	if len(p) > c.def.PayloadMax {
		return &InvalidError{"payload", fmt.Sprintf("%d bytes, where at most %d are allowed", len(p), c.def.PayloadMax)}
	}
	return nil
}

// Offer proposes to take an item in. The error is an [*InvalidError], or a
// [*penstock.RejectedError] with the reason limit (the first stage is full),
// draining, or deadline (it has passed).
func (c *Core) Offer(now Instant, o Offer) (*Proposal, error) {
	if err := c.check(&o); err != nil {
		return nil, err
	}
	c.counts.Offered++
	c.forget(now)
	if no, ok := c.ids[hashID(o.ID)]; ok && o.ID != "" {
		c.counts.Duplicates++
		return &Proposal{Outcome: Duplicate, Change: Change{Item: Item{No: no, ID: o.ID, Flow: c.def.Name}}}, nil
	}
	if o.Deadline != 0 && o.Deadline <= now.Wall {
		return nil, c.refuse(now, penstock.ReasonDeadline)
	}
	s := c.stages[0]
	if s.Draining || s.leaving {
		return nil, c.refuse(now, penstock.ReasonDraining)
	}
	e := c.newEntry(now, &o, s)
	to, target, ok := c.entry(now, e)
	if !ok && o.Follows {
		c.counts.Refused++
		return nil, &penstock.RejectedError{Reason: penstock.ReasonLimit, Pressure: c.Level(), RetryAfter: c.entrance.told}
	}
	if !ok {
		return nil, c.refuse(now, penstock.ReasonLimit)
	}
	e.stage = s
	c.items[e.No] = e
	c.ids[hashID(e.ID)] = e.No
	if target != nil {
		p := c.merge(now, e, target, s.Conflate)
		p.Change.Payload, p.Change.HasPayload = o.Payload, true
		return p, nil
	}
	next := e.Item
	if to.kind == outsidePlace {
		next.State = Delayed
	}
	p := c.propose(e, OpPut, next, s, to, Accepted)
	p.Change.Payload, p.Change.HasPayload = o.Payload, true
	return p, nil
}

// Entrance says at once why any offer would be refused, if it would: then a
// host need not even read it. The error is a [*penstock.RejectedError]. So a full
// flow answers late that an item is a duplicate, and takes none that is delayed; a
// flow that conflates at its entrance is never closed so.
func (c *Core) Entrance(now Instant) error {
	switch s := c.stages[0]; {
	case s.Draining || s.leaving:
		return c.refuse(now, penstock.ReasonDraining)
	case (s.entering.len() > 0 || s.used >= s.WIP) && s.Conflate == ConflateNone:
		return c.refuse(now, penstock.ReasonLimit)
	}
	return nil
}

func (c *Core) newEntry(now Instant, o *Offer, s *stage) *entry {
	w := penstock.Work{Cost: o.Cost, Criticality: min(o.Criticality, penstock.CriticalPlus)}
	e := &entry{deadPos: -1, Item: Item{
		No: c.epoch.number(), Flow: c.def.Name, ID: o.ID, Key: o.Key, Stage: s.Name,
		Created: now.Wall, Deadline: o.Deadline, Size: int32(len(o.Payload)),
		Cost: int32(w.Slots()),
		Rank: w.Rank(),
	}}
	if o.Due > now.Wall {
		e.Due = o.Due
	}
	if e.ID == "" {
		e.ID = "item-" + strconv.FormatUint(e.No, 36)
	}
	return e
}

// entry decides where a new item goes: outside while it is delayed and that is
// possible, else inside the first stage, else into an item of its key.
func (c *Core) entry(now Instant, e *entry) (to place, target *entry, ok bool) {
	s := c.stages[0]
	if e.Due > now.Wall && c.delayed < c.def.DelayedMax {
		return place{kind: outsidePlace}, nil, true
	}
	if s.entering.len() == 0 && s.fits(s.charge(&e.Item)) {
		return inside(s, &e.Item), nil, true
	}
	if e.Due <= now.Wall {
		target = s.conflatesWith(e)
	}
	return place{}, target, target != nil
}

// conflatesWith is the waiting item that would absorb e, or nil.
func (s *stage) conflatesWith(e *entry) *entry {
	if s.Conflate == ConflateNone || e.Key == "" {
		return nil
	}
	return s.ready.oldestOf(e)
}

// merge proposes that target absorbs e.
func (c *Core) merge(now Instant, e, target *entry, how Conflation) *Proposal {
	next := target.Item
	next.Size = e.Size
	p := c.propose(e, OpMerge, e.Item, e.stage, place{}, Conflated)
	absorbed := c.ending(now, p.Change.Item)
	p.Change.Absorbed = &absorbed
	next.Hop++
	p.Change.Item = next
	p.Conflate = how
	p.target = target
	c.detach(target)
	target.where = inProposal
	return p
}

// Level is how full the entrance is, 0 to 1: up to 0.8 while it takes items in,
// 1 while it refuses.
func (c *Core) Level() float64 {
	s := c.stages[0]
	if s.entering.len() > 0 || s.used >= s.WIP || s.Draining {
		return 1
	}
	return 0.8 * float64(s.used) / float64(s.WIP)
}

// refuse says no, and when to come back.
func (c *Core) refuse(now Instant, why penstock.Reason) error {
	c.counts.Refused++
	e := &penstock.RejectedError{Reason: why, Pressure: c.Level()}
	if why != penstock.ReasonDeadline {
		e.RetryAfter = c.entrance.retryAfter(now.Mono, 0.75+0.5*c.rng.Float64())
	}
	return e
}

// bounds of retry-after.
const (
	retryLeast = 50 * time.Millisecond
	retryMost  = 30 * time.Second
)
