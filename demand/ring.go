package demand

import (
	"sync/atomic"
)

// A queue is the two sides of one boundary. Each side is one goroutine.
type queue[T any] interface {
	// The sender's side. serve gives it its env, whose want it sets, and returns
	// the function that takes an item over, which reports false when the sender
	// has to stop. close says that nothing more comes, and why.
	serve(e *env) func(T) bool
	close(err error)

	// The receiver's side. watch switches the gauge on, before anything comes.
	watch(on bool)
	// take moves what has arrived to push, at most most items, and returns how
	// many. It reports false when push did.
	take(most int, push func(T) bool) (int, bool)
	// flush is called when the receiver runs dry.
	flush()
	// some reports whether take or ended has news.
	some() bool
	// ended reports whether all has been taken and nothing more comes.
	ended() (over bool, err error)
	// leave lets the sender go on as if there was room, for nobody.
	leave()
	// release is called when both sides are over.
	release()

	stats(s *StageStats)
}

// A ring is the boundary that keeps what it has: a credit window over a ring of
// slots, without a lock. An item costs its sender one atomic store, which makes
// it visible at once, and its receiver one atomic load for all that have come
// since the last; credit returns in portions of [Refill].
//
// What belongs to one side is on that side's cache lines alone.
type ring[T any] struct {
	slots []T
	costs []int64 // with a Cost
	mask  uint64
	plan  plan[T]
	env   *env        // the sender's
	items *bell       // the receiver's
	grant func(int64) // told of every grant beyond the first, if set
	gauge gauge
	_     [64]byte

	// Written by the sender.
	next    uint64
	free    int64 // spent already: items that may come without a look at the credit
	credit  Credit
	failed  error
	_       [64]byte
	tail    atomic.Uint64
	dropped atomic.Uint64
	closed  atomic.Bool
	reason  error // before closed
	_       [64]byte

	// Written by the receiver.
	window Allowance
	head   uint64
	seen   uint64 // of tail
	upto   atomic.Int64
	taken  atomic.Uint64 // head, for others to read
	_      [64]byte
}

func newRing[T any](p plan[T], items *bell) *ring[T] {
	n := uint64(1)
	for n < uint64(p.slots()) {
		n *= 2
	}
	r := &ring[T]{
		slots: make([]T, n), mask: n - 1, plan: p, items: items,
		window: NewAllowance(p.window, p.refill),
	}
	if p.costOf != nil {
		r.costs = make([]int64, n)
	}
	r.upto.Store(r.window.Upto())
	return r
}

func (r *ring[T]) watch(on bool) { r.gauge.on = on }

func (r *ring[T]) serve(e *env) func(T) bool {
	r.env = e
	if r.plan.overflow == Block {
		e.want = func() bool { return r.free > 0 || r.credits(r.plan.floor) }
	}
	if r.costs != nil {
		return r.inWeighed
	}
	return r.in
}

func (r *ring[T]) in(v T) bool {
	if r.free == 0 && !r.buy() {
		return r.refuse()
	}
	r.free--
	r.slots[r.next&r.mask] = v
	if r.gauge.on {
		r.gauge.in(r.next)
	}
	r.next++
	r.tail.Store(r.next)
	if r.items.armed.Load() {
		r.items.ring()
	}
	return true
}

// buy spends all the credit there is, in advance.
func (r *ring[T]) buy() bool {
	if !r.credits(1) {
		return false
	}
	r.free = r.credit.Left()
	return r.credit.Spend(r.free)
}

func (r *ring[T]) inWeighed(v T) bool {
	r.env.inside = outside
	cost := r.plan.weigh(v)
	if !r.credit.Spend(cost) {
		if !r.credits(cost) {
			return r.refuse()
		}
		r.credit.Spend(cost)
	}
	r.costs[r.next&r.mask] = cost
	r.free = 1
	ok := r.in(v)
	r.free = 0
	return ok
}

// credits reports whether there is credit for cost, and waits for it if that is
// the policy.
func (r *ring[T]) credits(cost int64) bool {
	if r.credit.Left() >= cost {
		return true
	}
	if r.credit.Raise(r.upto.Load()); r.credit.Left() >= cost {
		return true
	}
	return r.plan.overflow == Block && r.env.await(func() bool {
		r.credit.Raise(r.upto.Load())
		return r.credit.Left() >= cost
	})
}

// refuse is the end of an item that found no room.
func (r *ring[T]) refuse() bool {
	switch r.plan.overflow {
	case DropNewest:
		r.dropped.Add(1)
		return !r.env.stop.Load()
	case Fail:
		r.failed = ErrOverflow
	default: // the run is over
	}
	return false
}

func (r *ring[T]) close(err error) {
	r.reason = first(at(r.plan.name, r.failed), err)
	r.closed.Store(true)
	r.items.ring()
}

func (r *ring[T]) take(most int, push func(T) bool) (int, bool) {
	if r.head == r.seen {
		if r.seen = r.tail.Load(); r.head == r.seen {
			return 0, true
		}
	}
	n := min(int(r.seen-r.head), most)
	if r.costs != nil || r.gauge.on {
		return r.takeEach(n, push)
	}
	var none T
	slots, mask, head := r.slots, r.mask, r.head
	for left := n; left > 0; {
		// All up to the next grant are given back together.
		part := min(left, int(r.window.Due()))
		for i := range part {
			slot := head & mask
			v := slots[slot]
			slots[slot] = none
			head++
			if !push(v) {
				return n - left + i + 1, false
			}
		}
		left -= part
		r.head = head
		if r.window.Done(int64(part)) {
			r.renew()
		}
	}
	return n, true
}

// takeEach is take with costs, and for those who watch.
func (r *ring[T]) takeEach(n int, push func(T) bool) (int, bool) {
	var none T
	for i := range n {
		slot := r.head & r.mask
		v := r.slots[slot]
		r.slots[slot] = none
		r.gauge.out(r.head)
		r.head++
		if !push(v) {
			return i + 1, false
		}
		r.taken.Store(r.head)
		cost := int64(1)
		if r.costs != nil {
			cost = r.costs[slot]
		}
		if r.window.Done(cost) {
			r.renew()
		}
	}
	return n, true
}

func (r *ring[T]) renew() {
	before := r.upto.Swap(r.window.Upto())
	if r.env != nil {
		r.env.bell.ring()
	}
	if r.grant != nil {
		r.grant(r.window.Upto() - before)
	}
}

func (r *ring[T]) flush() {
	if r.window.Flush() {
		r.renew()
	}
}

func (r *ring[T]) leave() {
	r.upto.Store(Unbounded)
	if r.env != nil {
		r.env.bell.ring()
	}
}

func (r *ring[T]) some() bool { return r.head != r.tail.Load() || r.closed.Load() }
func (r *ring[T]) release()   {}

func (r *ring[T]) ended() (bool, error) {
	if !r.closed.Load() || r.head != r.tail.Load() {
		return false, nil
	}
	return true, r.reason
}

func (r *ring[T]) stats(s *StageStats) {
	taken := r.taken.Load()
	s.Items += taken
	s.Window += r.plan.window
	s.Outstanding += int64(r.tail.Load() - taken)
	s.QueueDelay = max(s.QueueDelay, r.gauge.last())
	s.Drops.Newest += r.dropped.Load()
}
