package flow

import (
	"fmt"

	"github.com/penstock-go/penstock"
)

// find returns the item with this id, or nil.
func (c *Core) find(id string) *entry { return c.items[c.ids[hashID(id)]] }

// Find returns the item with this id. It reports false for one that is not in
// the flow, or not any more.
func (c *Core) Find(id string) (Item, bool) {
	if e := c.find(id); e != nil && e.Hop > 0 {
		return e.Item, true
	}
	return Item{}, false
}

// Spillway appends up to n items of the spillway to buf, in the order in which
// they were spilled, from the one after id; an empty id begins at the oldest.
func (c *Core) Spillway(after string, n int, buf []Item) ([]Item, error) {
	e := c.spillway.first
	if after != "" {
		from, err := c.spilledItem(after)
		if err != nil {
			return buf, err
		}
		e = from.next
	}
	for ; e != nil && n > 0; e, n = e.next, n-1 {
		buf = append(buf, e.Item)
	}
	return buf, nil
}

func (c *Core) spilledItem(id string) (*entry, error) {
	if e := c.find(id); e != nil && e.where == inSpillway {
		return e, nil
	}
	return nil, fmt.Errorf("%w in the spillway: %.*q", ErrUnknownItem, IDMax, id)
}

// Replay proposes to send an item of the spillway back to the stage that it was
// spilled in, with its attempts forgotten and without a deadline. It enters when
// there is room. It is refused while as many are outside as may be.
func (c *Core) Replay(now Instant, id string) (*Proposal, error) {
	e, err := c.spilledItem(id)
	if err != nil {
		return nil, err
	}
	if c.delayed >= c.def.DelayedMax {
		return nil, c.refuse(now, penstock.ReasonQueueFull)
	}
	it := e.Item
	it.State, it.Due, it.Deadline, it.Attempts, it.Reason = Delayed, 0, 0, 0, ""
	return c.propose(e, OpMove, it, e.stage, place{kind: outsidePlace}, Replayed), nil
}

// Discard proposes to end an item of the spillway.
func (c *Core) Discard(now Instant, id string) (*Proposal, error) {
	e, err := c.spilledItem(id)
	if err != nil {
		return nil, err
	}
	return c.endOf(now, e, Discarded), nil
}
