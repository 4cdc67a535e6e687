package demand

import "slices"

// A chain is Maps in a row that keep the type of the items. They are one loop
// over their functions: calls between closures are most of what a fused stage
// costs, and so each costs one instead of two.
type chain[T any] struct {
	from  Stream[T]
	steps []step[T]
}

type step[T any] struct {
	f    func(T) T
	name string // of all but the last, whose name is the stream's
}

// links is a chain during a run. The numbers of its steps count from first.
type links[T any] struct {
	e     *env
	steps []step[T]
	first int32
}

// at returns the function of a step, or nil.
func (l *links[T]) at(i int) func(T) T {
	if l == nil || i >= len(l.steps) {
		return nil
	}
	return l.steps[i].f
}

// through takes an item through the steps from i on.
func (l *links[T]) through(i int, v T) T {
	for ; i < len(l.steps); i++ {
		l.e.inside = l.first + int32(i)
		v = l.steps[i].f(v)
	}
	return v
}

// then appends a Map to the stream.
func (s Stream[T]) then(f func(T) T) Stream[T] {
	c := &chain[T]{from: s}
	if s.chain != nil {
		c.from, c.steps = s.chain.from, slices.Clone(s.chain.steps)
		c.steps[len(c.steps)-1].name = s.name
	}
	c.steps = append(c.steps, step[T]{f: f})
	return Stream[T]{name: "map", run: c.run, chain: c}
}

func (c *chain[T]) run(e *env, name string, push func(T) bool) (err error) {
	steps := slices.Clone(c.steps)
	steps[len(steps)-1].name = name
	for _, s := range slices.Backward(steps[:len(steps)-1]) {
		e.clock.operator(s.name)
	}
	l := &links[T]{e: e, steps: steps, first: e.stages + 1}
	e.stages += int32(len(steps))
	defer func() {
		i := int(e.inside - l.first)
		if i < 0 || i >= len(steps) {
			return
		}
		if v := recover(); v != nil {
			e.inside = outside
			err = at(steps[i].name, &PanicError{v})
		}
	}()
	if c.from.bare != nil {
		e.clock.operator(c.from.name)
		return c.from.bare(e, c.from.name, l, push)
	}
	if first, f := l.first, steps[0].f; len(steps) == 1 {
		return c.from.start(e, func(v T) bool {
			e.inside = first
			v = f(v)
			return push(v)
		})
	}
	return c.from.start(e, func(v T) bool { return push(l.through(0, v)) })
}
