package flow

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// placeMost bounds the time between places, be the line slow, standing still or
// empty until now: it may go on at any moment, and a lone caller should not find
// out half a minute later.
const placeMost = time.Second

// An entrance spreads those who were refused over the time that the first stage
// takes to make room for them: each refusal reserves the next of the places that
// will come free at the rate of late.
type entrance struct {
	last     mono.Time     // when a place came free last
	interval time.Duration // between places, smoothed
	next     mono.Time     // when the next place comes that no refused caller was told
	told     time.Duration // what the one refused last was told
}

func (n *entrance) init(now mono.Time) {
	*n = entrance{last: now, interval: retryLeast, next: now, told: retryLeast}
}

// freed notes that the cost of an item has left the first stage.
func (n *entrance) freed(now mono.Time, cost int32) {
	const weight = 8 // of the past, in places
	each := min(now.Sub(n.last), placeMost) / time.Duration(max(cost, 1))
	n.last = now
	n.interval += (each - n.interval) / weight
}

func (n *entrance) retryAfter(now mono.Time, spread float64) time.Duration {
	interval := n.interval
	if quiet := min(now.Sub(n.last), placeMost); quiet > interval {
		interval = quiet // nothing has come free for long: it is slower than it was
	}
	n.next = min(max(n.next, now).Add(interval), now.Add(retryMost))
	wait := time.Duration(float64(n.next.Sub(now)) * spread)
	n.told = min(max(wait, retryLeast), retryMost)
	return n.told
}
