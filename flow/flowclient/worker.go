package flowclient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/flowapi"
)

// A Worker works for one stage, until its context ends: then it takes nothing
// new, and finishes what it has.
type Worker struct {
	Client *Client
	Stage  string

	// Concurrency is how many jobs are worked on at once. 0 means 1.
	Concurrency int

	// Handler works on a job. What it returns is the item's content from now on,
	// or the old content if it returns none. An error, or a panic, sends the item
	// back. Its context ends when the lease is lost: then the work is somebody
	// else's, and should stop.
	Handler func(ctx context.Context, job flowapi.Job) (flowapi.Content, error)

	// Failed is told what could not be said to the server, and why the handler
	// has failed; nil means nobody is told.
	Failed func(job flowapi.Job, err error)
}

// poll is how long one pull waits for a job.
const poll = 30 * time.Second

// Run works until ctx ends, and returns when all jobs are done. A server that
// cannot be reached is asked again.
func (w *Worker) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range max(w.Concurrency, 1) {
		wg.Go(func() { w.loop(ctx) })
	}
	wg.Wait()
}

func (w *Worker) loop(ctx context.Context) {
	wait := minWait
	for ctx.Err() == nil {
		jobs, err := w.Client.Pull(ctx, w.Stage, 1, poll)
		if err != nil && ctx.Err() == nil {
			w.failed(flowapi.Job{}, err)
			_ = pause(ctx, wait) // ctx is looked at above
			wait = min(2*wait, 5*time.Second)
			continue
		}
		wait = minWait
		for _, j := range jobs {
			w.work(context.WithoutCancel(ctx), j)
		}
	}
}

func (w *Worker) failed(j flowapi.Job, err error) {
	if w.Failed != nil && err != nil {
		w.Failed(j, err)
	}
}

// work handles a job and says how it went.
func (w *Worker) work(ctx context.Context, j flowapi.Job) {
	held, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		w.keep(held, j, lose)
	}()
	out, err := w.handle(held, j)
	lost := context.Cause(held)
	lose(nil)
	<-kept
	switch {
	case lost != nil:
		w.failed(j, lost)
	case err != nil:
		w.failed(j, err)
		w.failed(j, w.Client.Nack(ctx, j.Lease, -1, err.Error()))
	default:
		_, err := w.Client.Ack(ctx, j.Lease, out)
		w.failed(j, err)
	}
}

// handle turns a panic into an error.
func (w *Worker) handle(ctx context.Context, j flowapi.Job) (out flowapi.Content, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	return w.Handler(ctx, j)
}

// keep extends the lease each time a third of it has passed, until it is lost.
func (w *Worker) keep(ctx context.Context, j flowapi.Job, lose context.CancelCauseFunc) {
	third := max(time.Duration(j.LeaseFor)/3, minWait)
	for pause(ctx, third) == nil {
		if err := w.Client.Extend(ctx, j.Lease, time.Duration(j.LeaseFor)); errors.Is(err, flow.ErrStale) {
			lose(err)
			return
		}
	}
}
