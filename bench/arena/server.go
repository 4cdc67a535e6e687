package arena

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// A server is sim.Server as real code: some workers behind one unbounded queue,
// first in, first out. It draws the same service times in the same order.
type server struct {
	skips bool // work whose client has left

	mu      sync.Mutex
	rng     *rand.Rand
	law     sim.ServiceLaw
	workers int
	busy    int
	slow    float64 // factor on service times
	queue   []*job
	closed  bool
}

type job struct {
	ended chan struct{} // closed when the server is through with it
	left  atomic.Bool   // the client has gone
}

func (s *server) submit() *job {
	j := &job{ended: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, j)
	s.work()
	return j
}

// work starts what can start. The lock is held.
func (s *server) work() {
	for len(s.queue) > 0 && (s.busy < s.workers || s.closed) {
		j := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if s.closed || s.skips && j.left.Load() {
			close(j.ended)
			continue
		}
		s.busy++
		took := max(1, time.Duration(float64(s.law.Draw(s.rng))*s.slow))
		time.AfterFunc(took, func() { s.done(j) })
	}
}

func (s *server) done(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	close(j.ended)
	s.work()
}

// change sets the speed and the number of workers from now on.
func (s *server) change(slow float64, workers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow, s.workers = slow, workers
	s.work()
}

// close throws out what is queued and what comes, and waits for the workers.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.work()
	busy := s.busy
	s.mu.Unlock()
	for busy > 0 {
		time.Sleep(time.Second)
		s.mu.Lock()
		busy = s.busy
		s.mu.Unlock()
	}
}

// A Call is one client's call of the server.
type Call struct {
	server *server
	job    *job
	// ID is a random number, different for each call.
	ID uint64
}

// Do sends the request and waits for the answer, or until the client leaves.
func (c *Call) Do(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.job = c.server.submit()
	select {
	case <-c.job.ended:
		return nil
	case <-ctx.Done():
		c.job.left.Store(true)
		return context.Cause(ctx)
	}
}

// WaitEnded returns when the server is through with the call, whether the client
// is still there or not. Ask after Do.
func (c *Call) WaitEnded() {
	if c.job != nil {
		<-c.job.ended
	}
}
