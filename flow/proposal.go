package flow

// Outcome says what an operation does once it is applied.
type Outcome uint8

// The outcomes.
const (
	OutcomeNone  Outcome = iota
	Accepted             // a new item is in
	Duplicate            // the id is in, or ended lately: nothing is to be done
	Conflated            // the item has become part of one that waits
	Moved                // on, into the next stage
	Held                 // finished, but blocked: it keeps its slot, and moves by itself
	Finished             // it has left the flow
	Returned             // back into its stage, for another attempt
	SpilledOut           // into the spillway
	SpillBlocked         // to the spillway, which is full: it keeps its slot until there is room
	Entered              // from outside into its stage
	Replayed             // from the spillway back towards its stage
	Discarded            // out of the spillway, for good
	Defined              // the definition is new
)

var outcomeNames = [...]string{
	"none", "accepted", "duplicate", "conflated", "moved", "blocked", "finished", "returned",
	"spilled", "spill_blocked", "entered", "replayed", "discarded", "defined",
}

// String returns the name on the wire.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// A Proposal is a change that has its place reserved, and waits to be committed.
// It must be either applied or aborted, once.
//
// The place that it leaves is free at once, so that what follows it through a full
// line is part of the same commit. Therefore proposals are committed in the order
// in which they were made, and with one that is aborted all are that were made
// after it, before anything else is asked of the core; only a new item,
// [Accepted], leaves no place and may be aborted alone.
type Proposal struct {
	Change  Change // Op is [OpNone] if there is nothing to commit
	Outcome Outcome

	// Source is the number of the item whose payload a merge takes where the
	// change has none; 0 for none.
	Source uint64
	// Conflate says how a merge makes one payload of two.
	Conflate Conflation

	e      *entry // whose change it is; of a merge, the item that is absorbed
	target *entry // of a merge
	from   where  // where e was
	to     place
	stage  *stage // where e will be
	closed bool
}

// propose reserves room for an entry's next state, and takes the entry out of
// the hands of all others.
func (c *Core) propose(e *entry, op Op, next Item, s *stage, to place, outcome Outcome) *Proposal {
	p := &Proposal{Outcome: outcome, e: e, from: e.where, to: to, stage: s}
	p.Change.Op = op
	next.Hop++
	next.Stage, next.Charge = s.Name, to.charge
	p.Change.Item = next
	if to != e.at {
		c.take(to)
		c.give(e.at)
	}
	c.detach(e)
	e.where = inProposal
	return p
}

// endOf proposes that an item leaves for good.
func (c *Core) endOf(now Instant, e *entry, outcome Outcome) *Proposal {
	return c.propose(e, OpFinish, c.ending(now, e.Item), e.stage, place{}, outcome)
}

// ending is an item's last state.
func (c *Core) ending(now Instant, it Item) Item {
	it.State, it.Due = Ended, now.Wall.Add(c.def.Remember)
	return it
}

// Apply makes a committed proposal take effect. It reports false for a duplicate
// whose original was aborted: the item is not in, and may be offered again.
func (c *Core) Apply(now Instant, p *Proposal) bool {
	p.close()
	c.stirred = true
	switch p.Outcome {
	case Duplicate:
		_, known := c.ids[hashID(p.Change.Item.ID)]
		return known
	case Defined:
		c.redefine(now, *p.Change.Definition)
		return true
	default:
	}
	c.count(now, p)
	e := p.e
	e.where = nowhere
	if p.target != nil {
		p.target.Item = p.Change.Item
		p.target.where = nowhere
		c.settle(now, p.target)
		c.leave(e)
		c.end(now, e, p.Change.Absorbed.Due)
		return true
	}
	if p.Change.Item.State == Ended {
		c.leave(e)
		c.end(now, e, p.Change.Item.Due)
		return true
	}
	if p.stage != e.stage || p.Change.Item.State == Blocked {
		c.leave(e)
	}
	e.Item, e.stage, e.at = p.Change.Item, p.stage, p.to
	c.settle(now, e)
	return true
}

// leave lets an ordered key of the stage go on without this item.
func (c *Core) leave(e *entry) {
	if e.stage != nil {
		e.stage.ready.release(e)
	}
}

// Abort takes a proposal back, as if it had never been made. A lease that the
// proposal would have used acts again.
func (c *Core) Abort(now Instant, p *Proposal) {
	p.close()
	c.stirred = true
	switch p.Outcome {
	case Duplicate:
		return
	case Defined:
		c.defining = false
		for _, s := range c.stages {
			s.leaving = false
		}
		return
	default:
	}
	e := p.e
	if p.to != e.at {
		c.give(p.to)
		c.take(e.at)
	}
	if p.target != nil {
		p.target.where = nowhere
		c.settle(now, p.target)
	}
	switch {
	case e.Hop == 0: // it was never in
		delete(c.items, e.No)
		delete(c.ids, hashID(e.ID))
	case p.from == inLeases:
		e.where = inLeases
		e.stage.leased++
		c.leases.push(e)
	default:
		e.where = nowhere
		c.settle(now, e)
	}
}

func (p *Proposal) close() {
	if p.closed {
		panic("flow: a proposal was applied or aborted twice")
	}
	p.closed = true
}
