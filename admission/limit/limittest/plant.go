package limittest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// A Plant is what the law has in front of it.
type Plant uint8

// The plants.
const (
	// Queue is workers behind one queue, first in, first out: a thread pool, a
	// database with a pool of connections.
	Queue Plant = iota
	// Sharing works at all requests at once, on as many processors as there are
	// workers: a program in an event loop or in goroutines.
	Sharing
	// Scaling is Sharing on a machine where requests hinder one another: N. Gunther's
	// universal scalability law with contention 0.02, and coherence such that
	// throughput is highest at Workers inside, and falls beyond.
	Scaling
	// Collected is Queue in a process under Go's garbage collector: work inside
	// holds memory, which is full at 8 x Workers; the collector takes a tenth of
	// the service time at half of that, as much again at 9/10, and more and more
	// beyond.
	Collected
	// Behind is a server of many workers, each of which asks a database behind it,
	// and waits: the database has Workers connections, Service is its time, and
	// others keep it busy for a quarter of the time. Nothing in front sees it.
	Behind
)

const (
	contention   = 0.02 // Scaling's alpha
	heapWorkers  = 8    // Collected: the heap holds so many times its workers
	heapCost     = 0.1  // Collected: service is stretched by cost x live/(rest)
	behindFront  = 8    // Behind: so many workers in front for each connection
	behindOwn    = 0.1  // Behind: service in front, over that of the database
	behindOthers = 0.25 // Behind: share of the database's time that others take
	heapFullest  = 0.99 // Collected: the share at which the heap counts as full
	sharedServer = 1 << 20
)

// slowdown is by how much the collector lengthens service with so much work
// inside. It must mark what lives once for every rest of the heap allocated: "A
// Guide to the Go Garbage Collector", go.dev/doc/gc-guide.
func slowdown(inside, workers int) float64 {
	live := min(heapFullest, float64(inside)/float64(heapWorkers*workers))
	return 1 + heapCost*live/(1-live)
}

// coherence is the universal scalability law's beta for a peak at n.
func coherence(n int) float64 { return (1 - contention) / float64(n*n) }

// units is the plant's greatest throughput, in units of work per mean service
// time.
func (t Trial) units() float64 {
	n := float64(t.Workers)
	switch t.Plant {
	case Scaling:
		return n / (1 + contention*(n-1) + coherence(t.Workers)*n*(n-1))
	case Collected:
		return n / slowdown(t.Workers, t.Workers)
	case Behind:
		return n * (1 - behindOthers)
	case Queue, Sharing:
	}
	return n
}

// A server is a plant at work.
type server interface {
	Submit(now mono.Time, job uint64)
	SetWorkers(now mono.Time, n int)
	SetSpeed(speed float64)
	Inside() int
}

func (r *run) build() server {
	rng := rand.New(rand.NewPCG(r.Seed, 2))
	switch r.Plant {
	case Sharing:
		return r.sharing(r.Workers, sim.USL{}, rng)
	case Scaling:
		usl := sim.USL{Alpha: contention, Beta: coherence(r.Workers)}
		return &scaling{r.sharing(sharedServer, usl, rng), r.Workers, 1}
	case Behind:
		return newBehind(r, rng)
	case Queue, Collected:
	}
	s := sim.NewServer(&r.loop, r.Workers, r.Service, rng, r.served)
	s.Begun = func(now mono.Time, job uint64) { r.requests[job].begun = now }
	if r.Plant == Collected {
		s.Stretch = func(mono.Time, uint64) float64 { return slowdown(s.Inside(), r.Workers) }
	}
	return s
}

func (r *run) sharing(processors int, usl sim.USL, rng *rand.Rand) *sim.SharingServer {
	s := sim.NewSharingServer(&r.loop, processors, usl, r.Service, rng, r.served)
	s.Drawn = func(job uint64, demand time.Duration) { r.requests[job].alone = demand }
	return s
}

// scaling turns a change of workers into one of speed: the law has no workers to
// take away.
type scaling struct {
	*sim.SharingServer

	workers int
	speed   float64
}

func (s *scaling) SetWorkers(now mono.Time, n int) {
	if n == 0 {
		s.SharingServer.SetWorkers(now, 0)
		return
	}
	s.SharingServer.SetWorkers(now, sharedServer)
	s.SharingServer.SetSpeed(s.speed * float64(n) / float64(s.workers))
}

func (s *scaling) SetSpeed(speed float64) {
	s.speed = speed
	s.SharingServer.SetSpeed(speed)
}

// told is a law whose callee reports by how much others held each request up.
type told struct {
	limit.Law

	r *run
}

func (l told) Start(now mono.Time, inFlight int) {
	if s, ok := l.Law.(limit.Starter); ok {
		s.Start(now, inFlight)
	}
}

func (l told) Dipping() bool {
	d, ok := l.Law.(limit.Dipper)
	return ok && d.Dipping()
}

func (l told) Step(now mono.Time) {
	if s, ok := l.Law.(limit.Stepper); ok {
		s.Step(now)
	}
}

func (l told) Observe(now mono.Time, s limit.Sample) {
	s.QueueDelay, s.HasDelay = l.r.report, l.r.reports
	l.Law.Observe(now, s)
}

type named struct {
	name string
	law  sim.ServiceLaw
}

// services returns service laws of the given mean in nanoseconds, the plainest
// first: cv2 is 0, 1, 9, 2.25 and about 6.
func services(mean float64) []named {
	duration := func(share float64) time.Duration { return time.Duration(math.Round(mean * share)) }
	const alpha, tail = 1.5, 300 // of the Pareto law, and its end over its beginning
	least := (alpha - 1) / alpha * (1 - math.Pow(tail, -alpha)) / (1 - math.Pow(tail, 1-alpha))
	return []named{
		{"constant", sim.Constant(duration(1))},
		{"exponential", sim.Exponential(duration(1))},
		{"lognormal", sim.LogNormal{Of: duration(1), CV2: 9}},
		{"bimodal", sim.Bimodal{Fast: duration(0.5), Slow: duration(5.5), Share: 0.1}},
		{"pareto", sim.BoundedPareto{Least: duration(least), Most: duration(least * tail), Alpha: alpha}},
	}
}
