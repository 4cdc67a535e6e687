package flow

import "fmt"

// Check looks for what must never be: an entry that is not where it says, or a
// count that is not the sum of what it counts. open are the proposals that are
// neither applied nor aborted.
func (c *Core) Check(open []*Proposal) error {
	used := map[*stage]int{}
	ready, leased, blocked, entering := map[*stage]int{}, map[*stage]int{}, map[*stage]int{}, map[*stage]int{}
	spilled, delayed, due, spillers, deadlines := 0, 0, 0, 0, 0
	add := func(p place) {
		switch p.kind {
		case insidePlace:
			used[p.stage] += int(p.charge)
		case outsidePlace:
			delayed++
		case spillwayPlace:
			spilled++
		case noPlace:
		}
	}
	inFlight, to := map[*entry]bool{}, map[*entry]place{}
	for _, p := range open {
		if p.e != nil {
			inFlight[p.e], to[p.e] = true, p.to
		}
		if p.target != nil {
			inFlight[p.target] = true
		}
	}
	for no, e := range c.items {
		if e.No != no || c.ids[hashID(e.ID)] != no {
			return fmt.Errorf("item %d (%s) is not found by its number and id", no, e.ID)
		}
		if (e.where == inProposal) != inFlight[e] {
			return fmt.Errorf("item %s is in place %d, and being changed: %v", e.ID, e.where, inFlight[e])
		}
		if p, ok := to[e]; ok {
			add(p) // what it leaves is free already
		} else {
			add(e.at)
		}
		if e.deadPos >= 0 {
			deadlines++
			if c.deadlines.s[e.deadPos] != e {
				return fmt.Errorf("item %s is not where it thinks among the deadlines", e.ID)
			}
		}
		ok := true
		switch e.where {
		case inReady:
			ready[e.stage]++
			ok = e.queue.items.s[e.pos] == e && e.State == Waiting && e.stage.ready.keys[e.stage.ready.id(e)] == e.queue
			ok = ok && (e.queue.pos >= 0 || e.queue.held > 0)
		case inLeases:
			leased[e.stage]++
			ok = c.leases.s[e.pos] == e && e.State == Waiting
		case inDue:
			due++
			ok = c.due.s[e.pos] == e && (e.State == Waiting || e.State == Delayed)
		case inEntering:
			entering[e.stage]++
			ok = e.stage.entering.s[e.pos] == e && e.State == Delayed
		case inBlocked:
			blocked[e.stage]++
			ok = e.stage.blocked.s[e.pos] == e && e.State == Blocked
		case inSpillers:
			spillers++
			ok = c.spillers.s[e.pos] == e
		case inSpillway:
			ok = e.State == Spilled && e.at.kind == spillwayPlace
		case inProposal:
		case nowhere:
			ok = false
		}
		if !ok {
			return fmt.Errorf("item %s (%s) is not where it thinks, %d", e.ID, e.State, e.where)
		}
	}
	for _, s := range c.stages {
		if s.used != used[s] || s.ready.waiting != ready[s] || s.leased != leased[s] ||
			s.blocked.len() != blocked[s] || s.entering.len() != entering[s] {
			return fmt.Errorf("stage %s counts %d used, %d ready, %d leased, %d blocked, %d entering; its items say %d, %d, %d, %d, %d", s.Name,
				s.used, s.ready.waiting, s.leased, s.blocked.len(), s.entering.len(), used[s], ready[s], leased[s], blocked[s], entering[s])
		}
	}
	if c.delayed != delayed || c.spilled != spilled || c.due.len() != due || c.spillers.len() != spillers || c.deadlines.len() != deadlines {
		return fmt.Errorf("counts %d delayed, %d spilled, %d due, %d spillers, %d deadlines; the items say %d, %d, %d, %d, %d",
			c.delayed, c.spilled, c.due.len(), c.spillers.len(), c.deadlines.len(), delayed, spilled, due, spillers, deadlines)
	}
	return nil
}

// Keys is how many keys a stage's order of service knows.
func (c *Core) Keys(stage string) int { return len(c.stage(stage).ready.keys) }
