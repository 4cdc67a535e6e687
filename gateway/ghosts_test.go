package gateway_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// A queueing backend has a few workers and a queue in front of them, and goes on
// working for clients that have left: as most servers do.
type queueing struct {
	jobs chan chan struct{}

	mu    sync.Mutex
	held  int // queued or running
	worst int
}

func newQueueing(t *testing.T, workers int, work func()) *queueing {
	q := &queueing{jobs: make(chan chan struct{}, 1<<16)}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for done := range q.jobs {
				work()
				q.count(-1)
				close(done)
			}
		})
	}
	t.Cleanup(func() { close(q.jobs); all.Wait() })
	return q
}

func (q *queueing) count(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held += n
	q.worst = max(q.worst, q.held)
}

func (q *queueing) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	done := make(chan struct{})
	q.count(1)
	q.jobs <- done
	<-done // whatever has become of the client
	_, _ = io.WriteString(w, "done")
}

// Impatient clients, ten for each worker, leave as soon as their request has
// reached the backend and come again. Where a slot were freed when its client
// leaves, the backend's queue would grow without end. The limit bounds it, but for
// the few that the controller lets through to learn whether a backend that keeps
// all its slots is still alive. What is asserted is a count, not a time.
func TestGhostsDoNotPileUp(t *testing.T) {
	const workers, limit, clients, visits = 8, 12, 80, 25
	steps := make(chan struct{}) // a worker finishes one job per step
	q := newQueueing(t, workers, func() { <-steps })
	url := backend(t, q.ServeHTTP)
	cfg := config(url)
	cfg.Routes[0].Limit = fixed(limit)
	r := serve(t, cfg)

	ended := make(chan struct{})
	go func() { // work is done as long as somebody comes
		for {
			select {
			case steps <- struct{}{}:
			case <-ended:
				return
			}
		}
	}()
	var visited atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range visits {
				ctx, leave := context.WithCancel(context.Background())
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.front, nil)
				go func() {
					r.State() // as long as it takes to look: then the patience is over
					leave()
				}()
				if res, err := r.client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				leave()
				visited.Add(1)
			}
		})
	}
	all.Wait()
	r.until("the ghosts have gone", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Stats.Zombies == 0 })
	close(ended)
	s := r.State()
	if ghosts := q.worst - workers; ghosts > 2*workers {
		t.Errorf("%d ghosts in the queue of a backend with %d workers", ghosts, workers)
	}
	if s.Stats.Wasted == 0 {
		t.Error("no client left a ghost behind: the test shows nothing")
	}
	t.Logf("%d visits: %d good, %d wasted, %d refused, at most %d in the backend", visited.Load(), s.Stats.Good, s.Stats.Wasted, s.Stats.Refused.Total(), q.worst)
}
