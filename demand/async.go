package demand

import (
	"slices"
	"sync"
)

// Async is the boundary between two goroutines: what comes before it runs in one
// of its own from here on. It holds at most its window; see [Window], [Refill],
// [Cost], [Overflow], [Conflate] and [Spill].
func (s Stream[T]) Async(opts ...Option) Stream[T] {
	p, problem, args := planned[T](opts)
	if problem != "" {
		return broken[T]("async", problem, args...)
	}
	return Stream[T]{name: "async", run: func(e *env, name string, push func(T) bool) error {
		p := p
		p.name = name
		in := intakes[T]{e: e}
		defer in.close()
		in.open(s, name, newQueue(p, e.bell))
		return in.drain(push)
	}}
}

func newQueue[T any](p plan[T], items *bell) queue[T] {
	switch p.overflow {
	case DropOldest, Latest, conflating, spilling:
		return newRoom(p, items)
	default:
		return newRing(p, items)
	}
}

// intakes are the boundaries from which one loop takes its items.
type intakes[T any] struct {
	e      *env
	queues []queue[T]
	ends   []func(error)
	all    sync.WaitGroup
}

// open runs s in a goroutine of its own, into q.
func (in *intakes[T]) open(s Stream[T], name string, q queue[T]) {
	inner, done := newEnv(in.e.ctx)
	push := q.serve(inner)
	in.ends = append(in.ends, inner.end)
	in.add(q)
	in.all.Go(func() {
		defer done()
		err := error(&StageError{name, ErrExited})
		defer func() {
			if v := recover(); v != nil {
				err = at(name, &PanicError{v})
			}
			q.close(err)
		}()
		err = s.start(inner, push)
	})
}

// add takes from a queue that somebody else fills.
func (in *intakes[T]) add(q queue[T]) {
	in.queues = append(in.queues, q)
	in.e.clock.fedBy(q.stats)
	q.watch(in.e.clock != nil)
}

// close ends the senders and waits for them.
func (in *intakes[T]) close() {
	for _, end := range in.ends {
		end(errReceiverGone)
	}
	in.all.Wait()
	for _, q := range in.queues {
		q.release()
	}
}

// turn is how many items one of several queues may pass before it is the next
// one's turn.
const turn = 64

// drain moves items from the queues, in turns, until all have ended or one has
// failed.
func (in *intakes[T]) drain(push func(T) bool) error {
	live := in.queues
	for len(live) > 0 {
		moved := 0
		for i := 0; i < len(live); i++ {
			n, ok := live[i].take(turn, push)
			if !ok {
				return nil
			}
			if moved += n; n > 0 {
				continue
			}
			if over, err := live[i].ended(); over {
				if err != nil {
					return err
				}
				live = append(live[:i:i], live[i+1:]...)
				i--
			}
		}
		if in.e.stop.Load() {
			return in.e.cause()
		}
		if moved == 0 && len(live) > 0 && !in.wait(live) {
			return in.e.cause()
		}
	}
	return nil
}

// wait returns once one of the queues may have something.
func (in *intakes[T]) wait(live []queue[T]) bool {
	for _, q := range live {
		q.flush()
	}
	return in.e.starve(func() bool {
		return slices.ContainsFunc(live, queue[T].some)
	})
}
