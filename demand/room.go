package demand

import (
	"fmt"
	"sync"
)

// A room is the boundary that may change what waits in it: drop the oldest,
// merge by key, or spill. It takes a lock for each item. Its window counts what
// waits; one more item is in the receiver's hands.
type room[T any] struct {
	plan  plan[T]
	env   *env
	items *bell
	gauge gauge

	mu     sync.Mutex
	cells  []cell[T] // a ring
	first  uint64    // number of the oldest
	next   uint64    // number of the next to come
	used   int64     // the sum of the costs that wait
	merge  conflater[T]
	store  Store[T]
	drops  Drops
	taken  uint64
	failed error
	closed bool
	left   bool // the receiver has
	reason error
}

type cell[T any] struct {
	v    T
	cost int64
}

func newRoom[T any](p plan[T], items *bell) *room[T] {
	r := &room[T]{plan: p, items: items}
	if p.conflater != nil {
		r.merge = p.conflater()
	}
	return r
}

func (r *room[T]) watch(on bool) { r.gauge.on = on }
func (r *room[T]) flush()        {}

func (r *room[T]) serve(e *env) func(T) bool {
	r.env = e
	return r.in
}

func (r *room[T]) in(v T) bool {
	r.env.inside = outside
	cost := r.plan.weigh(v)
	done, err := r.try(v, cost)
	if !done && err == nil {
		done = r.env.await(func() bool {
			done, err = r.try(v, cost)
			return done || err != nil
		})
	}
	r.failed = err
	r.items.ring()
	return done && err == nil && !r.env.stop.Load()
}

// try takes the item in as the policy says. It reports false if there is no room.
func (r *room[T]) try(v T, cost int64) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left {
		return true, nil
	}
	switch r.plan.overflow {
	case conflating:
		if place, ok := r.merge.find(v); ok {
			c := r.cell(place)
			c.v = r.merge.merged(c.v, v)
			r.drops.Conflated++
			return true, nil
		}
	case spilling:
		if spilled, err := r.divert(v, cost); spilled || err != nil {
			return spilled, err
		}
	default:
		for r.next > r.first && r.used+cost > r.plan.window {
			r.pop()
			r.drops.Oldest++
		}
	}
	if r.used+cost > r.plan.window || r.store != nil && r.store.Len() > 0 {
		return false, nil
	}
	r.push(v, cost)
	return true, nil
}

// divert puts the item into the store if there is no room, or others are there
// already.
func (r *room[T]) divert(v T, cost int64) (bool, error) {
	if r.store == nil {
		if r.used+cost <= r.plan.window {
			return false, nil
		}
		store, err := r.plan.open()
		if err != nil {
			return false, fmt.Errorf("spill: %w", err)
		}
		r.store = store
	}
	if r.store.Len() == 0 && r.used+cost <= r.plan.window {
		return false, nil
	}
	ok, err := r.store.Put(v)
	if err != nil {
		return false, fmt.Errorf("spill: %w", err)
	}
	if ok {
		r.drops.Spilled++
	}
	return ok, nil
}

func (r *room[T]) cell(number uint64) *cell[T] { return &r.cells[number&uint64(len(r.cells)-1)] }

func (r *room[T]) push(v T, cost int64) {
	if r.next-r.first == uint64(len(r.cells)) {
		r.grow()
	}
	if r.merge != nil {
		r.merge.came(r.next)
	}
	r.gauge.in(r.next)
	*r.cell(r.next) = cell[T]{v, cost}
	r.next++
	r.used += cost
}

func (r *room[T]) grow() {
	old := r.cells
	r.cells = make([]cell[T], max(2*len(old), 8))
	for n := r.first; n < r.next; n++ {
		*r.cell(n) = old[n&uint64(len(old)-1)]
	}
}

func (r *room[T]) pop() T {
	c := r.cell(r.first)
	v := c.v
	r.used -= c.cost
	*c = cell[T]{}
	if r.merge != nil {
		r.merge.went(r.first)
	}
	r.first++
	return v
}

func (r *room[T]) close(err error) {
	r.mu.Lock()
	r.reason = first(at(r.plan.name, r.failed), err)
	r.closed = true
	r.mu.Unlock()
	r.items.ring()
}

func (r *room[T]) take(most int, push func(T) bool) (int, bool) {
	for n := range most {
		v, ok := r.one()
		if !ok {
			return n, true
		}
		r.env.bell.ring()
		if !push(v) {
			return n + 1, false
		}
	}
	return most, true
}

// one takes the oldest item: those that spilled are younger than those that did
// not.
func (r *room[T]) one() (v T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.next > r.first:
		r.gauge.out(r.first)
		v = r.pop()
	case r.store == nil || r.store.Len() == 0:
		return v, false
	default:
		left := r.store.Len()
		var err error
		if v, err = r.store.Get(); err != nil {
			r.reason = at(r.plan.name, fmt.Errorf("%d items cannot be read back: %w", left, err))
			r.closeStore()
			r.closed = true
			r.env.end(r.reason)
			return v, false
		}
	}
	r.taken++
	return v, true
}

// closeStore closes the store with what nobody wants any more.
func (r *room[T]) closeStore() {
	if r.store != nil {
		_ = r.store.Close()
		r.store = nil
	}
}

func (r *room[T]) some() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed || r.next > r.first || r.store != nil && r.store.Len() > 0
}

func (r *room[T]) ended() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed || r.next > r.first || r.store != nil && r.store.Len() > 0 {
		return false, nil
	}
	return true, r.reason
}

func (r *room[T]) leave() {
	r.mu.Lock()
	r.left = true
	r.mu.Unlock()
	if r.env != nil {
		r.env.bell.ring()
	}
}

func (r *room[T]) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeStore()
}

func (r *room[T]) stats(s *StageStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Items += r.taken
	s.Window += r.plan.window
	s.Outstanding += r.used
	s.QueueDelay = max(s.QueueDelay, r.gauge.last())
	s.Drops.Oldest += r.drops.Oldest
	s.Drops.Conflated += r.drops.Conflated
	s.Drops.Spilled += r.drops.Spilled
}

// A conflater knows which waiting item has the key of a new one. Items go by
// the number of their cell.
type conflater[T any] interface {
	find(v T) (number uint64, ok bool)
	came(number uint64) // the item of the last find
	went(number uint64)
	merged(waiting, newer T) T
}

type keyed[T any, K comparable] struct {
	key     func(T) K
	merge   func(waiting, newer T) T
	numbers map[K]uint64
	keys    map[uint64]K
	last    K
}

func (k *keyed[T, K]) find(v T) (uint64, bool) {
	k.last = k.key(v)
	number, ok := k.numbers[k.last]
	return number, ok
}

func (k *keyed[T, K]) came(number uint64) {
	k.numbers[k.last], k.keys[number] = number, k.last
}

func (k *keyed[T, K]) went(number uint64) {
	delete(k.numbers, k.keys[number])
	delete(k.keys, number)
}

func (k *keyed[T, K]) merged(waiting, newer T) T { return k.merge(waiting, newer) }
