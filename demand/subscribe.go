package demand

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// A Subscriber receives the items of a publisher, as many as it asked for. The
// calls come one after another: OnSubscribe first, then OnNext for each item, and
// at most one of OnError and OnComplete last. (Reactive Streams 1.0.4, section 2.)
type Subscriber[T any] interface {
	OnSubscribe(s Subscription)
	OnNext(v T)
	OnError(err error)
	OnComplete()
}

// A Subscription is how a subscriber asks for items. Both methods return at
// once, may be called by any goroutine and at any time, and never panic.
// (Section 3.)
type Subscription interface {
	// Request asks for n more items. Demand adds up, and is without bound from
	// [Unbounded] on. An n below 1 ends the subscription with [ErrRequest].
	Request(n int64)
	// Cancel says that no more items are wanted. Some may still be on their way.
	Cancel()
}

// A Publisher is anything that can be subscribed to. (Section 1.)
type Publisher[T any] interface {
	Subscribe(s Subscriber[T])
}

// Publisher returns the stream as one. Every subscriber gets a run of its own,
// which ends with ctx.
func (s Stream[T]) Publisher(ctx context.Context) Publisher[T] { return publisher[T]{ctx, s} }

type publisher[T any] struct {
	ctx context.Context
	s   Stream[T]
}

func (p publisher[T]) Subscribe(to Subscriber[T]) { p.s.Subscribe(p.ctx, to) }

// Subscribe runs the stream for a subscriber, in a goroutine of its own, which
// makes all calls but the first. Nothing is taken from the source before it is
// asked for; what lies behind an [Stream.Async] is asked for by its window.
//
// It panics if the subscriber is nil (rule 1.9).
func (s Stream[T]) Subscribe(ctx context.Context, to Subscriber[T]) *Running {
	if to == nil {
		panic("demand: Subscribe with a nil subscriber")
	}
	e, done := newEnv(ctx)
	r := &running[T]{e: e, to: to, stream: s}
	h := &Running{state: &r.state, e: e, over: make(chan struct{})}
	e.want = r.await
	r.state.e = e
	if err := guarded("OnSubscribe", func() { to.OnSubscribe(h) }); err != nil {
		h.err = err
		done()
		close(h.over)
		return h
	}
	go func() {
		defer close(h.over)
		defer done()
		h.err = r.run()
	}()
	return h
}

// Running is a subscription of [Stream.Subscribe].
type Running struct {
	state *demandState
	e     *env
	over  chan struct{}
	err   error
}

// Request asks for n more items; see [Subscription].
func (h *Running) Request(n int64) { h.state.request(n) }

// Cancel says that no more items are wanted; see [Subscription].
func (h *Running) Cancel() { h.state.cancel() }

// Done is closed when nothing of the stream runs any more and the subscriber
// will not be called again.
func (h *Running) Done() <-chan struct{} { return h.over }

// Err returns why the stream ended, once Done is closed: nil after OnComplete
// and after Cancel. A panic of the subscriber, which breaks rule 2.13 and counts
// as its Cancel, is found here alone.
func (h *Running) Err() error {
	select {
	case <-h.over:
		return h.err
	default:
		return nil
	}
}

// demandState is what a subscriber may change from outside.
type demandState struct {
	mu       sync.Mutex // over additions
	asked    Credit     // only its sum is used
	upto     atomic.Int64
	canceled atomic.Bool
	badly    atomic.Bool // a request of less than 1
	e        *env
}

func (d *demandState) request(n int64) {
	if d.canceled.Load() {
		return
	}
	if n < 1 {
		d.badly.Store(true)
		d.e.end(ErrRequest)
		return
	}
	d.mu.Lock()
	d.asked.Add(n)
	d.upto.Store(d.asked.Left())
	d.mu.Unlock()
	d.e.bell.ring()
}

func (d *demandState) cancel() {
	if !d.canceled.Swap(true) {
		d.e.end(errReceiverGone)
	}
}

// running is the goroutine's side.
type running[T any] struct {
	state  demandState
	e      *env
	to     Subscriber[T]
	stream Stream[T]
	credit Credit
	broken error // the subscriber's own panic
}

func (r *running[T]) has() bool {
	r.credit.Raise(r.state.upto.Load())
	return r.credit.Left() > 0
}

func (r *running[T]) await() bool {
	return r.credit.Left() > 0 || r.has() || r.e.await(r.has)
}

