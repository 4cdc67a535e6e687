package demand_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/penstock-go/penstock/demand"
)

// A manual is a publisher that is played by the test. It counts what its
// subscriber asks for, and whether the subscriber's calls overlap.
type manual struct {
	to       demand.Subscriber[int]
	asked    atomic.Int64
	cancels  atomic.Int64
	overlaps atomic.Int64
	inside   atomic.Int32
	onAsk    func(n int64)
}

func (m *manual) Subscribe(to demand.Subscriber[int]) {
	m.to = to
	to.OnSubscribe(m)
}

func (m *manual) Request(n int64) {
	defer m.enter()()
	m.asked.Add(n)
	if m.onAsk != nil {
		m.onAsk(n)
	}
}

func (m *manual) Cancel() {
	defer m.enter()()
	m.cancels.Add(1)
}

func (m *manual) enter() func() {
	if m.inside.Add(1) > 1 {
		m.overlaps.Add(1)
	}
	return func() { m.inside.Add(-1) }
}

// A gathering is a run of a stream whose items and end are kept.
type gathering struct {
	mu    sync.Mutex
	items []int
	err   error
	over  bool
	gate  chan struct{} // if set, each item waits for one from it
}

func gather(ctx context.Context, s demand.Stream[int], gate chan struct{}) *gathering {
	g := &gathering{gate: gate}
	go func() {
		err := s.Each(ctx, func(v int) error {
			if g.gate != nil {
				<-g.gate
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.items = append(g.items, v)
			return nil
		})
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err, g.over = err, true
	}()
	synctest.Wait()
	return g
}

func (g *gathering) want(t *testing.T, over bool, err error, items ...int) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.items, items) || g.over != over || !errors.Is(g.err, err) {
		t.Errorf("items %v, over %v, error %v; want %v, %v, %v", g.items, g.over, g.err, items, over, err)
	}
}

func bubble(t *testing.T, f func(t *testing.T, m *manual)) {
	synctest.Test(t, func(t *testing.T) { f(t, &manual{}) })
}

func TestRule201RequestsToReceive(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		ctx, cancel := context.WithCancel(t.Context())
		gather(ctx, demand.FromPublisher(m, demand.Window(4)), nil)
		if got := m.asked.Load(); got != 4 {
			t.Errorf("asked for %d at first, want the window of 4", got)
		}
		for i := range 3 {
			m.to.OnNext(i)
		}
		synctest.Wait()
		if got := m.asked.Load(); got != 7 {
			t.Errorf("asked for %d after three quarters of the window, want 7", got)
		}
		cancel()
	})
}

func TestRule202DispatchIsAsynchronous(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		gate := make(chan struct{})
		g := gather(t.Context(), demand.FromPublisher(m, demand.Window(3)), gate)
		for i := range 3 {
			m.to.OnNext(i) // returns though the consumer stands still
		}
		m.to.OnComplete()
		close(gate)
		g.want(t, true, nil, 0, 1, 2)
	})
}

func TestRule203TerminalCallsNothing(t *testing.T) {
	for _, end := range []error{nil, errEnd} {
		bubble(t, func(t *testing.T, m *manual) {
			g := gather(t.Context(), demand.FromPublisher(m), nil)
			asked := m.asked.Load()
			if end == nil {
				m.to.OnComplete()
			} else {
				m.to.OnError(end)
			}
			g.want(t, true, end)
			if m.asked.Load() != asked || m.cancels.Load() != 0 {
				t.Errorf("asked %d, cancelled %d times", m.asked.Load()-asked, m.cancels.Load())
			}
		})
	}
}

func TestRule204TerminalMeansCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		gate := make(chan struct{})
		g := gather(t.Context(), demand.FromPublisher(m, demand.Window(2)), gate)
		m.to.OnNext(0)
		m.to.OnNext(1)
		m.to.OnComplete()
		asked := m.asked.Load()
		close(gate) // what is taken now would be asked for anew
		g.want(t, true, nil, 0, 1)
		if m.asked.Load() != asked || m.cancels.Load() != 0 {
			t.Errorf("asked for %d more, cancelled %d times", m.asked.Load()-asked, m.cancels.Load())
		}
	})
}

