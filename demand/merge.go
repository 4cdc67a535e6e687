package demand

// Merge takes from all streams, in turns of at most 64 items, as they have some.
// Each runs in a goroutine of its own and has a boundary of its own, which the
// options describe. The first error ends it.
func Merge[T any](streams []Stream[T], opts ...Option) Stream[T] {
	p, problem, args := planned[T](opts)
	if problem != "" {
		return broken[T]("merge", problem, args...)
	}
	return Stream[T]{name: "merge", run: func(e *env, name string, push func(T) bool) error {
		p := p
		p.name = name
		in := intakes[T]{e: e}
		defer in.close()
		for _, s := range streams {
			in.open(s, name, newQueue(p, e.bell))
		}
		return in.drain(push)
	}}
}

// Zip makes one item of one from each stream, and ends as soon as one of them
// does. Each runs in a goroutine of its own; the window of both is given by the
// options, of which only [Window] and [Refill] make sense here.
func Zip[A, B, R any](a Stream[A], b Stream[B], f func(A, B) R, opts ...Option) Stream[R] {
	pa, problem, args := planned[A](opts)
	pb, _, _ := planned[B](opts)
	if problem != "" {
		return broken[R]("zip", problem, args...)
	}
	if f == nil {
		return broken[R]("zip", "the function is nil")
	}
	if pa.overflow != Block || pa.cost != nil {
		return broken[R]("zip", "items may not be dropped or weighed: they would lose their partners")
	}
	return Stream[R]{name: "zip", run: func(e *env, name string, push func(R) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		as, bs := intakes[A]{e: e}, intakes[B]{e: e}
		defer as.close()
		defer bs.close()
		as.open(a, name, newRing(pa, e.bell))
		bs.open(b, name, newRing(pb, e.bell))
		for {
			va, ok, err := as.next()
			if !ok {
				return err
			}
			vb, ok, err := bs.next()
			if !ok {
				return err
			}
			e.inside = me
			r := f(va, vb)
			if !push(r) {
				return nil
			}
		}
	}}
}

// next returns the next item of the one queue.
func (in *intakes[T]) next() (v T, ok bool, err error) {
	for !in.e.stop.Load() {
		n, _ := in.queues[0].take(1, func(got T) bool { v = got; return true })
		if n == 1 {
			return v, true, nil
		}
		if over, err := in.queues[0].ended(); over {
			return v, false, err
		}
		if !in.wait(in.queues) {
			break
		}
	}
	return v, false, in.e.cause()
}
