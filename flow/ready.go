package flow

import "github.com/penstock-go/penstock"

// ready holds the items of a stage that may be handed out: by rank, then fair by
// key, then the oldest.
//
// Keys share service by deficit round robin in its surplus form (Shreedhar and
// Varghese, "Efficient Fair Queueing Using Deficit Round Robin", SIGCOMM 1995)
// with a quantum of one unit of cost: a key is served when its turn comes, and
// then sits out as many rounds as the item cost. A key that comes new gets its
// turn in the next round, so it waits for one round of the others at most, and
// keys that keep coming cannot starve those that are there. The turns are in a
// heap, so that no rounds need be walked.
type ready struct {
	ordered bool
	keys    map[keyID]*keyQueue
	bands   [penstock.Bands]band
	seq     uint64 // of turns, so that equal ones are taken in order
	waiting int
	first   *entry // oldest by the time at which it became ready
	last    *entry
}

type band struct {
	turns heap[*keyQueue, byTurn]
	round uint64 // of the turn taken last
}

// A keyQueue holds the ready items of one key. It stays a while after the last
// has left, until its next turn would have come: else a key that never has two
// items waiting would be served ahead of its share.
type keyQueue struct {
	key   string
	band  int32
	pos   int32 // in its band's turns; -1 if it is not there
	turn  uint64
	seq   uint64
	items heap[*entry, byAge]
	held  int // items that an ordered key waits for: more than one only where the stage was not ordered before
}

// keyID tells keys apart. In an ordered stage the items of a key are in one
// queue whatever their ranks, and the queue is in the band of the item that
// began it.
type keyID struct {
	key  string
	band int32
}

const anyBand = -1

type byTurn struct{}

func (byTurn) less(a, b *keyQueue) bool {
	return a.turn < b.turn || a.turn == b.turn && a.seq < b.seq
}
func (byTurn) place(q *keyQueue, i int32) { q.pos = i }

type byAge struct{}

func (byAge) less(a, b *entry) bool   { return a.No < b.No }
func (byAge) place(e *entry, i int32) { e.pos = i }

func (r *ready) id(e *entry) keyID {
	if r.ordered && e.Key != "" {
		return keyID{e.Key, anyBand}
	}
	return keyID{e.Key, int32(e.Rank.Band())}
}

// queue finds or makes the queue of an item's key.
func (r *ready) queue(e *entry) *keyQueue {
	id := r.id(e)
	q := r.keys[id]
	if q == nil {
		q = &keyQueue{key: e.Key, band: int32(e.Rank.Band()), pos: -1}
		if r.keys == nil {
			r.keys = map[keyID]*keyQueue{}
		}
		r.keys[id] = q
	}
	return q
}

func (r *ready) push(e *entry) {
	q := r.queue(e)
	if b := int32(e.Rank.Band()); b != q.band && q.items.len() == 0 && q.held == 0 {
		r.rest(q)
		q.band, q.turn = b, 0
	}
	q.items.push(e)
	e.queue = q
	r.waiting++
	e.prev, e.next = r.last, nil
	if r.last != nil {
		r.last.next = e
	} else {
		r.first = e
	}
	r.last = e
	r.activate(q)
}

// activate gives a key that has no turn the next one.
func (r *ready) activate(q *keyQueue) {
	if q.pos >= 0 || q.held > 0 {
		return
	}
	b := &r.bands[q.band]
	r.seq++
	q.turn, q.seq = max(q.turn, b.round+1), r.seq
	b.turns.push(q)
}

// rest takes a key's turn away.
func (r *ready) rest(q *keyQueue) {
	if q.pos >= 0 {
		r.bands[q.band].turns.remove(q.pos)
	}
}

// remove takes an item out that is not to be handed out.
func (r *ready) remove(e *entry) {
	q := e.queue
	q.items.remove(e.pos)
	e.queue = nil
	r.waiting--
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		r.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		r.last = e.prev
	}
	e.prev, e.next = nil, nil
}

// pop takes out the item whose turn it is, or returns nil.
func (r *ready) pop() *entry {
	for i := len(r.bands) - 1; i >= 0; i-- {
		b := &r.bands[i]
		for b.turns.len() > 0 {
			q := b.turns.top()
			b.round = max(b.round, q.turn)
			b.turns.remove(0)
			if q.items.len() == 0 {
				r.forget(q)
				continue
			}
			e := q.items.top()
			q.turn += uint64(e.Cost)
			r.remove(e)
			if r.ordered && e.Key != "" {
				q.held++
				e.holds = true
				return e
			}
			r.activate(q)
			return e
		}
	}
	return nil
}

func (r *ready) forget(q *keyQueue) {
	id := keyID{q.key, q.band}
	if r.ordered && q.key != "" {
		id.band = anyBand
	}
	delete(r.keys, id)
}

// hold makes an ordered key wait for one of its items.
func (r *ready) hold(e *entry) {
	if !r.ordered || e.Key == "" {
		return
	}
	q := r.queue(e)
	r.rest(q)
	q.held++
	e.holds = true
}

// release lets an ordered key go on, if this is the last item that it waits for.
func (r *ready) release(e *entry) {
	if !e.holds {
		return
	}
	e.holds = false
	q := r.keys[r.id(e)]
	q.held--
	r.activate(q)
}

// oldestOf returns the item of a key that waits and would be handed out next.
func (r *ready) oldestOf(e *entry) *entry {
	if q := r.keys[r.id(e)]; q != nil && q.items.len() > 0 {
		return q.items.top()
	}
	return nil
}

// reorder changes whether keys are ordered. held are the items of the stage that
// are leased or back off.
func (r *ready) reorder(ordered bool, held []*entry) {
	if ordered == r.ordered {
		return
	}
	var all []*entry
	for r.first != nil {
		all = append(all, r.first)
		r.remove(r.first)
	}
	*r = ready{ordered: ordered}
	for _, e := range held {
		e.holds = false
		r.hold(e)
	}
	for _, e := range all {
		r.push(e)
	}
}
