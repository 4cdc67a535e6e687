package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/mono"
)

const (
	// fullPause is how long the engine leaves a full store alone.
	fullPause = 200 * time.Millisecond
	// wallCheck is how soon a jump of the wall clock is noticed.
	wallCheck = time.Second
	// stepMax is how many changes of one flow happen by themselves in one group.
	stepMax = 256
)

// commitLoop is the one goroutine that commits.
func (e *Engine) commitLoop(ctx context.Context) {
	defer close(e.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		group, wait := e.next()
		if len(group) > 0 {
			e.commit(ctx, group)
			if ctx.Err() == nil && e.Err() == nil {
				continue
			}
		}
		if ctx.Err() != nil {
			e.end(ErrClosed)
			return
		}
		if err := e.Err(); err != nil {
			e.end(err)
			return
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-e.kick:
		case <-timer.C:
		}
	}
}

// next takes the group to be committed, or says how long there will be none.
func (e *Engine) next() (group []op, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := now()
	if at.Mono < e.pause {
		return nil, e.pause.Sub(at.Mono)
	}
	wait = time.Hour
	for _, f := range e.flows {
		due, ok := f.core.Next(at)
		if !f.stirred && (!ok || due > at.Mono) {
			if ok {
				wait = min(wait, due.Sub(at.Mono), wallCheck)
			}
			continue
		}
		f.stirred = false
		e.auto = f.core.Step(at, stepMax, e.auto[:0])
		for _, p := range e.auto {
			e.pending = append(e.pending, op{p: p, f: f})
		}
		f.serve(at)
		if due, ok := f.core.Next(at); ok {
			wait = min(wait, max(due.Sub(at.Mono), 0), wallCheck)
		}
	}
	n, bytes := 0, 0
	for n < len(e.pending) && n < GroupMax && bytes < GroupBytes {
		bytes += len(e.pending[n].p.Change.Payload)
		n++
	}
	group = append(e.spare[:0], e.pending[:n]...)
	e.spare = group
	rest := copy(e.pending, e.pending[n:])
	clear(e.pending[rest:])
	e.pending = e.pending[:rest]
	return group, wait
}

// commit stores a group. If there is no room, what is new is refused, and what
// is in may still move and leave.
func (e *Engine) commit(ctx context.Context, group []op) {
	err := e.store1(ctx, group)
	if err == nil {
		e.settle(group, nil)
		return
	}
	if !errors.Is(err, flow.ErrStoreFull) {
		e.settle(group, err)
		return
	}
	var stay, in []op
	for _, o := range group {
		if o.p.Outcome == flow.Accepted {
			in = append(in, o)
		} else {
			stay = append(stay, o)
		}
	}
	if len(in) > 0 {
		e.settle(in, err)
	}
	if len(in) > 0 && len(stay) > 0 {
		err = e.store1(ctx, stay)
	}
	if len(stay) > 0 {
		e.settle(stay, err)
	}
}

// store1 commits the changes of a group.
func (e *Engine) store1(ctx context.Context, group []op) error {
	changes := e.changes[:0]
	defer func() {
		clear(changes)
		e.changes = changes
	}()
	for i := range group {
		p := group[i].p
		if p.Change.Op == flow.OpNone {
			continue
		}
		if p.Change.Op == flow.OpMerge {
			if err := e.mergePayload(ctx, p); err != nil {
				return err
			}
		}
		changes = append(changes, p.Change)
	}
	if len(changes) == 0 {
		return nil
	}
	return e.store.Commit(ctx, changes)
}

// settle applies a group, or aborts it.
func (e *Engine) settle(group []op, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := now()
	if err != nil {
		e.noNew = at.Mono.Add(fullPause)
		if group[0].p.Outcome != flow.Accepted {
			e.pause = e.noNew
		}
		if !errors.Is(err, flow.ErrStoreFull) {
			e.err = err
		}
	}
	for i := range group {
		o := &group[i]
		result := err
		if err != nil {
			o.f.core.Abort(at, o.p)
		} else if !o.f.core.Apply(at, o.p) {
			result = ErrAborted
		} else if o.p.Change.Op == flow.OpDefine {
			o.f.redefined(o.p.Change.Definition)
		}
		o.f.stirred = true
		if o.ticket != nil {
			o.ticket.settle(o.slot, result)
		}
	}
	for i := range group {
		if f := group[i].f; f.stirred {
			f.serve(at)
		}
		group[i] = op{}
	}
}

// end refuses all that waits.
func (e *Engine) end(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
	for _, o := range e.pending {
		o.f.core.Abort(now(), o.p)
		if o.ticket != nil {
			o.ticket.settle(o.slot, e.err)
		}
	}
	e.pending = nil
	for _, f := range e.flows {
		for stage, ws := range f.waiters {
			for _, w := range ws {
				w.err = e.err
				close(w.done)
			}
			delete(f.waiters, stage)
		}
	}
}

// full says why a store that has just been full takes nothing new in.
func (e *Engine) full() error {
	if mono.Now() < e.noNew {
		return fmt.Errorf("%w; trying again within %v", flow.ErrStoreFull, fullPause)
	}
	return nil
}
