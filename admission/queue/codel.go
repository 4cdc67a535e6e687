package queue

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// CoDel's parameters where none are given, from RFC 8289.
const (
	DefaultTarget   = 5 * time.Millisecond
	DefaultInterval = 100 * time.Millisecond
)

// CoDel judges a queue by the time that work has spent in it: RFC 8289, the
// pseudocode of section 5, its queue's bytes being units of work. Once every unit for a whole Interval has waited
// longer than Target it drops one, and then one after another at a distance of
// Interval/sqrt(count), until a unit has waited less. It never drops while the
// unit asked about has at most one behind it. The zero CoDel is ready to use.
//
// # Warning
//
// CoDel was made for senders that slow down when they lose something. Callers
// that keep coming whatever happens are another matter: the drop rate grows
// only with the square root of the number of drops, so at twice the capacity it
// takes many intervals until as much is dropped as is too much, and all that
// time every unit served has waited longer than its caller will stay. A service
// with CoDel alone then works at full speed for almost nobody. Bound the wait
// as well: give each unit an [Item.Expires], and refuse on arrival what cannot
// be served in time. Package admission does both, with CoDel or without it.
type CoDel struct {
	Target   time.Duration // acceptable wait; 0 means DefaultTarget
	Interval time.Duration // how long the wait must stay above; 0 means DefaultInterval

	above    bool      // the last unit had waited for Target or longer
	ripe     mono.Time // where above: dropping may begin
	dropping bool
	next     mono.Time // where dropping: the next drop is due
	count    uint64    // drops since dropping began
	lastWas  uint64    // count when it began, the last time
	dropped  bool      // the previous answer, while dropping, was yes
}

// Drop reports whether to drop the unit that would be served now. sojourn is how
// long it has waited, and backlog how many units stay behind when it is taken
// out. The caller asks for each unit in the order of service and, for as long
// as the answer is yes, removes it and asks about the one behind it.
//
// A caller that wanted to serve but found nothing waiting says so with
// Drop(now, 0, 0).
func (c *CoDel) Drop(now mono.Time, sojourn time.Duration, backlog int) bool {
	ok, again := c.mayDrop(now, sojourn, backlog), c.dropped
	c.dropped = false
	switch {
	case !ok:
		c.dropping = false
		return false
	case !c.dropping:
		c.enter(now)
		return true
	case again:
		c.next = c.law(c.next)
	}
	if now < c.next {
		return false
	}
	c.count++
	c.dropped = true
	return true
}

// mayDrop tracks the lowest sojourn of an interval: it reports whether none has
// been below target for so long.
func (c *CoDel) mayDrop(now mono.Time, sojourn time.Duration, backlog int) bool {
	target := positive(c.Target, DefaultTarget)
	switch {
	case sojourn < target || backlog <= 1:
		c.above = false
	case !c.above:
		c.above = true
		c.ripe = now.Add(c.interval())
	default:
		return now >= c.ripe
	}
	return false
}

// enter begins to drop. If the last time is not long ago it begins with the
// rate that was needed then.
func (c *CoDel) enter(now mono.Time) {
	c.dropping = true
	grown := c.count - c.lastWas
	c.count = 1
	if grown > 1 && now.Sub(c.next) < 16*c.interval() {
		c.count = grown
	}
	c.next = c.law(now)
	c.lastWas = c.count
}

// law is the control law: the instant of the drop after one at t.
func (c *CoDel) law(t mono.Time) mono.Time {
	return t.Add(time.Duration(float64(c.interval()) / math.Sqrt(float64(c.count))))
}

func (c *CoDel) interval() time.Duration { return positive(c.Interval, DefaultInterval) }
