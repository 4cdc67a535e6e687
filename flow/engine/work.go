package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// A Result is what became of one offer or one lease.
type Result struct {
	Outcome flow.Outcome
	ID      string // the item's
	Err     error
}

// each makes one proposal for each of n, and reports what became of them.
func (e *Engine) each(ctx context.Context, name string, n int, propose func(c *flow.Core, at flow.Instant, i int) (*flow.Proposal, error)) []Result {
	out := make([]Result, n)
	at := now()
	errs := e.do(ctx, name, n, func(f *running, i int) (*flow.Proposal, error) {
		p, err := propose(f.core, at, i)
		if err == nil {
			out[i].Outcome, out[i].ID = p.Outcome, p.Change.Item.ID
			if p.Change.Op == flow.OpMerge {
				out[i].ID = p.Change.Absorbed.ID
			}
		}
		return p, err
	})
	for i, err := range errs {
		if out[i].Err = err; err != nil {
			out[i].Outcome = flow.OutcomeNone
		}
	}
	return out
}

// Offer offers items; each is taken in, or not, by itself.
func (e *Engine) Offer(ctx context.Context, name string, offers ...flow.Offer) []Result {
	refused := false
	return e.each(ctx, name, len(offers), func(c *flow.Core, at flow.Instant, i int) (*flow.Proposal, error) {
		if err := e.full(); err != nil {
			return nil, err
		}
		o := offers[i]
		o.Follows = refused
		p, err := c.Offer(at, o)
		if r, ok := errors.AsType[*penstock.RejectedError](err); ok && r.Reason == penstock.ReasonLimit {
			refused = true
		}
		return p, err
	})
}

// Entrance says why any offer would be refused now, or nil.
func (e *Engine) Entrance(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(name)
	if err == nil {
		err = e.full()
	}
	if err != nil {
		return err
	}
	return f.core.Entrance(now())
}

// An Ack says that a leased item is finished.
type Ack struct {
	Lease   flow.Lease
	Output  []byte // the payload from now on, where Replace
	Replace bool
}

// Ack acknowledges items.
func (e *Engine) Ack(ctx context.Context, name string, acks ...Ack) []Result {
	return e.each(ctx, name, len(acks), func(c *flow.Core, at flow.Instant, i int) (*flow.Proposal, error) {
		return c.Ack(at, acks[i].Lease, acks[i].Output, acks[i].Replace)
	})
}

// Nack sends an item back; a delay below zero means the stage's backoff.
func (e *Engine) Nack(ctx context.Context, name string, l flow.Lease, delay time.Duration, reason string) Result {
	return e.each(ctx, name, 1, func(c *flow.Core, at flow.Instant, _ int) (*flow.Proposal, error) {
		return c.Nack(at, l, delay, reason)
	})[0]
}

// Spill sends an item to the spillway.
func (e *Engine) Spill(ctx context.Context, name string, l flow.Lease, reason string) Result {
	return e.each(ctx, name, 1, func(c *flow.Core, at flow.Instant, _ int) (*flow.Proposal, error) {
		return c.Spill(at, l, reason)
	})[0]
}

// Replay sends items of the spillway back to their stages.
func (e *Engine) Replay(ctx context.Context, name string, ids ...string) []Result {
	return e.each(ctx, name, len(ids), func(c *flow.Core, at flow.Instant, i int) (*flow.Proposal, error) {
		return c.Replay(at, ids[i])
	})
}

// Discard ends items of the spillway.
func (e *Engine) Discard(ctx context.Context, name string, ids ...string) []Result {
	return e.each(ctx, name, len(ids), func(c *flow.Core, at flow.Instant, i int) (*flow.Proposal, error) {
		return c.Discard(at, ids[i])
	})
}

// Extend keeps a lease for d from now; zero means the stage's own time.
func (e *Engine) Extend(name string, l flow.Lease, d time.Duration) (time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(name)
	if err != nil {
		return 0, err
	}
	return f.core.Extend(now(), l, d)
}

// Spillway lists up to n items of the spillway, from the one after id.
func (e *Engine) Spillway(name, after string, n int) ([]flow.Item, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(name)
	if err != nil {
		return nil, err
	}
	return f.core.Spillway(after, min(max(n, 1), PullMax), nil)
}

// Stats describe a flow.
func (e *Engine) Stats(name string) (flow.Stats, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(name)
	if err != nil {
		return flow.Stats{}, err
	}
	return f.core.Stats(now()), nil
}

// Definition returns a flow's definition.
func (e *Engine) Definition(name string) (flow.Definition, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, err := e.flow(name)
	if err != nil {
		return flow.Definition{}, err
	}
	return f.core.Definition(), nil
}

// Flows names the flows, in order.
func (e *Engine) Flows() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for name := range e.flows {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Define makes a flow, or changes the one of that name.
func (e *Engine) Define(ctx context.Context, def flow.Definition) error {
	def = def.Normalize()
	if err := def.Validate(); err != nil {
		return err
	}
	find := func() (*running, error) {
		if e.err != nil {
			return nil, e.err
		}
		if f := e.flows[def.Name]; f != nil {
			return f, nil
		}
		if len(e.flows) >= FlowsMax {
			return nil, fmt.Errorf("flow: there are %d flows, as many as may be", FlowsMax)
		}
		core, err := flow.New(now(), def, e.epoch, func(func(flow.Item, error) bool) {}, e.rng)
		if err != nil {
			return nil, err
		}
		return e.add(def.Name, core), nil
	}
	return e.await(ctx, 1, find, func(f *running, _ int) (*flow.Proposal, error) { return f.core.Define(def) })[0]
}
