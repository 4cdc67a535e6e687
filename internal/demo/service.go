package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// MaxQueue is the length of a service's queue, which stands for one without
// bounds. A job is some 200 bytes.
const MaxQueue = 100_000

// catchUp bounds how far a worker that woke up late makes up for it.
const catchUp = 100 * time.Millisecond

// A service is a server as most are: a number of workers take jobs from one
// queue, first in, first out. They know nothing of deadlines, and go on working
// for clients that have left.
type service struct {
	law      sim.ServiceLaw
	listener net.Listener
	server   *http.Server
	jobs     chan *job
	stop     chan struct{}
	running  sync.WaitGroup // workers and the server

	inside atomic.Int64  // queued or in work
	wasted atomic.Uint64 // finished for nobody
}

// A job is one request's work.
type job struct {
	arrived mono.Time
	begun   mono.Time     // read after done only
	done    chan struct{} // closed when the work is finished
	gone    atomic.Bool   // nobody waits for it any more
}

// newService serves on a port of the system's choice.
func newService(cfg Config, seed uint64) (*service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo: service: %w", err)
	}
	s := &service{law: cfg.Service, listener: l, jobs: make(chan *job, MaxQueue), stop: make(chan struct{})}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	for i := range cfg.Workers {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		s.running.Go(func() { s.work(rng) })
	}
	s.running.Go(func() { _ = s.server.Serve(l) }) // ends with close, and says so
	return s, nil
}

func (s *service) addr() string { return s.listener.Addr().String() }

// ServeHTTP has a job done and answers. A client that leaves is not waited for;
// its job stays where it is.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j := &job{arrived: mono.Now(), done: make(chan struct{})}
	s.inside.Add(1)
	select {
	case s.jobs <- j:
	default:
		s.inside.Add(-1)
		http.Error(w, "the queue is full", http.StatusServiceUnavailable)
		return
	}
	select {
	case <-j.done:
		_, _ = fmt.Fprintf(w, "done: waited %v, then worked %v\n", // a client that is gone is no news
			j.begun.Sub(j.arrived).Round(time.Millisecond), mono.Now().Sub(j.begun).Round(time.Millisecond))
	case <-r.Context().Done():
		j.gone.Store(true)
	case <-s.stop:
		http.Error(w, "stopped", http.StatusServiceUnavailable)
	}
}

// work is one worker. A job begins when its worker was free, not when the
// worker's timer went off: a busy machine wakes sleepers late, and would make
// the service slower than its name says.
func (s *service) work(rng *rand.Rand) {
	free := mono.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case j := <-s.jobs:
			j.begun = max(free, j.arrived, mono.Now().Add(-catchUp))
			free = j.begun.Add(s.law.Draw(rng))
			timer.Reset(free.Sub(mono.Now()))
			select {
			case <-timer.C:
			case <-s.stop:
				return
			}
			s.finish(j)
		}
	}
}

func (s *service) finish(j *job) {
	if j.gone.Load() {
		s.wasted.Add(1)
	}
	s.inside.Add(-1)
	close(j.done)
}

// close stops at once: jobs are dropped, and their clients told.
func (s *service) close() error {
	close(s.stop)
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("demo: service: %w", err)
	}
	return nil
}
