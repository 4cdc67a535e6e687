package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// SharingServer is a plant that serves all its jobs at once and slows down for each:
// processor sharing over some processors, and the universal scalability law.
type SharingServer struct {
	// Done is told of every job that ends.
	Done func(now mono.Time, job uint64)
	// Stretch, if set, is asked for a factor on the demand of each job. Where it is
	// 0, none is drawn.
	Stretch func(now mono.Time, job uint64) float64

	// Drawn, if set, is told each job's demand: how long it would take alone, at a
	// speed of 1.
	Drawn func(job uint64, demand time.Duration)

	loop       *Loop
	rng        *rand.Rand
	law        ServiceLaw
	processors int
	usl        USL
	speed      float64

	jobs  []share   // binary heap, by end
	seq   uint64    // orders ties
	given float64   // nanoseconds of service that each job has had since the last idle time
	at    mono.Time // when given was brought up to date
	timer Timer
	ends  bool // jobs are being ended: given must not go back
}

// A share is a job in service: it ends when each job has been given so much.
type share struct {
	end float64
	seq uint64
	job uint64
}

func (a *share) before(b *share) bool { return a.end < b.end || a.end == b.end && a.seq < b.seq }

// NewSharingServer returns an idle plant with the given number of processors, at least
// 1. n jobs run at the speed min(1, processors/n) each, divided by what usl says.
func NewSharingServer(loop *Loop, processors int, usl USL, law ServiceLaw, rng *rand.Rand, done func(now mono.Time, job uint64)) *SharingServer {
	if processors < 1 {
		panic("sim: a plant needs at least one processor")
	}
	return &SharingServer{Done: done, loop: loop, rng: rng, law: law, processors: processors, usl: usl, speed: 1}
}

// Submit gives the plant a job.
func (s *SharingServer) Submit(now mono.Time, job uint64) {
	s.advance(now)
	factor, demand := 1.0, 0.0
	if s.Stretch != nil {
		factor = s.Stretch(now, job)
	}
	if factor > 0 {
		demand = float64(s.law.Draw(s.rng)) * factor
	}
	if s.Drawn != nil {
		s.Drawn(job, time.Duration(demand))
	}
	s.seq++
	s.push(share{s.given + max(1, demand), s.seq, job})
	s.arm(now)
}

// SetWorkers changes the number of processors; 0 stalls the plant.
func (s *SharingServer) SetWorkers(now mono.Time, n int) {
	s.advance(now)
	s.processors = n
	s.arm(now)
}

// SetSpeed sets the speed of all jobs, those in service too. It must be
// positive.
func (s *SharingServer) SetSpeed(speed float64) {
	s.advance(s.loop.Now())
	s.speed = speed
	s.arm(s.loop.Now())
}

// Stop takes a job out. It reports false if the job is not there. It searches.
func (s *SharingServer) Stop(now mono.Time, job uint64, _ bool) bool {
	s.advance(now)
	for i := range s.jobs {
		if s.jobs[i].job == job {
			s.remove(i)
			s.arm(now)
			return true
		}
	}
	return false
}

// Die forgets every job.
func (s *SharingServer) Die() {
	s.jobs = s.jobs[:0]
	s.loop.Cancel(s.timer)
}

// Inside is how many jobs are in service.
func (s *SharingServer) Inside() int { return len(s.jobs) }

// Hold does nothing: a job that waits for something else takes no processor.
func (*SharingServer) Hold() {}

// Release does nothing: see [SharingServer.Hold].
func (*SharingServer) Release(mono.Time) {}

// state counts the jobs beyond the number of processors as waiting.
func (s *SharingServer) state() engineState {
	n := len(s.jobs)
	return engineState{workers: s.processors, busy: min(n, s.processors), queued: max(0, n-s.processors)}
}

// rate is the nanoseconds of service that each job gets in a nanosecond.
func (s *SharingServer) rate() float64 {
	n := float64(len(s.jobs))
	if n == 0 {
		return 0
	}
	return s.speed * min(1, float64(s.processors)/n) / (1 + s.usl.Alpha*(n-1) + s.usl.Beta*n*(n-1))
}

func (s *SharingServer) advance(now mono.Time) {
	s.given += float64(now.Sub(s.at)) * s.rate()
	if len(s.jobs) == 0 && !s.ends {
		s.given = 0 // keeps the sum small, and so exact
	}
	s.at = now
}

func (s *SharingServer) arm(now mono.Time) {
	s.loop.Cancel(s.timer)
	s.timer = Timer{}
	rate := s.rate()
	if rate <= 0 {
		return
	}
	left := math.Ceil((s.jobs[0].end - s.given) / rate)
	s.timer = s.loop.Set(now.Add(time.Duration(min(max(left, 1), math.MaxInt64/2))), s, 0)
}

// Fire ends the job that is through, and those that end with it.
func (s *SharingServer) Fire(now mono.Time, _ uint64) {
	s.advance(now)
	s.given = max(s.given, s.jobs[0].end) // rounding
	end := s.given
	s.ends = true
	for len(s.jobs) > 0 && s.jobs[0].end <= end {
		job := s.jobs[0].job
		s.remove(0)
		s.Done(now, job)
	}
	s.ends = false
	s.advance(now)
	s.arm(now)
}

func (s *SharingServer) push(e share) {
	s.jobs = append(s.jobs, e)
	s.up(len(s.jobs)-1, e)
}

func (s *SharingServer) remove(i int) {
	n := len(s.jobs) - 1
	e := s.jobs[n]
	s.jobs = s.jobs[:n]
	switch {
	case i == n:
	case i > 0 && e.before(&s.jobs[(i-1)/2]):
		s.up(i, e)
	default:
		s.down(i, e)
	}
}

func (s *SharingServer) up(i int, e share) {
	for i > 0 && e.before(&s.jobs[(i-1)/2]) {
		s.jobs[i] = s.jobs[(i-1)/2]
		i = (i - 1) / 2
	}
	s.jobs[i] = e
}

func (s *SharingServer) down(i int, e share) {
	for {
		c := 2*i + 1
		if c >= len(s.jobs) {
			break
		}
		if c+1 < len(s.jobs) && s.jobs[c+1].before(&s.jobs[c]) {
			c++
		}
		if !s.jobs[c].before(&e) {
			break
		}
		s.jobs[i] = s.jobs[c]
		i = c
	}
	s.jobs[i] = e
}