func TestRule205SecondSubscriptionIsCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		g := gather(t.Context(), demand.FromPublisher(m), nil)
		second := &manual{}
		second.Subscribe(m.to)
		if second.cancels.Load() != 1 || second.asked.Load() != 0 {
			t.Errorf("cancelled %d times, asked for %d", second.cancels.Load(), second.asked.Load())
		}
		m.to.OnNext(7)
		m.to.OnComplete()
		g.want(t, true, nil, 7)
	})
}

func TestRule206CancelWhenNoLongerNeeded(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		g := gather(t.Context(), demand.FromPublisher(m).Take(2), nil)
		m.to.OnNext(0)
		m.to.OnNext(1)
		g.want(t, true, nil, 0, 1)
		if m.cancels.Load() != 1 {
			t.Errorf("cancelled %d times", m.cancels.Load())
		}
	})
}

func TestRule207CallsAreSerial(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		var left atomic.Int64
		m.onAsk = func(asked int64) { left.Add(asked) }
		g := gather(ctx, demand.FromPublisher(m, demand.Window(2)), nil)
		for range 200 {
			for left.Load() == 0 {
				synctest.Wait()
			}
			left.Add(-1)
			m.to.OnNext(n)
			n++
		}
		synctest.Wait()
		cancel()
		g.want(t, true, context.Canceled, numbers(200)...)
		if m.overlaps.Load() != 0 || m.cancels.Load() != 1 {
			t.Errorf("%d calls overlapped, %d cancels", m.overlaps.Load(), m.cancels.Load())
		}
	})
}

func TestRule208OnNextAfterCancel(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		g := gather(t.Context(), demand.FromPublisher(m).Take(1), nil)
		m.to.OnNext(0)
		synctest.Wait()
		m.to.OnNext(1)
		m.to.OnNext(2)
		m.to.OnComplete()
		g.want(t, true, nil, 0)
	})
}

func TestRule209OnCompleteWithoutDemand(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		gate := make(chan struct{})
		g := gather(t.Context(), demand.FromPublisher(m, demand.Window(1)), gate)
		m.to.OnNext(0) // the demand is used up
		m.to.OnComplete()
		close(gate)
		g.want(t, true, nil, 0)
	})
}

func TestRule210OnErrorWithoutDemand(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		gate := make(chan struct{})
		g := gather(t.Context(), demand.FromPublisher(m, demand.Window(1)), gate)
		m.to.OnNext(0)
		m.to.OnError(errEnd)
		close(gate)
		g.want(t, true, errEnd, 0)
	})
}

func TestRule211SignalsHappenBeforeProcessing(t *testing.T) {
	// The race detector sees whether the writes before OnNext are ordered.
	bubble(t, func(t *testing.T, m *manual) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		written := make([]int, 100)
		sum := 0
		s := demand.FromPublisher(m, demand.Window(128)).Tap(func(i int) { sum += written[i] })
		g := gather(ctx, s, nil)
		for i := range written {
			written[i] = 1
			m.to.OnNext(i)
		}
		m.to.OnComplete()
		g.want(t, true, nil, numbers(100)...)
		if sum != 100 {
			t.Errorf("saw %d of 100 writes", sum)
		}
	})
}

func TestRule212OnSubscribeOnce(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		p := &probe{ask: 3}
		r := subscribed(t, s, 6, nil, p)
		settle()
		r.Request(10)
		settle()
		p.want(t, s, 6, 0, 1) // which looks at OnSubscribe too
	})
}

