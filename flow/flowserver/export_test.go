package flowserver

import (
	"net"
	"time"
)

// Slots is how many slots the gate of bodies has.
const Slots = slots

// Bound bounds a listener's connections.
func Bound(ln net.Listener, most int) net.Listener { return bound(ln, most) }

// Places is how many places of a bounded listener are taken.
func Places(ln net.Listener) int { return len(ln.(*bounded).places) }

// SetBodyTime changes how long a body may take, until the function is called.
func SetBodyTime(d time.Duration) (undo func()) {
	old := bodyTime
	bodyTime = d
	return func() { bodyTime = old }
}
