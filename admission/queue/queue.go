// Package queue holds bounded waiting rooms.
//
// A [Room] is where work waits for a slot. It serves the highest band first.
// Inside a band it serves by its [Order]: first in first out, last in first
// out, or fairly between flows. It is a single-threaded state machine: it reads
// no clock and holds no lock, and after it has grown to its working size it
// allocates nothing. Who waits, and for how long, is decided by its owner; a
// room knows when each unit must leave ([Room.Next], [Room.Expired]) and which
// unit has to make way for something that matters more ([Room.Weakest]).
//
// [CoDel] is RFC 8289's law for judging a queue by the time that work has spent
// in it. Read its warning before use: alone it does not protect a service.
// [FailAtScale] and [Folly] are the two rules that large services use in its
// place.
package queue

import "github.com/penstock-go/penstock/mono"

// Order is the order in which a room serves the work of one band.
type Order uint8

// The orders.
const (
	// Auto shares between flows (as Fair) and serves each flow first in, first
	// out; while refusals are sustained, last in, first out.
	Auto Order = iota
	FIFO
	LIFO
	// Fair shares between flows by deficit round robin, each flow first in,
	// first out.
	Fair
)

// MaxLength is the most units that a room may be configured to hold.
const MaxLength = 1 << 24

// Config sizes a Room.
type Config struct {
	// Length is how many units may wait, 0 to [MaxLength]. 0 means that none
	// may.
	Length int
	// Order is the order of service inside a band.
	Order Order
	// Seed keys the hash that spreads flows over the room's table, so that
	// nobody outside can choose flow keys that share a place with another's.
	Seed uint64
}

// An Item is one unit of work that waits.
type Item struct {
	// ID is the owner's name for the unit. The room only hands it back.
	ID int32
	// Band is served before every lower band: 0 to [penstock.Bands]-1. Values
	// outside are moved to the nearest inside.
	Band int
	// Flow is whom the unit is for: inside a band, flows get equal shares
	// (orders Auto and Fair).
	Flow uint64
	// Cost is the unit's share of its flow's service, 1 to [penstock.MaxCost].
	// Values outside are moved to the nearest inside.
	Cost int
	// Arrived is when the unit began to wait. Units are expected in the order
	// of their arrival.
	Arrived mono.Time
	// Expires is the instant at which [Room.Expired] names the unit.
	// [mono.Never] means that it has no bound.
	Expires mono.Time
}

// A Handle names a waiting unit in its room until the unit leaves. Later the
// room uses it again, for another unit.
type Handle int32
