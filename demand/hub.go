package demand

import (
	"context"
	"sync"
	"sync/atomic"
)

// Broadcast returns n streams that each carry every item of s, which runs once
// for all of them: it begins when all n have been run by a sink, each in a
// goroutine of the caller's. Each branch has a boundary of its own, which the
// options describe: with [Block] the slowest sets the pace, as no item is taken
// before all have room for it; with a policy that drops the others do not wait.
// A branch that leaves is left out; when all have left, s is cancelled. A branch
// can be run once.
func Broadcast[T any](s Stream[T], n int, opts ...Option) []Stream[T] {
	return branches(s, "broadcast", n, opts, func(h *hub[T]) func(T) bool {
		h.together = true
		return func(v T) bool {
			for i := range h.parts {
				if !h.send(i, v) {
					return false
				}
			}
			return h.here.Load() > 0
		}
	})
}

// Partition returns n streams, of which the one that which chooses, 0 to n-1,
// carries the item. For the rest it is as [Broadcast]. An item for a branch that
// has left is dropped.
func Partition[T any](s Stream[T], n int, which func(T) int, opts ...Option) []Stream[T] {
	if which == nil {
		return []Stream[T]{broken[T]("partition", "the function is nil")}
	}
	return branches(s, "partition", n, opts, func(h *hub[T]) func(T) bool {
		return func(v T) bool {
			h.env.inside = outside
			return h.send(which(v), v) && h.here.Load() > 0
		}
	})
}

// A hub runs one stream for several branches.
type hub[T any] struct {
	source Stream[T]
	name   string
	plan   plan[T]
	pass   func(T) bool
	parts  []branch[T]
	here   atomic.Int64 // branches that have not left
	// together: an item goes to all branches, so none is made before all have room.
	together bool

	mu    sync.Mutex
	begun int
	env   *env
	over  chan struct{} // closed when the source's goroutine has ended
}

type branch[T any] struct {
	queue queue[T]
	push  func(T) bool
	want  func() bool // nil: there is always room
	used  bool
	left  atomic.Bool
}

func branches[T any](s Stream[T], name string, n int, opts []Option, pass func(*hub[T]) func(T) bool) []Stream[T] {
	p, problem, args := planned[T](opts)
	if problem != "" {
		return []Stream[T]{broken[T](name, problem, args...)}
	}
	if n < 1 || n > MaxWindow {
		return []Stream[T]{broken[T](name, "%d branches", n)}
	}
	p.name = name
	h := &hub[T]{source: s, name: name, plan: p, parts: make([]branch[T], n), over: make(chan struct{})}
	h.pass = pass(h)
	h.here.Store(int64(n))
	out := make([]Stream[T], n)
	for i := range out {
		out[i] = Stream[T]{name: name, run: func(e *env, name string, push func(T) bool) error {
			return h.run(i, e, name, push)
		}}
	}
	return out
}

// send passes an item to one branch, unless that has left.
func (h *hub[T]) send(i int, v T) bool {
	b := &h.parts[i]
	return b.left.Load() || b.push(v) || b.left.Load()
}

func (h *hub[T]) run(i int, e *env, name string, push func(T) bool) error {
	if !h.begin(i, e) {
		return at(name, ErrUsed)
	}
	defer h.leave(i)
	q := h.parts[i].queue
	e.clock.fedBy(q.stats)
	in := intakes[T]{e: e, queues: []queue[T]{q}}
	return in.drain(push)
}

func (h *hub[T]) begin(i int, e *env) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := &h.parts[i]
	if b.used {
		return false
	}
	b.used = true
	b.queue = newQueue(h.plan, e.bell)
	b.queue.watch(e.clock != nil)
	if h.begun++; h.begun == len(h.parts) {
		h.launch(context.WithoutCancel(e.ctx))
	}
	return true
}

// launch starts the source. Its context ends with the last branch, not with any
// one of them.
func (h *hub[T]) launch(ctx context.Context) {
	env, done := newEnv(ctx)
	h.env = env
	for i := range h.parts {
		b := &h.parts[i]
		env.want = nil
		b.push = b.queue.serve(env)
		b.want = env.want
	}
	env.want = nil
	if h.together {
		env.want = h.want
	}
	if h.here.Load() == 0 {
		env.end(errReceiverGone)
	}
	go func() {
		defer close(h.over)
		defer done()
		err := error(&StageError{h.name, ErrExited})
		defer func() {
			if v := recover(); v != nil {
				err = at(h.name, &PanicError{v})
			}
			for i := range h.parts {
				h.parts[i].queue.close(err)
			}
		}()
		err = h.source.start(env, h.pass)
	}()
}

// want waits until every branch has room.
func (h *hub[T]) want() bool {
	for i := range h.parts {
		b := &h.parts[i]
		if b.want != nil && !b.left.Load() && !b.want() && !b.left.Load() {
			return false
		}
	}
	return h.here.Load() > 0
}

func (h *hub[T]) leave(i int) {
	h.mu.Lock()
	b := &h.parts[i]
	b.left.Store(true)
	b.queue.leave()
	last := h.here.Add(-1) == 0
	env := h.env
	if last && env != nil {
		env.end(errReceiverGone)
	}
	h.mu.Unlock()
	if last && env != nil {
		<-h.over
		for i := range h.parts {
			h.parts[i].queue.release()
		}
	}
}
