package demand_test

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/penstock-go/penstock/demand"
)

func TestRule301UsedInTheSubscribersContext(t *testing.T) {
	// The subscription is handed to the subscriber alone, and works there.
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		p.onSubscribe = func(sub demand.Subscription) { sub.Request(1) }
		p.onNext = func(v int) { p.sub.Request(1) }
		subscribed(t, s, 5, nil, p)
		settle()
		p.want(t, s, 5, 0, 1)
	})
}

func TestRule302RequestInsideOnNextAndOnSubscribe(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 2}
		p.onNext = func(v int) {
			if p.count()%2 == 0 {
				p.sub.Request(2)
			}
		}
		subscribed(t, s, 9, nil, p)
		settle()
		p.want(t, s, 9, 0, 1)
	})
}

func TestRule303BoundedRecursion(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		depth, deepest := 0, 0
		p := &probe{ask: 1}
		p.onNext = func(int) {
			depth++
			deepest = max(deepest, depth)
			p.sub.Request(1)
			depth--
		}
		subscribed(t, s, 25, nil, p)
		settle()
		p.want(t, s, 25, 0, 1)
		if deepest != 1 {
			t.Errorf("OnNext was %d deep", deepest)
		}
	})
}

// heldInOnNext subscribes, and returns while the first OnNext is held.
func heldInOnNext(t *testing.T, s subject, p *probe) (r *demand.Running, release func()) {
	t.Helper()
	gate := make(chan struct{})
	p.ask = 1
	p.onNext = func(int) { <-gate }
	r = subscribed(t, s, 5, nil, p)
	settle()
	if p.count() != 1 {
		t.Fatalf("%d items", p.count())
	}
	return r, func() { close(gate) }
}

func TestRule304RequestReturnsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r, release := heldInOnNext(t, s, p)
		var back atomic.Bool
		go func() { r.Request(100); back.Store(true) }()
		synctest.Wait()
		if !back.Load() {
			t.Error("Request waits for OnNext")
		}
		release()
		settle()
		p.want(t, s, 5, 0, 1)
	})
}

func TestRule305CancelReturnsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r, release := heldInOnNext(t, s, p)
		var back atomic.Int32
		for range 4 {
			go func() { r.Cancel(); back.Add(1) }()
		}
		synctest.Wait()
		if back.Load() != 4 {
			t.Error("Cancel waits for OnNext")
		}
		release()
		<-r.Done()
		p.want(t, s, 1, 0, 0)
	})
}

func TestRule306RequestAfterCancel(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 2}
		r := subscribed(t, s, 5, nil, p)
		settle()
		r.Cancel()
		for _, n := range []int64{1, 100, 0, -1, demand.Unbounded} {
			r.Request(n)
		}
		settle()
		p.want(t, s, 2, 0, 0)
	})
}

func TestRule307CancelAfterCancel(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 2}
		r := subscribed(t, s, 5, nil, p)
		settle()
		r.Cancel()
		r.Cancel()
		<-r.Done()
		r.Cancel()
		p.want(t, s, 2, 0, 0)
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestRule308DemandAddsUp(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r := subscribed(t, s, 20, nil, p)
		for n := range int64(5) {
			r.Request(n + 1)
		}
		settle()
		if got := p.count(); got != 15 {
			t.Errorf("%d items after requests of 1+2+3+4+5", got)
		}
	})
}

func TestRule309RequestOfLessThanOne(t *testing.T) {
	for _, n := range []int64{0, -1, math.MinInt64} {
		each(t, func(t *testing.T, s subject) {
			p := &probe{ask: 2}
			r := subscribed(t, s, 20, nil, p)
			settle()
			r.Request(n)
			r.Request(5)
			settle()
			p.want(t, s, 2, 1, 0)
			if !errors.Is(p.errs[0], demand.ErrRequest) {
				t.Errorf("got %v, want ErrRequest", p.errs[0])
			}
		})
	}
}

func TestRule312CancelEnds(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{} // no demand: cancelled while everything waits
		r := subscribed(t, s, 1000, nil, p)
		settle()
		r.Cancel()
		<-r.Done()
		p.want(t, s, 0, 0, 0)
	})
}

func TestRule313CancelDropsTheSubscriber(t *testing.T) {
	for _, s := range subjects() {
		t.Run(s.name, func(t *testing.T) {
			stream := s.build(3, nil)
			r, gone := weakly(t, stream)
			r.Cancel()
			<-r.Done()
			for range 10 {
				if gone.Value() == nil {
					break
				}
				runtime.GC()
			}
			if gone.Value() != nil {
				t.Error("the subscriber is still referred to")
			}
			runtime.KeepAlive(r)
			runtime.KeepAlive(stream)
		})
	}
}

//go:noinline
func weakly(t *testing.T, s demand.Stream[int]) (*demand.Running, weak.Pointer[probe]) {
	p := &probe{}
	return s.Subscribe(t.Context(), p), weak.Make(p)
}

func TestRule314LastCancelEndsThePublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		source := demand.From(func(yield func(int) bool) {
			defer func() { ended = true }()
			i := 0
			for yield(i) {
				i++
			}
		})
		var running []*demand.Running
		for _, b := range demand.Broadcast(source, 2) {
			running = append(running, b.Subscribe(t.Context(), &probe{ask: 3}))
		}
		settle()
		running[0].Cancel()
		settle()
		if ended {
			t.Error("ended with a subscriber left")
		}
		running[1].Cancel()
		<-running[1].Done()
		if !ended {
			t.Error("goes on for nobody")
		}
	})
}

func TestRule315CancelNeverPanics(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 1}
		p.onSubscribe = func(sub demand.Subscription) { sub.Cancel(); sub.Cancel() }
		r := subscribed(t, s, 3, nil, p)
		settle()
		r.Cancel()
		p.want(t, s, 0, 0, 0)
	})
}

func TestRule316RequestNeverPanics(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r := subscribed(t, s, 3, nil, p)
		var all sync.WaitGroup
		for _, n := range []int64{1, demand.Unbounded, math.MinInt64, 0, demand.Unbounded} {
			all.Go(func() { r.Request(n) })
		}
		all.Wait()
		settle()
		r.Request(0)
		if n := len(p.errs) + p.completes; n != 1 {
			t.Errorf("%d ends", n)
		}
	})
}

func TestRule317UnboundedDemand(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r := subscribed(t, s, 30, nil, p)
		r.Request(math.MaxInt64 - 1)
		r.Request(5)
		for range 100 {
			r.Request(demand.Unbounded)
		}
		settle()
		p.want(t, s, 30, 0, 1)
	})
}
