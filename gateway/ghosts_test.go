package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// A queueing backend has a few workers and a queue in front of them, and goes on
// working for clients that have left: as most servers do. Work ends when the
// test says so, not when time has passed.
type queueing struct {
	jobs    chan chan struct{}
	steps   chan struct{} // each ends one job; closed, all
	arrived sync.Map      // of request's ID: what to call when it is here

	mu    sync.Mutex
	held  int // queued or running
	worst int
}

func newQueueing(t *testing.T, workers int) *queueing {
	q := &queueing{jobs: make(chan chan struct{}, 1<<16), steps: make(chan struct{}, 1<<16)}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for done := range q.jobs {
				<-q.steps
				q.hold(-1)
				close(done)
			}
		})
	}
	t.Cleanup(func() { close(q.jobs); all.Wait() })
	return q
}

func (q *queueing) hold(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held += n
	q.worst = max(q.worst, q.held)
}

func (q *queueing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	done := make(chan struct{})
	q.hold(1)
	q.jobs <- done
	if leave, ok := q.arrived.LoadAndDelete(r.Header.Get("X-Id")); ok {
		leave.(context.CancelFunc)()
	}
	<-done // whatever has become of the client
	_, _ = io.WriteString(w, "done")
}

// Ten impatient clients for each worker leave as soon as their request has
// reached the backend, and come again; the backend ends one job for every four
// visits. Where a slot were freed when its client leaves, its queue would grow by
// three jobs with every four visits. The limit bounds it, but for the few that
// the controller lets through to learn whether a backend that keeps all its slots
// is still alive. What is asserted is a count, not a time.
func TestGhostsDoNotPileUp(t *testing.T) {
	const workers, limit, clients, visits = 8, 12, 80, 25
	q := newQueueing(t, workers)
	cfg := config(backend(t, q.ServeHTTP))
	cfg.Routes[0].Limit = fixed(limit)
	r := serve(t, cfg)

	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for visit := range visits {
				ctx, leave := context.WithCancel(context.Background())
				id := fmt.Sprintf("%d.%d", client, visit)
				q.arrived.Store(id, leave)
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.front, nil)
				req.Header.Set("X-Id", id)
				if res, err := r.client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				leave()
				if visit%4 == 0 {
					q.steps <- struct{}{}
				}
			}
		})
	}
	all.Wait()
	close(q.steps)
	r.until("the ghosts have gone", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Stats.Zombies == 0 })
	s := r.State().Stats
	if ghosts := q.worst - workers; ghosts > 2*workers {
		t.Errorf("%d ghosts in the queue of a backend with %d workers", ghosts, workers)
	}
	if s.Wasted == 0 {
		t.Error("no client left a ghost behind: the test shows nothing")
	}
	t.Logf("%d came to the gateway: %d good, %d wasted, %d refused, %d left the room; at most %d in the backend",
		s.Offered, s.Good, s.Wasted, s.Refused.Total(), s.Left, q.worst)
}
