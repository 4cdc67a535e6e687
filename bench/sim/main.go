// Command sim measures the simulator on the model of mm1.py, bare and as a world
// with its books, and the retry storm with production controllers. It prints for
// each: its name, customers and events per second of processor time, and the mean
// time inside in service times.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/arrival"
)

const load = 0.8

func main() {
	bare(10_000_000)
	if err := worlds(); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

// processor is the processor time that this process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// source is a Poisson source of a bare queue.
type source struct {
	loop   *sim.Loop
	server *sim.Server
	rng    *rand.Rand
	mean   float64
	sum    float64 // of the instants of arrival
	made   uint64
	most   uint64
}

// Fire is an arrival.
func (s *source) Fire(now mono.Time, _ uint64) {
	s.made++
	s.sum += float64(now)
	if s.made < s.most {
		s.loop.At(now.Add(time.Duration(s.rng.ExpFloat64()*s.mean)), s, 0)
	}
	s.server.Submit(now, s.made)
}

// bare is a loop, a source and a server, without books.
func bare(customers uint64) {
	var loop sim.Loop
	left := 0.0
	server := sim.NewServer(&loop, 1, sim.Exponential(time.Millisecond), sim.Stream(1, "server", "service"),
		func(now mono.Time, _ uint64) { left += float64(now) })
	s := &source{
		loop: &loop, server: server, rng: sim.Stream(1, "source", "arrivals"),
		mean: float64(time.Millisecond) / load, most: customers,
	}
	begin := processor()
	loop.At(0, s, 0)
	loop.Run(mono.Never)
	took := (processor() - begin).Seconds()
	inside := (left - s.sum) / float64(customers) / float64(time.Millisecond)
	fmt.Println("M/M/1", float64(customers)/took, float64(loop.Fired())/took, inside)
}

// worlds are plans with all their books.
func worlds() error {
	arrivals := func(perSecond float64) sim.Arrivals {
		profile, err := arrival.Flat(perSecond)
		if err != nil {
			panic(err)
		}
		return func(rng *rand.Rand) arrival.Process { return arrival.Poisson(profile, rng) }
	}
	queue := sim.Plan{
		Seed: 1, For: 2000 * time.Second, Window: time.Second,
		Sources: []sim.Source{{Name: "source", Arrivals: arrivals(1000 * load), Client: sim.Client{To: "api"}}},
		Stages:  []sim.Stage{{Name: "api", Machine: sim.Machine{Service: sim.Exponential(time.Millisecond)}}},
	}
	storm := sim.Plan{
		Seed: 1, For: 600 * time.Second,
		Sources: []sim.Source{{Name: "source", Arrivals: arrivals(7000), Client: sim.Client{
			To: "api", Deadline: time.Second,
			Retry: sim.Retry{Attempts: 4, Backoff: retry.Backoff{Base: 100 * time.Millisecond}, Budget: new(0.1)},
		}}},
		Stages: []sim.Stage{{
			Name: "api", Admit: &sim.Admit{},
			Machine: sim.Machine{Servers: 100, Service: sim.Exponential(10 * time.Millisecond)},
		}},
		Events: []sim.Event{{At: 30 * time.Second, For: 10 * time.Second, Of: "api", Set: sim.Speed, To: 0.3}},
	}
	for _, m := range []struct {
		name string
		plan sim.Plan
	}{{"M/M/1-world", queue}, {"retry-storm-admission", storm}} {
		w, err := sim.New(m.plan)
		if err != nil {
			return err
		}
		begin := processor()
		r := w.Run()
		took := (processor() - begin).Seconds()
		p, _ := r.Part("api")
		inside := float64(p.Total.InFlight) / float64(p.Total.Good) / float64(time.Millisecond)
		fmt.Println(m.name, float64(p.Total.Offered)/took, float64(r.Events)/took, inside)
	}
	return nil
}
