package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/penstock-go/penstock/flow"
)

// PullMax is how many items one pull takes.
const PullMax = 1000

// A Job is an item in a worker's hands.
type Job struct {
	flow.Leased
	Payload []byte
}

// A waiter is a worker that waits for items of a stage.
type waiter struct {
	n     int
	lease time.Duration
	got   []flow.Leased
	err   error
	done  chan struct{}
}

// Pull takes up to n items of a stage, and waits for the first of them up to
// wait. Nothing within that time is no error.
func (e *Engine) Pull(ctx context.Context, flowName, stage string, n int, wait, lease time.Duration) ([]Job, error) {
	n = min(max(n, 1), PullMax)
	e.mu.Lock()
	f, err := e.flow(flowName)
	if err != nil {
		e.mu.Unlock()
		return nil, err
	}
	at := now()
	got, err := f.core.Pull(at, stage, n, lease, nil)
	if err != nil || len(got) > 0 || wait <= 0 {
		e.mu.Unlock()
		if err != nil {
			return nil, err
		}
		return e.jobs(ctx, f, got)
	}
	w := &waiter{n: n, lease: lease, done: make(chan struct{})}
	f.waiters[stage] = append(f.waiters[stage], w)
	f.demand(at, stage)
	f.stirred = true // what is out of date is found only by stepping
	e.wake()
	e.mu.Unlock()

	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
		e.leave(f, stage, w)
	case <-ctx.Done():
		e.leave(f, stage, w)
		e.release(f, w.got)
		return nil, context.Cause(ctx)
	}
	if w.err != nil {
		return nil, w.err
	}
	return e.jobs(ctx, f, w.got)
}

// leave lets a worker wait no more. It may have been served meanwhile.
func (e *Engine) leave(f *running, stage string, w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.waiters[stage] = slices.DeleteFunc(f.waiters[stage], func(o *waiter) bool { return o == w })
	f.demand(now(), stage)
}

// release gives back what nobody took.
func (e *Engine) release(f *running, got []flow.Leased) {
	if len(got) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at := now()
	for _, l := range got {
		f.core.Release(at, l.Lease)
	}
	f.stirred = true
	e.wake()
}

// Release gives jobs back that did not reach their worker, at once and without
// counting as an attempt.
func (e *Engine) Release(flowName string, jobs []Job) {
	e.mu.Lock()
	f, err := e.flow(flowName)
	e.mu.Unlock()
	if err != nil {
		return // leases do not outlive the engine
	}
	got := make([]flow.Leased, len(jobs))
	for i := range jobs {
		got[i] = jobs[i].Leased
	}
	e.release(f, got)
}

// jobs adds the payloads.
func (e *Engine) jobs(ctx context.Context, f *running, got []flow.Leased) ([]Job, error) {
	jobs := make([]Job, 0, len(got))
	for _, l := range got {
		payload, err := e.store.Payload(ctx, l.Item.No)
		if errors.Is(err, flow.ErrUnknownItem) {
			continue // the lease was so short that the item is elsewhere already
		}
		if err != nil {
			e.release(f, got)
			return nil, err
		}
		jobs = append(jobs, Job{l, payload})
	}
	return jobs, nil
}

// serve hands out what is ready to those who wait; the caller has the lock.
func (f *running) serve(at flow.Instant) {
	for stage, ws := range f.waiters {
		served := 0
		for served < len(ws) && f.core.Ready(stage) > 0 {
			w := ws[served]
			if w.got, w.err = f.core.Pull(at, stage, w.n, w.lease, nil); len(w.got) == 0 && w.err == nil {
				break
			}
			close(w.done)
			served++
		}
		if served == 0 {
			continue
		}
		f.waiters[stage] = slices.Delete(ws, 0, served)
		f.demand(at, stage)
	}
}

func (f *running) demand(at flow.Instant, stage string) {
	n := 0
	for _, w := range f.waiters[stage] {
		n += w.n
	}
	f.core.SetDemand(at, stage, n)
	if n == 0 {
		delete(f.waiters, stage)
	}
}

// redefined lets those who wait at a stage that is gone know.
func (f *running) redefined(d *flow.Definition) {
	f.defined = true
	for stage, ws := range f.waiters {
		if slices.ContainsFunc(d.Stages, func(s flow.Stage) bool { return s.Name == stage }) {
			continue
		}
		for _, w := range ws {
			w.err = flow.ErrUnknownStage
			close(w.done)
		}
		delete(f.waiters, stage)
	}
}
