package admission

import (
	"context"
	"fmt"
	"time"
)

// GateName returns the name of the gate with the given index.
func (c *Core) GateName(i int) string { return c.gates[i].name }

// Stuck describes work that waits though a gate that it may use is open; it is
// empty when there is none. It changes nothing.
func (c *Core) Stuck() string {
	for i, p := range c.pools {
		it, _, ok := p.room.Peek()
		if !ok {
			continue
		}
		for _, k := range p.gates {
			g := c.gates[k] // a copy: asking may start the wait for a probe
			if g.open(c.now, it.Cost) {
				return fmt.Sprintf("pool %d has %d waiting, the first costs %d, and gate %q is open with %d of %g in flight",
					i, p.room.Len(), it.Cost, g.name, g.inFlight, g.limit)
			}
		}
	}
	return ""
}

// Slots returns how many slots the limit of a gate means now.
func (c *Core) Slots(gate int) int { return c.gates[gate].slots }

// InFlight returns how many slots of the named gate are taken.
func (c *Core) InFlight(gate string) int {
	for i := range c.gates {
		if c.gates[i].name == gate {
			return c.gates[i].inFlight
		}
	}
	return 0
}

// The bounds that tests name.
const (
	RoomLength = roomLength
	Decisions  = decisions
)

// Turned is what happens when work has waited so long for a thread after it was
// admitted.
func (c *Controller) Turned(ctx context.Context, p Permit, waited time.Duration) error {
	return c.turned(ctx, p, waited)
}
