package flow

import "fmt"

// Define proposes a new definition: other limits, stages paused or drained,
// stages added, or removed if nothing is in them. A limit below what a stage
// holds lets nothing in until it has sunk below. One change at a time.
func (c *Core) Define(def Definition) (*Proposal, error) {
	def = def.Normalize()
	if err := def.Validate(); err != nil {
		return nil, err
	}
	if def.Name != c.def.Name {
		return nil, &InvalidError{"name", fmt.Sprintf("%q is not the flow's, %q, which cannot change", def.Name, c.def.Name)}
	}
	if c.defining {
		return nil, &InvalidError{"stages", "another change of the definition is being stored; try again"}
	}
	for i, s := range c.stages {
		if def.find(s.Name) >= 0 {
			continue
		}
		if n := c.countIn(s); n > 0 || s.used > 0 {
			return nil, &InvalidError{"stages", fmt.Sprintf(
				"%q is missing, but %d items are in it, the spillway's included: let it drain, or replay or discard them, first", c.stages[i].Name, max(n, 1))}
		}
	}
	for _, s := range c.stages {
		s.leaving = def.find(s.Name) < 0
	}
	c.defining = true
	p := &Proposal{Outcome: Defined}
	p.Change.Op, p.Change.Definition = OpDefine, &def
	return p, nil
}

// countIn counts the items that belong to a stage, wherever they are.
func (c *Core) countIn(s *stage) (n int) {
	for _, e := range c.items {
		if e.stage == s {
			n++
		}
	}
	return n
}

// redefine puts a definition in force.
func (c *Core) redefine(now Instant, def Definition) {
	stages := make([]*stage, len(def.Stages))
	for i, d := range def.Stages {
		s := c.stage(d.Name)
		if s == nil {
			s = newStage(now.Mono, d, i)
		}
		s.Stage, s.index = d, i
		if s.ready.ordered != d.Ordered {
			s.ready.reorder(d.Ordered, c.inHand(s))
		}
		stages[i] = s
	}
	c.def, c.stages, c.defining = def, stages, false
	c.forget(now)
	c.observe(now)
}

// inHand lists the items of a stage that are leased, back off after an attempt,
// or are being changed: in an ordered stage their keys wait for them.
func (c *Core) inHand(s *stage) (es []*entry) {
	for _, e := range c.items {
		switch {
		case e.stage != s:
		case e.where == inLeases, e.where == inProposal && e.Hop > 0, e.where == inDue && e.State == Waiting && e.Attempts > 0:
			es = append(es, e)
		}
	}
	return es
}