func (r *running[T]) next(v T) bool {
	if !r.await() || r.e.stop.Load() || r.over() {
		return false
	}
	r.credit.Spend(1)
	r.e.inside = outside
	r.broken = guarded("OnNext", func() { r.to.OnNext(v) })
	return r.broken == nil && !r.over()
}

func (r *running[T]) over() bool { return r.state.canceled.Load() || r.state.badly.Load() }

// run returns once the last call has been made. It then holds no reference to
// the subscriber any more (rule 3.13).
func (r *running[T]) run() error {
	err := error(&StageError{"subscribe", ErrExited})
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = at("subscribe", &PanicError{v})
			}
		}()
		err = r.stream.start(r.e, r.next)
	}()
	to := r.to
	r.to, r.stream = nil, Stream[T]{}
	switch {
	case r.broken != nil:
		return r.broken
	case r.state.badly.Load() && !r.state.canceled.Load():
		err = ErrRequest
	case r.state.canceled.Load():
		return nil
	case err == nil:
		err = r.e.cause()
	}
	if err != nil {
		return errors.Join(err, guarded("OnError", func() { to.OnError(err) }))
	}
	return guarded("OnComplete", to.OnComplete)
}

// guarded calls one of a subscriber's methods.
func guarded(name string, f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &StageError{name, &PanicError{v}}
		}
	}()
	f()
	return nil
}

// FromPublisher is a source of what a publisher sends. It asks for a [Window] at
// first, and for more as the items are taken. A publisher that sends more than
// was asked for, or breaks the order of the calls, fails the stream.
func FromPublisher[T any](from Publisher[T], opts ...Option) Stream[T] {
	p, problem, args := planned[T](opts)
	switch {
	case problem != "":
		return broken[T]("publisher", problem, args...)
	case from == nil:
		return broken[T]("publisher", "the publisher is nil")
	case p.overflow != Block || p.cost != nil:
		return broken[T]("publisher", "only Window and Refill make sense: the publisher keeps to them")
	}
	return Stream[T]{name: "publisher", run: func(e *env, name string, push func(T) bool) error {
		p := p
		p.name, p.overflow = name, Fail
		in := intakes[T]{e: e}
		sub := &receiving[T]{ring: newRing(p, e.bell)}
		sub.ring.grant = sub.more
		sub.push = sub.ring.serve(&env{bell: newBell()})
		in.add(sub.ring)
		defer sub.quit()
		if err := guarded(name, func() { from.Subscribe(sub) }); err != nil {
			return err
		}
		return in.drain(push)
	}}
}

// receiving is the subscriber of FromPublisher. Publishers make their calls one
// after another, but the lock is cheap next to trusting them.
type receiving[T any] struct {
	mu    sync.Mutex
	ring  *ring[T]
	push  func(T) bool
	sub   Subscription
	over  bool
	quits atomic.Bool
}

// OnSubscribe takes the first subscription, and cancels any other (rule 2.5).
func (r *receiving[T]) OnSubscribe(s Subscription) {
	if s == nil {
		panic("demand: OnSubscribe with a nil subscription")
	}
	r.mu.Lock()
	second := r.sub != nil || r.over
	if !second {
		r.sub = s
	}
	r.mu.Unlock()
	if second {
		s.Cancel()
		return
	}
	s.Request(r.ring.plan.window)
}

// OnNext takes an item. What comes after the end is dropped (rule 2.8).
func (r *receiving[T]) OnNext(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over || r.quits.Load():
	case r.sub == nil:
		r.end(ErrProtocol)
	case !r.push(v):
		r.end(nil) // the ring says why
	}
}

// OnError ends the stream. A nil error breaks rule 2.13.
func (r *receiving[T]) OnError(err error) {
	if err == nil {
		err = ErrProtocol
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(at(r.ring.plan.name, err))
}

// OnComplete ends the stream.
func (r *receiving[T]) OnComplete() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(nil)
}

func (r *receiving[T]) end(err error) {
	if !r.over {
		r.over = true
		r.ring.close(err)
	}
}

// more asks for more; it runs in the receiver's goroutine.
func (r *receiving[T]) more(n int64) {
	r.mu.Lock()
	sub, over := r.sub, r.over
	r.mu.Unlock()
	if !over && sub != nil {
		sub.Request(n)
	}
}

// quit cancels what is still under way.
func (r *receiving[T]) quit() {
	r.quits.Store(true)
	r.mu.Lock()
	sub, over := r.sub, r.over && r.ring.failed == nil
	r.over = true
	r.sub = nil
	r.mu.Unlock()
	if sub != nil && !over {
		sub.Cancel()
	}
}
