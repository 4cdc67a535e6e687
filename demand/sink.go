package demand

import (
	"context"
	"fmt"
	"iter"
)

// All runs the stream and yields its items. If the stream fails, the last pair
// holds the error, with a zero item. Leaving the loop cancels the stream; when
// the loop is over, nothing of the stream runs any more.
func (s Stream[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		e, done := newEnv(ctx)
		defer done()
		left := false
		err := s.start(e, func(v T) bool {
			e.inside = outside
			if yield(v, nil) {
				return true
			}
			left = true
			return false
		})
		if err = first(err, e.cause()); err != nil && !left {
			var none T
			yield(none, err)
		}
	}
}

// Each runs the stream and calls f for each item, until f fails.
func (s Stream[T]) Each(ctx context.Context, f func(T) error) error {
	if f == nil {
		return at("each", fmt.Errorf("%w: the function is nil", ErrConfig))
	}
	e, done := newEnv(ctx)
	defer done()
	e.clock.operator("each")
	var own, err error
	func() {
		me := e.stage()
		defer e.claim(me, "each", &own)
		err = s.start(e, func(v T) bool {
			e.inside = me
			if failed := f(v); failed != nil {
				own = at("each", failed)
				return false
			}
			return true
		})
	}()
	return first(own, first(err, e.cause()))
}

// Collect runs the stream and returns its items, at most most of them: where
// there are more, it fails with [ErrBound]. With an error it returns what came
// before.
func (s Stream[T]) Collect(ctx context.Context, most int) ([]T, error) {
	var items []T
	err := s.Each(ctx, func(v T) error {
		if len(items) >= most {
			return fmt.Errorf("%w: more than %d items", ErrBound, most)
		}
		items = append(items, v)
		return nil
	})
	return items, err
}
