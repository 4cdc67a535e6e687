package sim

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// A Server is a plant: some workers behind one unbounded queue, first in, first
// out. Like most servers it knows nothing of deadlines and goes on working for
// callers that have left.
type Server struct {
	// Done is told of every job that ends, after its worker has become free and
	// before the worker takes the next job.
	Done func(now mono.Time, job uint64)
	// Begun, if set, is told of every job that enters service.
	Begun func(now mono.Time, job uint64)
	// Stretch, if set, is asked for a factor on the service time of each job that
	// enters service. Where it is 0, none is drawn.
	Stretch func(now mono.Time, job uint64) float64

	loop    *Loop
	rng     *rand.Rand
	law     ServiceLaw
	workers int
	slow    float64 // factor on service times: 1/speed
	busy    int
	held    int
	queue   ring
	room    *waitingRoom // in place of queue
	stopped []uint64     // in service, and nobody waits for the end of it any more
	life    *life
}

// life is one life of a server's process. What a process began before it died
// ends unheard.
type life struct{ *Server }

// NewServer returns an idle server with the given number of workers, at least
// 1. Its service times come from rng.
func NewServer(loop *Loop, workers int, law ServiceLaw, rng *rand.Rand, done func(now mono.Time, job uint64)) *Server {
	if workers < 1 {
		panic("sim: a server needs at least one worker")
	}
	s := &Server{Done: done, loop: loop, rng: rng, law: law, workers: workers, slow: 1}
	s.life = &life{s}
	return s
}

// Submit gives the server a job.
func (s *Server) Submit(now mono.Time, job uint64) {
	switch {
	case s.room != nil:
		s.room.push(now, job)
	case s.busy < s.workers && s.queue.n == 0:
		s.begin(now, job)
		return
	default:
		s.queue.push(job)
	}
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
func (s *Server) SetSpeed(speed float64) { s.slow = 1 / speed }

// Hold keeps the worker of the job that Done is being told of: the job's own
// service is over, but it waits for something else. Release ends it.
func (s *Server) Hold() {
	s.busy++
	s.held++
}

// Release frees the worker of a job that was held.
func (s *Server) Release(now mono.Time) {
	s.busy--
	s.held--
	s.work(now)
}

// Stop takes a job out, wherever it is, and frees its worker. It reports false
// if the job is not there, or held. A queued job is found by a search.
func (s *Server) Stop(now mono.Time, job uint64, queued bool) bool {
	if queued {
		if s.room != nil {
			return s.room.remove(job)
		}
		return s.queue.remove(job)
	}
	s.stopped = append(s.stopped, job)
	s.busy--
	s.work(now)
	return true
}

// Die forgets every job: the process has ended, and another stands in its place.
func (s *Server) Die() {
	s.life = &life{s}
	s.busy, s.held = 0, 0
	s.stopped = s.stopped[:0]
	s.queue.clear()
	if s.room != nil {
		s.room.clear()
	}
}

// Inside is how many jobs the server holds: in service, held and queued.
func (s *Server) Inside() int { return s.busy + s.Queued() }

// Queued is how many jobs wait in the queue.
func (s *Server) Queued() int {
	if s.room != nil {
		return s.room.len()
	}
	return s.queue.n
}

func (s *Server) state() engineState {
	return engineState{workers: s.workers, busy: s.busy - s.held, held: s.held, queued: s.Queued()}
}

func (s *Server) work(now mono.Time) {
	for s.busy < s.workers {
		var job uint64
		ok := false
		if s.room != nil {
			job, ok = s.room.take(now)
		} else {
			job, ok = s.queue.pop()
		}
		if !ok {
			return
		}
		s.begin(now, job)
	}
}

func (s *Server) begin(now mono.Time, job uint64) {
	s.busy++
	factor := s.slow
	if s.Stretch != nil {
		factor *= s.Stretch(now, job)
	}
	took := time.Duration(1)
	if factor > 0 {
		if law, ok := s.law.(Exponential); ok { // mostly, and so it needs no call
			took = law.Draw(s.rng)
		} else {
			took = max(1, s.law.Draw(s.rng))
		}
		if factor != 1 {
			took = duration(float64(took) * factor)
		}
	}
	s.loop.At(now.Add(took), s.life, job)
	if s.Begun != nil {
		s.Begun(now, job)
	}
}

// Fire ends a job.
func (l *life) Fire(now mono.Time, job uint64) {
	s := l.Server
	if s.life != l {
		return
	}
	for i, j := range s.stopped {
		if j == job {
			s.stopped[i] = s.stopped[len(s.stopped)-1]
			s.stopped = s.stopped[:len(s.stopped)-1]
			return
		}
	}
	s.busy--
	s.Done(now, job)
	s.work(now)
}

// A waitingRoom is a server's queue where it is not plainly first in, first out:
// package queue's room, with CoDel's law if there is one.
type waitingRoom struct {
	room     *queue.Room
	describe func(job uint64) (band int, flow uint64)
	codel    *queue.CoDel
	dropped  func(now mono.Time, job uint64)
	jobs     []uint64 // by handle
}

// SetRoom makes the server's queue a room of package queue, bounded by its
// length: the caller must not submit more. describe says in which band and flow a
// job waits. Where codel is not nil it drops jobs at the head of the queue, and
// dropped is told of them. It must be called before the first job.
func (s *Server) SetRoom(cfg queue.Config, codel *queue.CoDel, describe func(job uint64) (band int, flow uint64), dropped func(now mono.Time, job uint64)) {
	s.room = &waitingRoom{room: queue.New(cfg), describe: describe, codel: codel, dropped: dropped}
}

func (r *waitingRoom) len() int { return r.room.Len() }

func (r *waitingRoom) push(now mono.Time, job uint64) {
	band, flow := r.describe(job)
	h, ok := r.room.Push(queue.Item{ID: int32(uint32(job)), Band: band, Flow: flow, Cost: 1, Arrived: now, Expires: mono.Never})
	if !ok {
		panic("sim: a job for a full room")
	}
	for len(r.jobs) <= int(h) {
		r.jobs = append(r.jobs, 0)
	}
	r.jobs[h] = job
}

func (r *waitingRoom) take(now mono.Time) (uint64, bool) {
	for {
		it, h, ok := r.room.Peek()
		if !ok {
			if r.codel != nil {
				r.codel.Drop(now, 0, 0)
			}
			return 0, false
		}
		job := r.jobs[h]
		if r.codel != nil && r.codel.Drop(now, now.Sub(it.Arrived), r.room.Len()-1) {
			r.room.Remove(h)
			r.dropped(now, job)
			continue
		}
		r.room.Take(h)
		return job, true
	}
}

func (r *waitingRoom) remove(job uint64) bool {
	for h, j := range r.jobs {
		if j == job {
			r.room.Remove(queue.Handle(h))
			r.jobs[h] = 0
			return true
		}
	}
	return false
}

func (r *waitingRoom) clear() {
	for {
		_, h, ok := r.room.Peek()
		if !ok {
			return
		}
		r.room.Remove(h)
	}
}
