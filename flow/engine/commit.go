package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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
	// gatherShare of the last commit's time is how long a group is kept open at most
	// for those who are expected, gatherPause of it how long if nobody comes, and
	// gatherMax how often the committer gives way meanwhile.
	gatherShare = 2
	gatherPause = 16
	gatherMax   = 4096
)

// commitLoop is the one goroutine that commits.
func (e *Engine) commitLoop(ctx context.Context) {
	defer close(e.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var took time.Duration // the last commit
	for {
		e.gather(took)
		group, wait := e.next()
		if len(group) > 0 {
			began := mono.Now()
			e.commit(ctx, group)
			took = mono.Now().Sub(began)
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

// gather keeps a group open for those who have just been answered, whose next
// proposals are on their way, and gives way to them. Else the first to come back
// would be committed alone, and the others wait for two commits instead of one. Who
// was in the last group, or came too late for it, is expected; nobody is waited for
// who would be alone.
func (e *Engine) gather(took time.Duration) {
	at := mono.Now()
	until, came, before := at.Add(took/gatherShare), at, 0
	for range gatherMax {
		e.mu.Lock()
		n, expected := len(e.pending), e.expected
		e.mu.Unlock()
		if n > before {
			before, came = n, at
		}
		if n == 0 || n >= min(expected, GroupMax) || at >= until || at.Sub(came) > took/gatherPause {
			return
		}
		runtime.Gosched()
		at = mono.Now()
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
	e.refuse(in, err)
	if len(stay) == 0 {
		return
	}
	if len(in) > 0 {
		err = e.store1(ctx, stay)
	}
	e.settle(stay, err)
}

// refuse takes new items back, for which there is no room on the disk.
func (e *Engine) refuse(in []op, err error) {
	if len(in) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at := now()
	e.noNew = at.Mono.Add(fullPause)
	e.abort(at, in, err)
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

// settle applies a group. If it was not stored, it is aborted, and with it all that
// was proposed since: it may stand where the group has not left.
func (e *Engine) settle(group []op, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expected = len(e.pending)
	at := now()
	if err != nil {
		e.noNew = at.Mono.Add(fullPause)
		e.pause = e.noNew
		if !errors.Is(err, flow.ErrStoreFull) {
			e.err = err
		}
		e.abort(at, e.pending, err)
		e.pending = e.pending[:0]
		e.abort(at, group, err)
		return
	}
	for i := range group {
		o := &group[i]
		var result error
		if !o.f.core.Apply(at, o.p) {
			result = ErrAborted
		} else if o.p.Change.Op == flow.OpDefine {
			o.f.redefined(o.p.Change.Definition)
		}
		o.f.stirred = true
		if o.ticket != nil {
			o.ticket.settle(o.slot, result)
			e.expected++
		}
	}
	for i := range group {
		if f := group[i].f; f.stirred {
			f.serve(at)
		}
		group[i] = op{}
	}
}

// abort takes proposals back; the caller has the lock.
func (e *Engine) abort(at flow.Instant, ops []op, err error) {
	for i, o := range slices.Backward(ops) {
		o.f.core.Abort(at, o.p)
		o.f.stirred = true
		if o.ticket != nil {
			o.ticket.settle(o.slot, err)
		}
		ops[i] = op{}
	}
}

// end refuses all that waits.
func (e *Engine) end(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
	e.abort(now(), e.pending, e.err)
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