func TestRule213HandlersReturnNormally(t *testing.T) {
	t.Run("nil subscription", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *manual) {
			gather(t.Context(), demand.FromPublisher(m).Take(1), nil)
			defer m.to.OnNext(0)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			m.to.OnSubscribe(nil)
		})
	})
	t.Run("nil error", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *manual) {
			g := gather(t.Context(), demand.FromPublisher(m), nil)
			m.to.OnError(nil)
			g.want(t, true, demand.ErrProtocol)
		})
	})
	t.Run("a subscriber that panics counts as cancelled", func(t *testing.T) {
		each(t, func(t *testing.T, s subject) {
			p := &probe{ask: 100}
			p.onNext = func(int) {
				if p.count() == 2 {
					panic(errEnd)
				}
			}
			r := subscribed(t, s, 9, nil, p)
			<-r.Done()
			p.want(t, s, 2, 0, 0)
			if e, ok := errors.AsType[*demand.StageError](r.Err()); !ok || e.Stage != "OnNext" || !errors.Is(e, errEnd) {
				t.Errorf("reported as %v", r.Err())
			}
		})
	})
}

func TestRule310RequestMayEmit(t *testing.T) {
	bubble(t, func(t *testing.T, m *manual) {
		next := 0
		m.onAsk = func(n int64) {
			for range n {
				m.to.OnNext(next)
				next++
			}
		}
		g := gather(t.Context(), demand.FromPublisher(m, demand.Window(3)).Take(10), nil)
		g.want(t, true, nil, numbers(10)...)
	})
}

func TestRule311RequestMayTerminate(t *testing.T) {
	for _, end := range []error{nil, errEnd} {
		bubble(t, func(t *testing.T, m *manual) {
			m.onAsk = func(n int64) {
				m.to.OnNext(0)
				if end == nil {
					m.to.OnComplete()
				} else {
					m.to.OnError(end)
				}
			}
			g := gather(t.Context(), demand.FromPublisher(m), nil)
			g.want(t, true, end, 0)
		})
	}
}

// wrappers are the operators and boundaries, between a publisher and a
// subscriber: processors.
func wrappers() []subject { return append(operators(), boundaries()...) }

func TestRule401ProcessorObeysBothContracts(t *testing.T) {
	// As a publisher, a processor is a subject of all other rules. As a
	// subscriber, it never asks for more than its window beyond what it has
	// passed on, and cancels upstream when its subscriber does.
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *manual) {
				p := &probe{ask: 4}
				r := w.wrap(demand.FromPublisher(m, demand.Window(8))).Subscribe(t.Context(), p)
				settle()
				for i := range 8 {
					m.to.OnNext(i)
				}
				settle()
				if got, most := m.asked.Load(), int64(8+8); got > most {
					t.Errorf("asked for %d of at most %d", got, most)
				}
				if p.count() != 4 {
					t.Errorf("passed %d on of 4 that were asked for", p.count())
				}
				r.Cancel()
				<-r.Done()
				if m.cancels.Load() != 1 {
					t.Errorf("%d cancels upstream", m.cancels.Load())
				}
			})
		})
	}
}

func TestRule402ErrorIsPassedOnOrRecovered(t *testing.T) {
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *manual) {
				p := &probe{ask: 4}
				r := w.wrap(demand.FromPublisher(m)).Subscribe(t.Context(), p)
				defer r.Cancel()
				settle()
				m.to.OnError(errEnd)
				synctest.Wait()
				if len(p.errs) != 1 || !errors.Is(p.errs[0], errEnd) {
					t.Errorf("got %v at once", p.errs)
				}
				if m.cancels.Load() != 0 {
					t.Error("a publisher that has failed was cancelled")
				}
			})
		})
	}
	t.Run("recovered by Retry", func(t *testing.T) {
		bubble(t, func(t *testing.T, m *manual) {
			p := &probe{ask: 4}
			r := demand.FromPublisher(m).Retry(demand.RetryConfig{}).Subscribe(t.Context(), p)
			defer r.Cancel()
			synctest.Wait()
			failed := m.to
			m.to.OnNext(0)
			m.to.OnError(errEnd)
			settle()
			if m.to == failed {
				t.Fatal("not subscribed anew")
			}
			failed.OnNext(99) // cancelled: not heard
			m.to.OnNext(1)
			m.to.OnComplete()
			settle()
			p.want(t, subject{}, 2, 0, 1)
		})
	})
}
