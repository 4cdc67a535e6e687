package demand

import (
	"iter"
)

// Map replaces each item by f of it.
func Map[T, R any](s Stream[T], f func(T) R) Stream[R] {
	if f == nil {
		return broken[R]("map", "the function is nil")
	}
	if same, ok := any(f).(func(R) R); ok {
		return any(s).(Stream[R]).then(same)
	}
	return Stream[R]{name: "map", run: func(e *env, name string, push func(R) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		return s.start(e, func(v T) bool {
			e.inside = me
			r := f(v)
			return push(r)
		})
	}}
}

// TryMap is [Map] for a function that may fail. Its first error ends the stream.
func TryMap[T, R any](s Stream[T], f func(T) (R, error)) Stream[R] {
	if f == nil {
		return broken[R]("trymap", "the function is nil")
	}
	return Stream[R]{name: "trymap", run: func(e *env, name string, push func(R) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		var failed error
		err = s.start(e, func(v T) bool {
			e.inside = me
			r, err := f(v)
			if err != nil {
				failed = at(name, err)
				return false
			}
			return push(r)
		})
		return first(failed, err)
	}}
}

// first returns the error of a stage itself, or else what its source ended with.
func first(own, source error) error {
	if own != nil {
		return own
	}
	return source
}

// Filter keeps the items for which keep reports true.
func (s Stream[T]) Filter(keep func(T) bool) Stream[T] {
	if keep == nil {
		return broken[T]("filter", "the function is nil")
	}
	return Stream[T]{name: "filter", run: func(e *env, name string, push func(T) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		return s.start(e, func(v T) bool {
			e.inside = me
			kept := keep(v)
			return !kept || push(v)
		})
	}}
}

// FlatMap replaces each item by the items of the sequence that f makes of it. A
// nil sequence is an empty one.
func FlatMap[T, R any](s Stream[T], f func(T) iter.Seq[R]) Stream[R] {
	if f == nil {
		return broken[R]("flatmap", "the function is nil")
	}
	return Stream[R]{name: "flatmap", run: func(e *env, name string, push func(R) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		over := false
		inner := func(r R) bool {
			over = over || e.stop.Load() || !push(r)
			e.inside = me
			return !over
		}
		err = s.start(e, func(v T) bool {
			e.inside = me
			if seq := f(v); seq != nil {
				seq(inner)
			}
			return !over
		})
		return first(err, e.cause())
	}}
}

// Take ends the stream after n items, without waiting for one more. A negative
// n is an impossible operator; with 0 the source is not run at all.
func (s Stream[T]) Take(n int) Stream[T] {
	if n < 0 {
		return broken[T]("take", "%d items", n)
	}
	return Stream[T]{name: "take", run: func(e *env, _ string, push func(T) bool) error {
		left := n
		if left == 0 {
			return nil
		}
		return s.start(e, func(v T) bool {
			left--
			return push(v) && left > 0
		})
	}}
}

// Scan emits the state after each item, beginning from the given one.
func Scan[T, S any](s Stream[T], state S, next func(S, T) S) Stream[S] {
	if next == nil {
		return broken[S]("scan", "the function is nil")
	}
	return Stream[S]{name: "scan", run: func(e *env, name string, push func(S) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		state := state
		return s.start(e, func(v T) bool {
			e.inside = me
			state = next(state, v)
			return push(state)
		})
	}}
}

// Tap shows each item to f on its way.
func (s Stream[T]) Tap(f func(T)) Stream[T] {
	if f == nil {
		return broken[T]("tap", "the function is nil")
	}
	return Map(s, func(v T) T { f(v); return v }).Named("tap")
}

// Distinct drops items whose key is among the last bound different keys that
// passed. What is forgotten may pass again: the bound is the memory it takes.
func Distinct[T any, K comparable](s Stream[T], bound int, key func(T) K) Stream[T] {
	if key == nil {
		return broken[T]("distinct", "the function is nil")
	}
	if bound < 1 || bound > MaxWindow {
		return broken[T]("distinct", "a bound of %d keys is not 1 to %d", bound, MaxWindow)
	}
	return Stream[T]{name: "distinct", run: func(e *env, name string, push func(T) bool) (err error) {
		me := e.stage()
		defer e.claim(me, name, &err)
		seen := make(map[K]struct{})
		var order []K // a ring once it is full; its oldest is at next
		next := 0
		return s.start(e, func(v T) bool {
			e.inside = me
			k := key(v)
			_, known := seen[k]
			if !known && len(order) < bound {
				order = append(order, k)
				seen[k] = struct{}{}
			} else if !known {
				delete(seen, order[next])
				order[next] = k
				seen[k] = struct{}{}
				next = (next + 1) % bound
			}
			return known || push(v)
		})
	}}
}
