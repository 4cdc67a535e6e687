package demand

import (
	"context"
	"sync"
)

// An Order says in which order the results of [MapN] come.
type Order uint8

// The orders. [ByKey] is an option of its own.
const (
	Ordered   Order = iota // as the items came; a slow one holds back those behind it
	Unordered              // as they are ready
	byKey
)

// InOrder sets the order of the results. The default is [Ordered].
func InOrder(o Order) Option { return Option{func(s *settings) { s.order = o }} }

// ByKey keeps the order between items of one key: they are worked on one after
// another. A slow item holds back its own key alone.
func ByKey[T any, K comparable](key func(T) K) Option {
	return Option{func(s *settings) {
		s.order = byKey
		if key == nil {
			s.worse = "the function of ByKey is nil"
			return
		}
		s.key = func(v T) any { return key(v) }
	}}
}

// MapN calls f for up to n items at once, each in a goroutine of its own. At most
// [Window] items, 2n by default, are taken from s and not yet passed on as a
// result. The first error ends the stream and the context of the other calls;
// results that come before it in the order are passed on.
func MapN[T, R any](s Stream[T], n int, f func(context.Context, T) (R, error), opts ...Option) Stream[R] {
	p, problem, args := planned[T](opts)
	if !p.windowed {
		p.window = 2 * int64(n)
	}
	switch {
	case problem != "":
		return broken[R]("mapn", problem, args...)
	case f == nil:
		return broken[R]("mapn", "the function is nil")
	case n < 1 || n > MaxWindow/2:
		return broken[R]("mapn", "%d at once", n)
	case p.overflow != Block || p.cost != nil:
		return broken[R]("mapn", "a policy or a cost belongs to an Async in front")
	case p.order == byKey && p.keyOf == nil || p.order > byKey:
		return broken[R]("mapn", "ByKey is not for items of %T, or the order is unknown", *new(T))
	}
	return Stream[R]{name: "mapn", run: func(e *env, name string, push func(R) bool) error {
		m := &mapper[T, R]{name: name, f: f, plan: p, receiver: e.bell}
		m.jobs.L = &m.mu
		return m.run(e, s, n, push)
	}}
}

// A mapper is the state of one run of MapN: work goes from the sender to ready,
// from there to a worker, and to results.
type mapper[T, R any] struct {
	name     string
	f        func(context.Context, T) (R, error)
	plan     plan[T]
	receiver *bell
	sender   *env

	mu      sync.Mutex
	jobs    sync.Cond // of the workers
	ready   fifo[*job[T, R]]
	lanes   map[any]*fifo[*job[T, R]] // by key, of keys that are being worked on
	results fifo[*job[T, R]]          // Ordered: all that are inside, as they came; else those done
	inside  int64                     // taken from the source and not passed on; at most plan.window
	passed  uint64
	over    bool  // nothing more comes
	stopped bool  // nobody wants anything any more
	reason  error // of over
}

type job[T, R any] struct {
	v    T
	r    R
	err  error
	done bool
	key  any
}

func (m *mapper[T, R]) run(e *env, s Stream[T], n int, push func(R) bool) error {
	inner, done := newEnv(e.ctx)
	m.sender = inner
	inner.want = func() bool { return m.room() || inner.await(m.room) }
	e.clock.fedBy(m.stats)
	// The calls outlive the source.
	calls, end := context.WithCancelCause(e.ctx)
	var all sync.WaitGroup
	defer func() {
		end(errReceiverGone)
		inner.end(errReceiverGone)
		m.stop()
		all.Wait()
	}()
	all.Go(func() {
		defer done()
		m.feed(s)
	})
	for range n {
		all.Go(func() { m.work(calls) })
	}
	for {
		j, over, err := m.next()
		switch {
		case j != nil && j.err != nil:
			return first(e.cause(), j.err)
		case j != nil:
			if ok := push(j.r); !ok {
				return nil
			}
			m.pass()
		case over:
			return err
		case !e.starve(m.some):
			return e.cause()
		}
	}
}

// feed is the sender.
func (m *mapper[T, R]) feed(s Stream[T]) {
	err := error(&StageError{m.name, ErrExited})
	defer func() {
		if v := recover(); v != nil {
			err = at(m.name, &PanicError{v})
		}
		m.mu.Lock()
		m.over, m.reason = true, err
		m.jobs.Broadcast()
		m.mu.Unlock()
		m.receiver.ring()
	}()
	err = s.start(m.sender, func(v T) bool {
		if !m.room() && !m.sender.await(m.room) {
			return false
		}
		m.sender.inside = outside
		m.add(v)
		return true
	})
}

