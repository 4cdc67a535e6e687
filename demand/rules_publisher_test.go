package demand_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/demand"
)

func sleep() { time.Sleep(time.Second) } // in a bubble

func TestRule101NeverMoreThanRequested(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r := subscribed(t, s, 20, nil, p)
		settle()
		p.want(t, s, 0, 0, 0)
		for _, step := range []struct{ ask, total int }{{3, 3}, {1, 4}, {7, 11}} {
			r.Request(int64(step.ask))
			settle()
			if got := p.count(); got != step.total {
				t.Fatalf("%d items after %d were requested", got, step.total)
			}
		}
	})
}

func TestRule102FewerThanRequested(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 1000}
		subscribed(t, s, 2, nil, p)
		settle()
		p.want(t, s, 2, 0, 1)
	})
}

func TestRule103SignalsAreSerial(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		r := subscribed(t, s, 30, nil, p)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5 {
					r.Request(1)
				}
			})
		}
		all.Wait()
		settle()
		p.want(t, s, 30, 0, 1)
	})
}

func TestRule104FailureIsOnError(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		if s.sure {
			return // it cannot fail by itself
		}
		p := &probe{ask: 1000}
		subscribed(t, s, 5, errEnd, p)
		settle()
		p.want(t, s, 5, 1, 0)
		if e, ok := errors.AsType[*demand.StageError](p.errs[0]); !ok || !errors.Is(e, errEnd) {
			t.Errorf("got %v, want a StageError of the source's", p.errs[0])
		}
	})
}

func TestRule105SuccessIsOnComplete(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		for _, n := range []int{0, 1, 5} {
			p := &probe{ask: demand.Unbounded}
			subscribed(t, s, n, nil, p)
			settle()
			p.want(t, s, n, 0, 1)
		}
	})
}

func TestRule106TerminalMeansCancelled(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 100}
		r := subscribed(t, s, 3, nil, p)
		settle()
		select {
		case <-r.Done():
		default:
			t.Error("something still runs after OnComplete")
		}
		r.Request(10)
		r.Request(-1)
		r.Cancel()
		settle()
		p.want(t, s, 3, 0, 1)
	})
}

func TestRule107NothingAfterTerminal(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		end := errEnd
		if s.sure {
			end = nil
		}
		p := &probe{ask: 100}
		r := subscribed(t, s, 4, end, p)
		for range 5 {
			settle()
			r.Request(5)
		}
		settle()
		if s.sure {
			p.want(t, s, 4, 0, 1)
		} else {
			p.want(t, s, 4, 1, 0)
		}
	})
}

func TestRule108CancelStopsSignals(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 1000}
		p.onNext = func(int) {
			if p.count() == 3 {
				p.sub.Cancel()
			}
		}
		r := subscribed(t, s, 20, nil, p)
		settle()
		if got := p.count(); got != 3 || len(p.errs)+p.completes > 0 {
			t.Errorf("%d items, errors %v, %d completions after Cancel in the third", got, p.errs, p.completes)
		}
		<-r.Done()
	})
}

func TestRule109OnSubscribeFirst(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{}
		p.onSubscribe = func(demand.Subscription) { synctest.Wait() } // time to break the order
		subscribed(t, s, 3, nil, p)
		settle()
		p.want(t, s, 0, 0, 0)
	})
	t.Run("nil subscriber", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		demand.Of(1).Subscribe(t.Context(), nil)
	})
	t.Run("a refusal", func(t *testing.T) {
		p := &probe{}
		r := demand.Map[int, int](demand.Of(1), nil).Subscribe(t.Context(), p)
		<-r.Done()
		p.want(t, subject{}, 0, 1, 0)
		if !errors.Is(p.errs[0], demand.ErrConfig) {
			t.Errorf("got %v, want ErrConfig", p.errs[0])
		}
	})
}

func TestRule110ManySubscribers(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		stream := s.build(6, nil)
		first, second := &probe{ask: 100}, &probe{ask: 100}
		a := stream.Subscribe(t.Context(), first)
		b := stream.Subscribe(t.Context(), second)
		settle()
		<-a.Done()
		<-b.Done()
		if s.once { // each signal goes to one of them, and each of them ends
			if got := len(first.items) + len(second.items); got != 6 {
				t.Errorf("%d items in all, want 6", got)
			}
			if n := len(first.errs) + first.completes; n != 1 {
				t.Errorf("%d ends of the first", n)
			}
			if n := len(second.errs) + second.completes; n != 1 {
				t.Errorf("%d ends of the second", n)
			}
			return
		}
		first.want(t, s, 6, 0, 1)
		second.want(t, s, 6, 0, 1)
	})
}

func TestRule111Multicast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		branches := demand.Broadcast(counting(10, nil), 3, demand.Window(16))
		var probes []*probe
		for i, b := range branches {
			p := &probe{ask: int64(3 * (i + 1))}
			probes = append(probes, p)
			r := b.Subscribe(t.Context(), p)
			defer r.Cancel()
		}
		settle()
		for i, p := range probes {
			p.want(t, subject{}, 3*(i+1), 0, 0)
		}
	})
}
