package penstockhttp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/mono"
)

// A visitContext is the context of a request that is being served, or what that
// is made of.
type visitContext struct {
	serving penstock.Serving
	visit   caller.Visit
	ending  sync.Mutex
	ended   bool                       // the handler has returned
	timed   atomic.Pointer[timedVisit] // what ends at the deadline, once somebody waits for it
}

type timedVisit struct {
	context.Context //nolint:containedctx // it is a context's other half
	cancel          context.CancelFunc
}

func (c *visitContext) begin(parent context.Context, work *penstock.Work, level func() float64) {
	c.visit.Init(*work, level)
	c.serving = penstock.Serving{Context: parent, Visit: &c.visit}
}

// of is the context that the handler gets: one without a deadline of its own where
// the work has none.
func (c *visitContext) of() context.Context {
	if c.visit.Work().HasDeadline {
		return (*deadlineContext)(c)
	}
	return &c.serving
}

// endAt ends the context, and reports whether it had ended before: the client had
// gone, or the deadline had passed.
func (c *visitContext) endAt(now mono.Time) bool {
	if !c.visit.Work().HasDeadline {
		return c.serving.Err() != nil
	}
	early := (*deadlineContext)(c).errAt(now) != nil
	c.ending.Lock()
	c.ended = true
	c.ending.Unlock()
	if t := c.timed.Load(); t != nil {
		t.cancel()
	}
	return early
}

// A deadlineContext ends at the deadline of the work. Most handlers are done long
// before, and never ask: so the timer, and what else a context with a deadline is
// made of, waits for the first who wants to be woken. Whoever only looks at it
// reads the clock. Of a deadline that has passed and a client that has left before
// anybody looked, the client is what it tells.
type deadlineContext visitContext

func (c *deadlineContext) at() mono.Time { return c.visit.Work().Deadline }

// Deadline implements [context.Context].
func (c *deadlineContext) Deadline() (time.Time, bool) {
	own := c.at().Time()
	if at, ok := c.serving.Deadline(); ok && at.Before(own) {
		return at, true
	}
	return own, true
}

// Done implements [context.Context].
func (c *deadlineContext) Done() <-chan struct{} { return c.arm().Done() }

// Err implements [context.Context].
func (c *deadlineContext) Err() error { return c.errAt(mono.Now()) }

func (c *deadlineContext) errAt(now mono.Time) error {
	if t := c.timed.Load(); t != nil {
		return t.Err()
	}
	c.ending.Lock()
	open := !c.ended && now < c.at() && c.serving.Err() == nil
	c.ending.Unlock()
	if open {
		return nil
	}
	return c.arm().Err() // which stays what it is
}

// Value implements [context.Context]: contexts made of this one find the timed one
// by it, and need no goroutine to follow it.
func (c *deadlineContext) Value(key any) any {
	if t := c.timed.Load(); t != nil {
		return t.Value(key)
	}
	return c.serving.Value(key)
}

// arm makes the timed context, if there is none.
func (c *deadlineContext) arm() *timedVisit {
	c.ending.Lock()
	defer c.ending.Unlock()
	t := c.timed.Load()
	if t != nil {
		return t
	}
	t = new(timedVisit)
	if c.ended { // before anybody asked, and before the deadline or the client ended it
		t.Context, t.cancel = context.WithCancel(context.WithoutCancel(&c.serving))
		t.cancel()
	} else {
		t.Context, t.cancel = context.WithDeadline(&c.serving, c.at().Time())
	}
	c.timed.Store(t)
	return t
}
