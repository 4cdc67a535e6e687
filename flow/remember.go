package flow

// remembered is an ended item whose id is not accepted again until then.
type remembered struct {
	id    idHash
	no    uint64
	until Wall
}

// A ring is a queue of what is remembered; it grows as needed.
type ring struct {
	s     []remembered
	first int
	n     int
}

func (r *ring) push(m remembered) {
	if r.n == len(r.s) {
		grown := make([]remembered, max(2*len(r.s), 16))
		for i := range r.n {
			grown[i] = r.s[(r.first+i)%len(r.s)]
		}
		r.s, r.first = grown, 0
	}
	r.s[(r.first+r.n)%len(r.s)] = m
	r.n++
}

func (r *ring) pop() remembered {
	m := r.s[r.first]
	r.first = (r.first + 1) % len(r.s)
	r.n--
	return m
}

// end removes an item for good, and remembers its id.
func (c *Core) end(now Instant, e *entry, until Wall) {
	e.at = place{}
	e.where = nowhere
	delete(c.items, e.No)
	c.ended.push(remembered{hashID(e.ID), e.No, until})
	c.forget(now)
}

// forget drops what need not be remembered any more. Where the window was made
// shorter, what was to be remembered longer keeps what came after it, too, until
// it is forgotten itself or there are too many.
func (c *Core) forget(now Instant) {
	for c.ended.n > 0 && (c.ended.n > c.def.RememberMax || c.ended.s[c.ended.first].until <= now.Wall) {
		m := c.ended.pop()
		if c.ids[m.id] == m.no {
			delete(c.ids, m.id)
		}
	}
}
