package sim

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A Server is a plant: some workers behind one unbounded queue, first in, first
// out. Like most servers it knows nothing of deadlines and goes on working for
// callers that have left.
type Server struct {
	// Done is told of every job that ends.
	Done func(now mono.Time, job uint64)

	loop    *Loop
	rng     *rand.Rand
	law     ServiceLaw
	workers int
	speed   float64
	busy    int
	queue   []uint64 // ring
	head, n int
}

// NewServer returns an idle server with the given number of workers, at least
// 1. Its service times come from rng.
func NewServer(loop *Loop, workers int, law ServiceLaw, rng *rand.Rand, done func(now mono.Time, job uint64)) *Server {
	if workers < 1 {
		panic("sim: a server needs at least one worker")
	}
	return &Server{Done: done, loop: loop, rng: rng, law: law, workers: workers, speed: 1, queue: make([]uint64, 16)}
}

// Submit gives the server a job.
func (s *Server) Submit(now mono.Time, job uint64) {
	if s.n == len(s.queue) {
		grown := make([]uint64, 2*len(s.queue))
		for i := range s.n {
			grown[i] = s.queue[(s.head+i)%len(s.queue)]
		}
		s.queue, s.head = grown, 0
	}
	s.queue[(s.head+s.n)%len(s.queue)] = job
	s.n++
	s.work(now)
}

// SetWorkers changes the number of workers; jobs in service go on. 0 stalls the
// server.
func (s *Server) SetWorkers(now mono.Time, n int) {
	s.workers = n
	s.work(now)
}

// SetSpeed divides the service times of jobs that begin from now on. It must be
// positive.
func (s *Server) SetSpeed(speed float64) { s.speed = speed }

// Inside is how many jobs the server holds: in service and queued.
func (s *Server) Inside() int { return s.busy + s.n }

func (s *Server) work(now mono.Time) {
	for s.busy < s.workers && s.n > 0 {
		job := s.queue[s.head]
		s.head = (s.head + 1) % len(s.queue)
		s.n--
		s.busy++
		took := time.Duration(float64(s.law.Draw(s.rng)) / s.speed)
		s.loop.At(now.Add(max(1, took)), s, job)
	}
}

// Fire ends a job.
func (s *Server) Fire(now mono.Time, job uint64) {
	s.busy--
	s.Done(now, job)
	s.work(now)
}
