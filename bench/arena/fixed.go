package arena

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
	fq "k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing"
	"k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/eventclock"
	"k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset"
	"k8s.io/apiserver/pkg/util/flowcontrol/metrics"
	"k8s.io/apiserver/pkg/util/flowcontrol/request"

	lab "github.com/penstock-go/penstock/lab/arena"
)

const (
	apiserverModule = "k8s.io/apiserver"
	xsyncModule     = "golang.org/x/sync"
)

// fixed are those that are told how many may run.
func fixed() []Competitor {
	return []Competitor{
		{
			Limiter: lab.Limiter{
				Name: "Kubernetes APF, 8 seats", Kind: lab.Told, Module: apiserverModule,
				Config: "a queueset of 8 seats, told the number of workers; 64 queues of 50, hands of 8, the defaults of a limited priority level; every request its own flow; waits a quarter of the deadline, as the API server does",
			},
			New: func(uint64) Guard { return throughAPF(8) },
		},
		{
			Limiter: lab.Limiter{
				Name: "x/sync semaphore, 8", Kind: lab.Told, Module: xsyncModule,
				Config: "semaphore.NewWeighted(8), told the number of workers; Acquire waits until the client leaves",
			},
			New: func(uint64) Guard { return throughSemaphore(8) },
		},
		{
			Limiter: lab.Limiter{
				Name: "x/sync semaphore, 8, no wait", Kind: lab.Told, Module: xsyncModule,
				Config: "semaphore.NewWeighted(8), told the number of workers; TryAcquire",
			},
			New: func(uint64) Guard { return tryingSemaphore(8) },
		},
	}
}

func throughSemaphore(n int64) Guard {
	sem := semaphore.NewWeighted(n)
	return func(ctx context.Context, call *Call) error {
		if err := sem.Acquire(ctx, 1); err != nil {
			return err
		}
		defer sem.Release(1)
		return call.Do(ctx)
	}
}

func tryingSemaphore(n int64) Guard {
	sem := semaphore.NewWeighted(n)
	return func(ctx context.Context, call *Call) error {
		if !sem.TryAcquire(1) {
			return errRefused
		}
		defer sem.Release(1)
		return call.Do(ctx)
	}
}

// apfQueues and the like are those of a limited priority level that says nothing
// else (flowcontrol/v1, LimitResponse of type Queue).
const (
	apfQueues   = 64
	apfLength   = 50
	apfHand     = 8
	apfWaitPart = 4 // of the request's time: the API server's own choice
)

func throughAPF(seats int) Guard {
	level := newAPF(seats)
	width := &request.WorkEstimate{InitialSeats: 1, FinalSeats: 1}
	return func(ctx context.Context, call *Call) error {
		deadline, _ := ctx.Deadline()
		wait, cancel := context.WithDeadline(ctx, waitUntil(deadline))
		defer cancel()
		req, _ := level.StartRequest(wait, width, call.ID, "", "arena", nil, nil, func(bool) {})
		if req == nil {
			return errRefused
		}
		err := errRefused
		req.Finish(func() { err = call.Do(ctx) })
		return err
	}
}

func newAPF(seats int) fq.QueueSet {
	gauges := metrics.RatioedGaugePair{RequestsWaiting: nothing{}, RequestsExecuting: nothing{}}
	c, err := queueset.NewQueueSetFactory(eventclock.Real{}).BeginConstruction(
		fq.QueuingConfig{Name: "arena", DesiredNumQueues: apfQueues, QueueLengthLimit: apfLength, HandSize: apfHand},
		gauges, nothing{}, nothing{})
	if err != nil {
		panic(err)
	}
	return c.Complete(fq.DispatchingConfig{ConcurrencyLimit: seats, ConcurrencyDenominator: seats})
}

// nothing is a gauge that nobody reads.
type nothing struct{}

func (nothing) Set(float64)            {}
func (nothing) Inc()                   {}
func (nothing) Dec()                   {}
func (nothing) Add(float64)            {}
func (nothing) SetToCurrentTime()      {}
func (nothing) SetDenominator(float64) {}

func waitUntil(deadline time.Time) time.Time {
	return deadline.Add(-time.Until(deadline) * (apfWaitPart - 1) / apfWaitPart)
}
