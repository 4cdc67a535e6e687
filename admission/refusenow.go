package admission

import (
	"slices"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// RefuseNow asks less than [Core.Offer]: it returns the refusal that Offer would
// give at this instant, and counts it as Offer does; or nil, and then nothing has
// been asked for and nothing is counted. Nil is no promise: work that gets it is
// to be offered. Work that exploration or the floor would let through, that may
// wait, or that would find the room full, gets nil.
//
// It is for a host that can refuse at less cost than it can do anything else.
func (c *Core) RefuseNow(now mono.Time, routeIndex int, w penstock.Work) *penstock.RejectedError {
	door := c.routes[routeIndex].pool.door
	if v := door.verdict.Load(); !v.price.Admits(w.Rank()) {
		return door.refuseNow(v, w.Rank())
	}
	return c.refuseNow(now, routeIndex, &w)
}

// refuseNow is RefuseNow behind the turnstile.
func (c *Core) refuseNow(now mono.Time, routeIndex int, w *penstock.Work) *penstock.RejectedError {
	now = c.advance(now)
	if !c.wouldRefuse(now, &c.routes[routeIndex], w) {
		return nil
	}
	return c.enter(now, routeIndex, w, false).Refusal
}

// wouldRefuse reports whether enter would refuse w at once. It changes nothing.
func (c *Core) wouldRefuse(now mono.Time, r *route, w *penstock.Work) bool {
	p, rank, cost := r.pool, w.Rank(), w.Slots()
	switch {
	case c.draining || r.gone:
		return true
	case c.observe:
		return false
	case w.HasDeadline && w.Deadline <= now, r.cap > 0 && r.taken > 0 && r.taken+cost > r.cap:
		return true
	case p.room.Len() == 0 && slices.ContainsFunc(p.gates, func(i int32) bool { return c.gates[i].open(now, cost) }):
		return false
	case p.floor.Ready(rank.Criticality()) && p.outranked(rank):
		return false
	}
	_, _, why, estimated := c.prospect(now, r, rank.Band(), w)
	return why != penstock.ReasonNone && (!estimated || !p.explores(now))
}

// Refusing reports whether a room refused within the last tick, or has a price.
// While it does not, [Controller.RefuseNow] returns nil. It costs a load.
func (c *Controller) Refusing() bool { return c.refusing.Load() }

// RefuseNow is a question to put before [Controller.AcquireRoute], where a
// refusal now costs the host less than one later: see [Core.RefuseNow]. It takes
// the lock only while the route's room refuses, never waits, and admits nothing.
// It returns nil, too, for work whose cohort would be drawn: a second draw would
// give it a second chance to be refused.
func (c *Controller) RefuseNow(route int, w penstock.Work) *penstock.RejectedError {
	door := (*c.doors.Load())[route]
	v := door.verdict.Load()
	if v.price == 0 && v.signal.Level < 1 {
		return nil
	}
	if v.ranked {
		if !w.Cohort.Specified() && w.Flow == 0 {
			return nil
		}
		c.placeInCohort(&w, v.at)
		if !v.price.Admits(w.Rank()) {
			return door.refuseNow(v, w.Rank())
		}
	}
	if v.signal.Level < 1 {
		return nil
	}
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.core.refuseNow(now, route, &w)
	c.settle()
	return err
}
