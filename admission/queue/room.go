package queue

import (
	"math/bits"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// none is the absent index, in links and in positions.
const none = -1

// A Room holds the units that wait, at most [Config.Length]. Make one with
// [New]. It is for one goroutine at a time.
type Room struct {
	cfg  Config
	lifo bool // Auto only: newest first inside a flow

	units []unit // slab: grows as needed up to cfg.Length, never shrinks
	free  int32  // first free slot of units, linked through next
	seq   uint64 // counts the events that order ties

	bands    [penstock.Bands]band
	occupied uint8     // bit b is set while band b holds a unit
	expiry   indexHeap // units that have a bound, by Expires

	oldest, newest int32 // ends of the list of all units, in order of arrival
	length, cost   int
}

// A unit is one slot of the slab.
type unit struct {
	Item

	flow         int32 // its flow's place in the band's table; none in a free slot
	prev, next   int32 // neighbours inside the flow, towards the oldest and the newest
	older, newer int32 // neighbours in the room
}

// New returns an empty Room. It panics if cfg.Length is not 0 to [MaxLength] or
// cfg.Order is none of the four: both are bugs of the caller.
func New(cfg Config) *Room {
	if cfg.Length < 0 || cfg.Length > MaxLength {
		panic("queue: Config.Length must be 0 to MaxLength")
	}
	if cfg.Order > Fair {
		panic("queue: Config.Order must be Auto, FIFO, LIFO or Fair")
	}
	return &Room{cfg: cfg, free: none, oldest: none, newest: none}
}

// Push makes a unit wait. It reports false, and changes nothing, when the room
// is full.
func (r *Room) Push(it Item) (Handle, bool) {
	if r.length >= r.cfg.Length {
		return none, false
	}
	it.Band = min(max(it.Band, 0), penstock.Bands-1)
	it.Cost = min(max(it.Cost, 1), penstock.MaxCost)
	i := r.slot()
	r.seq++
	u := &r.units[i]
	*u = unit{Item: it, prev: none, next: none, older: r.newest, newer: none}

	if r.newest == none {
		r.oldest = i
	} else {
		r.units[r.newest].newer = i
	}
	r.newest = i
	r.length++
	r.cost += it.Cost

	b := &r.bands[it.Band]
	if b.flows == nil {
		b.init(r.cfg.Order)
	}
	r.occupied |= 1 << it.Band
	u.flow = b.place(it.Flow, r.cfg.Seed)
	u.prev = b.join(u.flow, i, it.Cost, r.seq)
	if u.prev != none {
		r.units[u.prev].next = i
	}
	if it.Expires != mono.Never {
		r.expiry.set(i, int64(it.Expires), r.seq)
	}
	return Handle(i), true
}

// slot takes a slot from the free list, or adds one to the slab.
func (r *Room) slot() int32 {
	if i := r.free; i != none {
		r.free = r.units[i].next
		return i
	}
	r.units = append(r.units, unit{})
	r.expiry.grow(len(r.units))
	return int32(len(r.units) - 1)
}

// Peek returns the unit to serve next: of the highest band, of the flow whose
// turn it is, the oldest, or the newest where the order is last in, first out.
// It changes nothing, so its answer stays until the room changes.
func (r *Room) Peek() (Item, Handle, bool) {
	if r.occupied == 0 {
		return Item{}, none, false
	}
	b := &r.bands[bits.Len8(r.occupied)-1]
	f := &b.flows[b.turns.entries[0].id]
	i := f.oldest
	if r.newestFirst() {
		i = f.newest
	}
	return r.units[i].Item, Handle(i), true
}

// Take removes a unit that is served now, and counts its cost against its flow.
// It panics if h names no waiting unit.
func (r *Room) Take(h Handle) Item {
	u := r.unit(h)
	b := &r.bands[u.Band]
	b.charge(u.flow, u.Cost)
	return r.leave(h, true)
}

// Remove takes out a unit that leaves without being served: it expired, gave
// up, was dropped or was evicted. Its flow is not charged. It panics if h names
// no waiting unit.
func (r *Room) Remove(h Handle) Item { return r.leave(h, false) }

func (r *Room) unit(h Handle) *unit {
	if h < 0 || int(h) >= len(r.units) || r.units[h].flow == none {
		panic("queue: handle names no waiting unit")
	}
	return &r.units[h]
}

// leave unlinks a unit from every list and frees its slot.
func (r *Room) leave(h Handle, served bool) Item {
	u, i := r.unit(h), int32(h)
	it := u.Item

	b := &r.bands[it.Band]
	f := &b.flows[u.flow]
	if u.prev == none {
		f.oldest = u.next
	} else {
		r.units[u.prev].next = u.next
	}
	if u.next == none {
		f.newest = u.prev
	} else {
		r.units[u.next].prev = u.prev
	}
	r.seq++
	b.part(u.flow, it.Cost, served, r.seq)
	if b.units == 0 {
		r.occupied &^= 1 << it.Band
	}

	if u.older == none {
		r.oldest = u.newer
	} else {
		r.units[u.older].newer = u.newer
	}
	if u.newer == none {
		r.newest = u.older
	} else {
		r.units[u.newer].older = u.older
	}
	r.length--
	r.cost -= it.Cost
	r.expiry.remove(i)

	*u = unit{flow: none, next: r.free}
	r.free = i
	return it
}

// Expired returns a unit whose Expires is not later than now: the one with the
// earliest, and of equals the one pushed first. It changes nothing: the owner
// settles the unit and removes it.
func (r *Room) Expired(now mono.Time) (Item, Handle, bool) {
	if at, ok := r.Next(); !ok || at > now {
		return Item{}, none, false
	}
	i := r.expiry.entries[0].id
	return r.units[i].Item, Handle(i), true
}

// Next returns the earliest Expires. It reports false when no waiting unit has
// one.
func (r *Room) Next() (mono.Time, bool) {
	if len(r.expiry.entries) == 0 {
		return 0, false
	}
	return mono.Time(r.expiry.entries[0].key), true
}

// Weakest returns the unit to evict in favour of an arrival of the given band:
// in the lowest band that holds any, provided that it is strictly below, the
// last to be served of the flow that will be served out last. Of flows that
// will be served out in the same round it takes the one pushed to last. It
// changes nothing.
func (r *Room) Weakest(band int) (Item, Handle, bool) {
	lowest := bits.TrailingZeros8(r.occupied) // 8 when the room is empty
	if r.occupied == 0 || lowest >= band {
		return Item{}, none, false
	}
	b := &r.bands[lowest]
	f := &b.flows[b.finish.entries[0].id]
	i := f.newest
	if r.newestFirst() {
		i = f.oldest
	}
	return r.units[i].Item, Handle(i), true
}

// SetLIFO makes a room of order [Auto] serve newest first inside each flow, or
// oldest first again. It holds for the units that wait already. Other orders
// ignore it.
func (r *Room) SetLIFO(on bool) { r.lifo = on && r.cfg.Order == Auto }

func (r *Room) newestFirst() bool { return r.lifo || r.cfg.Order == LIFO }

// Len returns how many units wait.
func (r *Room) Len() int { return r.length }

// Cost returns the sum of the costs of the units that wait.
func (r *Room) Cost() int { return r.cost }

// LenFrom returns how many units of the given band and above wait, and the sum
// of their costs.
func (r *Room) LenFrom(band int) (units, cost int) {
	for b := max(band, 0); b < penstock.Bands; b++ {
		units += r.bands[b].units
		cost += r.bands[b].cost
	}
	return units, cost
}

// Oldest returns when the unit that has waited longest arrived. It reports
// false when the room is empty.
func (r *Room) Oldest() (mono.Time, bool) {
	if r.oldest == none {
		return 0, false
	}
	return r.units[r.oldest].Arrived, true
}
