package demand

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Slice is a source of the given items. It ends right after the last.
func Slice[T any](items []T) Stream[T] {
	return Stream[T]{name: "slice", run: func(e *env, _ string, push func(T) bool) error {
		for _, v := range items {
			if e.stop.Load() {
				return e.cause()
			}
			if !push(v) {
				return nil
			}
		}
		return nil
	}}
}

// Of is [Slice] of its arguments.
func Of[T any](items ...T) Stream[T] { return Slice(items).Named("of") }

// From is a source of the items of seq, which is begun when the first item is
// wanted and resumed when the next one is. It is not interrupted while it works:
// a cancelled stream ends when seq yields or returns.
func From[T any](seq iter.Seq[T]) Stream[T] {
	if seq == nil {
		return broken[T]("from", "the sequence is nil")
	}
	bare := func(e *env, name string, l *links[T], push func(T) bool) (err error) {
		if !e.ready() {
			return e.cause()
		}
		if want, send := e.want, push; want != nil {
			// Apart, since the loop is faster without it and most have no need of it.
			push = func(v T) bool { return send(v) && want() }
		}
		me, over := e.stage(), false
		defer e.claim(me, name, &err)
		e.inside = me
		f, g, h, more, first := l.at(0), l.at(1), l.at(2), l.at(3) != nil, int32(0)
		if l != nil {
			first = l.first
		}
		seq(func(v T) bool {
			if over {
				return false
			}
			// The first three steps by name: a loop would keep its state in memory.
			switch {
			case h != nil:
				e.inside = first
				v = f(v)
				e.inside = first + 1
				v = g(v)
				e.inside = first + 2
				v = h(v)
				if more {
					v = l.through(3, v)
				}
			case f != nil:
				v = l.through(0, v)
			}
			if push(v) && !e.stop.Load() {
				e.inside = me
				return true
			}
			over = true
			e.inside = me
			return false
		})
		if over {
			return e.cause()
		}
		return nil
	}
	return Stream[T]{name: "from", bare: bare, run: func(e *env, name string, push func(T) bool) error {
		return bare(e, name, nil, push)
	}}
}

// From2 is [From] for a sequence of items and errors, such as [Stream.All]
// returns. The first error ends the stream.
func From2[T any](seq iter.Seq2[T, error]) Stream[T] {
	if seq == nil {
		return broken[T]("from2", "the sequence is nil")
	}
	return Stream[T]{name: "from2", run: func(e *env, name string, push func(T) bool) error {
		var failed error
		err := From(func(yield func(T) bool) {
			for v, err := range seq {
				if err != nil {
					failed = err
					return
				}
				if !yield(v) {
					return
				}
			}
		}).run(e, name, push)
		if err == nil {
			err = at(name, failed)
		}
		return err
	}}
}

// Func is a source that calls next for each item as it is wanted, until next
// returns io.EOF, which ends the stream, or any other error, which fails it. The
// context ends with the stream: next should give up then.
func Func[T any](next func(context.Context) (T, error)) Stream[T] {
	if next == nil {
		return broken[T]("func", "the function is nil")
	}
	return Stream[T]{name: "func", run: func(e *env, name string, push func(T) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		for e.ready() {
			e.inside = me
			v, err := next(e.ctx)
			switch {
			case err != nil && e.ctx.Err() != nil:
				return e.cause()
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return at(name, err)
			case !push(v):
				return nil
			}
		}
		return e.cause()
	}}
}

// Channel is a source of what comes out of ch, until ch is closed. The bound is
// the channel's own: nothing is taken out before it is wanted.
func Channel[T any](ch <-chan T) Stream[T] {
	if ch == nil {
		return broken[T]("channel", "the channel is nil")
	}
	return Stream[T]{name: "channel", run: func(e *env, _ string, push func(T) bool) error {
		for e.ready() {
			v, open, ok := receive(e, ch)
			switch {
			case !ok:
				return e.cause()
			case !open:
				return nil
			case !push(v):
				return nil
			}
		}
		return e.cause()
	}}
}

// receive waits for an item of ch. It sets alarms off meanwhile, and reports
// false when the run is over.
func receive[T any](e *env, ch <-chan T) (v T, open, ok bool) {
	select {
	case v, open = <-ch:
		return v, open, true
	default:
	}
	defer e.clock.enter(e.clock.enter(starved))
	for {
		timer, live := e.ring()
		if !live {
			return v, false, false
		}
		select {
		case v, open = <-ch:
			return v, open, true
		case <-e.ctx.Done():
			return v, false, false
		case <-timer:
		}
	}
}
