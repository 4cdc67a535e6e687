package demand

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A Stream is a description of where items come from and what happens to them.
// It is a value: nothing runs, and nothing is held, until a sink runs it, and each
// sink runs it anew. The zero Stream is empty.
type Stream[T any] struct {
	name  string
	run   run[T]
	chain *chain[T] // set if the last operator is a Map that keeps the type
	// bare is run, with the steps between the source and push done by the source
	// itself: one call less for each item. Most sources have none.
	bare func(e *env, name string, l *links[T], push func(T) bool) error
}

// A run pushes the items of a stage, one after another, until push reports
// false, and returns what ended it. It returns only once no goroutine of it is
// left.
type run[T any] func(e *env, name string, push func(T) bool) error

// Named names the last operator, for errors and for [Monitor.Snapshot].
func (s Stream[T]) Named(name string) Stream[T] {
	s.name = name
	return s
}

// Name returns the name of the last operator.
func (s Stream[T]) Name() string { return s.name }

func (s Stream[T]) start(e *env, push func(T) bool) error {
	if s.run == nil {
		return nil
	}
	e.clock.operator(s.name)
	return s.run(e, s.name, push)
}

// An env is what the stages between two boundaries share during one run: they
// are one loop in one goroutine.
type env struct {
	ctx  context.Context
	stop atomic.Bool // set soon after ctx is done; cheap to ask for each item
	end  func(error) // cancels ctx
	bell *bell       // wakes the goroutine, whatever it waits for
	// want waits until the loop's consumer has room, and reports false if it
	// never will. Sources ask it before they take an item from where it would
	// otherwise stay. Nil: there is always room.
	want func() bool
	// inside is the number of the operator whose function runs. A panic passes
	// the operators' frames from the source on, and this one claims it: that
	// costs a store for each item, next to nothing, and a deferred call for each
	// run.
	inside int32
	stages int32
	alarms []*alarm // of the operators that act when nothing arrives
	timer  *time.Timer
	clock  *clock // nil: nobody watches
}

// outside is the number of what belongs to no operator.
const outside = 0

// newEnv begins a run below ctx. Its owner defers close.
func newEnv(ctx context.Context) (e *env, done func()) {
	inner, cancel := context.WithCancelCause(ctx)
	e = &env{ctx: inner, end: cancel, bell: newBell(), clock: newClock(ctx)}
	release := context.AfterFunc(inner, func() {
		e.stop.Store(true)
		e.bell.ring()
	})
	return e, func() {
		release()
		e.clock.finish()
		cancel(nil)
	}
}

// stage returns a number for an operator.
func (e *env) stage() int32 {
	e.stages++
	return e.stages
}

// claim turns a panic of the stage's own function into an error. It is deferred
// around the stage's run.
func (e *env) claim(number int32, stage string, err *error) {
	if e.inside != number {
		return
	}
	if v := recover(); v != nil {
		e.inside = outside
		*err = at(stage, &PanicError{v})
	}
}

// cause is why the run was cancelled, or nil.
func (e *env) cause() error {
	if e.ctx.Err() == nil {
		return nil
	}
	return context.Cause(e.ctx)
}

// ready reports whether a source should take one more item.
func (e *env) ready() bool {
	return !e.stop.Load() && (e.want == nil || e.want())
}

// An alarm is set by an operator that has to act though no item comes. It goes
// off while the loop waits for its source.
type alarm struct {
	set  bool
	at   mono.Time
	fire func() bool // false: the operator wants no more items
}

// nextAlarm returns the alarm that goes off first, if any is set.
func (e *env) nextAlarm() *alarm {
	var first *alarm
	for _, a := range e.alarms {
		if a.set && (first == nil || a.at < first.at) {
			first = a
		}
	}
	return first
}

// ring sets off the alarms that are due, and returns when the next one is. It
// reports false if an operator wants no more items.
func (e *env) ring() (next <-chan time.Time, live bool) {
	for {
		a := e.nextAlarm()
		if a == nil {
			return nil, true
		}
		if wait := a.at.Sub(mono.Now()); wait > 0 {
			return e.after(wait), true
		}
		a.set = false
		if !a.fire() {
			return nil, false
		}
	}
}

// starve waits until some reports that the source has something. It sets alarms
// off meanwhile, and reports false when the run is over.
func (e *env) starve(some func() bool) bool { return e.lie(starved, some) }

func (e *env) lie(what state, some func() bool) bool {
	defer e.clock.enter(e.clock.enter(what))
	for {
		timer, live := e.ring()
		if !live {
			return false
		}
		e.bell.arm()
		if e.stop.Load() {
			e.bell.disarm()
			return false
		}
		if some() {
			e.bell.disarm()
			return true
		}
		e.bell.wait(timer)
	}
}

// await waits until room reports that there is some. It reports false when the
// run is over.
func (e *env) await(room func() bool) bool {
	defer e.clock.enter(e.clock.enter(blocked))
	for {
		e.bell.arm()
		ok := room()
		if ok || e.stop.Load() {
			e.bell.disarm()
			return ok
		}
		e.bell.wait(nil)
	}
}

// pause lets time pass. It reports false when the run is over.
func (e *env) pause(d time.Duration, what state) bool {
	if d <= 0 {
		return e.ctx.Err() == nil
	}
	defer e.clock.enter(e.clock.enter(what))
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.ctx.Done():
		return false
	}
}

// after returns the env's one timer, set anew.
func (e *env) after(d time.Duration) <-chan time.Time {
	if e.timer == nil {
		e.timer = time.NewTimer(d)
	} else {
		e.timer.Reset(d)
	}
	return e.timer.C
}

// A bell wakes the one goroutine that owns it. The owner arms it, looks once more
// whether there is reason to wait, and then waits or disarms it. Who has changed
// something rings it, which costs a load while the owner does not wait.
type bell struct {
	armed atomic.Bool
	rung  chan struct{} // of capacity 1; a token per armed bell at most
	_     [48]byte      // nobody else's cache line
}

func newBell() *bell { return &bell{rung: make(chan struct{}, 1)} }

func (b *bell) ring() {
	if b.armed.Load() && b.armed.CompareAndSwap(true, false) {
		b.rung <- struct{}{}
	}
}

func (b *bell) arm() { b.armed.Store(true) }

func (b *bell) disarm() {
	if !b.armed.CompareAndSwap(true, false) {
		<-b.rung
	}
}

// wait returns once the armed bell was rung, or the timer, if any, has gone off.
func (b *bell) wait(timer <-chan time.Time) {
	if timer == nil {
		<-b.rung
		return
	}
	select {
	case <-b.rung:
	case <-timer:
		b.disarm()
	}
}