func (m *mapper[T, R]) room() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inside < m.plan.window
}

func (m *mapper[T, R]) add(v T) {
	j := &job[T, R]{v: v}
	if m.plan.order == byKey {
		j.key = m.plan.keyOf(v)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside++
	if m.plan.order == Ordered {
		m.results.push(j)
	}
	if m.plan.order == byKey {
		if m.lanes == nil {
			m.lanes = make(map[any]*fifo[*job[T, R]])
		}
		if lane, busy := m.lanes[j.key]; busy {
			lane.push(j)
			return
		}
		m.lanes[j.key] = new(fifo[*job[T, R]])
	}
	m.ready.push(j)
	m.jobs.Signal()
}

// work is one worker.
func (m *mapper[T, R]) work(ctx context.Context) {
	clock := newClock(ctx)
	clock.operator(m.name + "/worker")
	defer clock.finish()
	for {
		clock.enter(starved)
		j := m.job()
		clock.enter(busy)
		if j == nil {
			return
		}
		if !m.call(ctx, j) {
			return
		}
	}
}

func (m *mapper[T, R]) job() *job[T, R] {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.ready.len() == 0 && !m.stopped && (!m.over || m.inside > 0) {
		m.jobs.Wait()
	}
	if m.stopped || m.ready.len() == 0 {
		return nil
	}
	return m.ready.pop()
}

// call does one job. It reports false where the worker ends with it.
func (m *mapper[T, R]) call(ctx context.Context, j *job[T, R]) (alive bool) {
	j.err = &StageError{m.name, ErrExited}
	defer func() {
		if v := recover(); v != nil {
			j.err = at(m.name, &PanicError{v})
		}
		m.finish(j)
	}()
	r, err := m.f(ctx, j.v)
	j.r, j.err = r, at(m.name, err)
	return true
}

func (m *mapper[T, R]) finish(j *job[T, R]) {
	m.mu.Lock()
	j.done = true
	if m.plan.order != Ordered {
		m.results.push(j)
	}
	if m.plan.order == byKey {
		if lane := m.lanes[j.key]; lane.len() > 0 {
			m.ready.push(lane.pop())
			m.jobs.Signal()
		} else {
			delete(m.lanes, j.key)
		}
	}
	m.mu.Unlock()
	m.receiver.ring()
}

// next returns the next result, if there is one, or that there will be none.
func (m *mapper[T, R]) next() (j *job[T, R], over bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.results.len() > 0 && m.results.head().done {
		return m.results.pop(), false, nil
	}
	return nil, m.over && m.inside == 0, m.reason
}

func (m *mapper[T, R]) some() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.results.len() > 0 && m.results.head().done || m.over && m.inside == 0
}

// pass says that a result was passed on.
func (m *mapper[T, R]) pass() {
	m.mu.Lock()
	m.inside--
	m.passed++
	if m.over && m.inside == 0 {
		m.jobs.Broadcast()
	}
	m.mu.Unlock()
	m.sender.bell.ring()
}

func (m *mapper[T, R]) stop() {
	m.mu.Lock()
	m.stopped = true
	m.jobs.Broadcast()
	m.mu.Unlock()
}

func (m *mapper[T, R]) stats(s *StageStats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Items += m.passed
	s.Window += m.plan.window
	s.Outstanding += m.inside
}

// A fifo is a queue in a ring that grows. Its owner bounds it.
type fifo[T any] struct {
	items []T // of a length that is a power of two
	first uint
	n     uint
}

func (f *fifo[T]) len() int { return int(f.n) }
func (f *fifo[T]) head() T  { return f.items[f.first] }

func (f *fifo[T]) push(v T) {
	if f.n == uint(len(f.items)) {
		grown := make([]T, max(2*len(f.items), 4))
		for i := range f.n {
			grown[i] = f.items[(f.first+i)&(f.n-1)]
		}
		f.items, f.first = grown, 0
	}
	f.items[(f.first+f.n)&uint(len(f.items)-1)] = v
	f.n++
}

func (f *fifo[T]) pop() T {
	var none T
	v := f.items[f.first]
	f.items[f.first] = none
	f.first = (f.first + 1) & uint(len(f.items)-1)
	f.n--
	return v
}
