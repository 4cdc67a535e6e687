package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// source is a Poisson source of a bare queue.
type source struct {
	loop   *sim.Loop
	server *sim.Server
	rng    *rand.Rand
	mean   float64
	next   uint64
}

func (s *source) Fire(now mono.Time, _ uint64) {
	s.next++
	s.loop.At(now.Add(time.Duration(s.rng.ExpFloat64()*s.mean)), s, 0)
	s.server.Submit(now, s.next)
}

// The bare M/M/1 queue at 80 % load: two events for each customer.
func BenchmarkMM1(b *testing.B) {
	var loop sim.Loop
	done := 0
	server := sim.NewServer(&loop, 1, sim.Exponential(time.Millisecond), sim.Stream(1, "server", "service"),
		func(mono.Time, uint64) { done++ })
	s := &source{loop: &loop, server: server, rng: sim.Stream(1, "source", "arrivals"), mean: float64(time.Millisecond) / 0.8}
	s.Fire(0, 0)
	loop.Run(mono.Time(10 * time.Second))
	before := loop.Fired()
	b.ReportAllocs()
	for b.Loop() {
		loop.Run(loop.Now().Add(time.Second))
	}
	b.ReportMetric(float64(loop.Fired()-before)/b.Elapsed().Seconds(), "events/s")
}

// benchmarkWorld runs a plan on and on.
func benchmarkWorld(b *testing.B, p sim.Plan) {
	p.Seed, p.For = 1, 24*time.Hour
	p.Window = 2 * time.Second
	w, err := sim.New(p)
	if err != nil {
		b.Fatal(err)
	}
	w.RunFor(60 * time.Second) // past the event, and to the working size
	before := w.Events()
	b.ReportAllocs()
	for b.Loop() {
		w.RunFor(time.Second)
	}
	b.ReportMetric(float64(w.Events()-before)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkWorld(b *testing.B) {
	b.Run("plan=mm1", func(b *testing.B) {
		benchmarkWorld(b, queueing(800, sim.Machine{Service: sim.Exponential(millisecond)}, time.Hour))
	})
	storm := func(times int, admit *sim.Admit) sim.Plan {
		p := retryStorm(new(0.1), admit)
		p.Sources[0].Arrivals = poisson(700 * float64(times))
		p.Stages[0].Machine.Servers *= times
		return p
	}
	b.Run("plan=retry-storm", func(b *testing.B) { benchmarkWorld(b, storm(1, nil)) })
	b.Run("plan=retry-storm/admission", func(b *testing.B) { benchmarkWorld(b, storm(1, &sim.Admit{})) })
	b.Run("plan=retry-storm-10x/admission", func(b *testing.B) { benchmarkWorld(b, storm(10, &sim.Admit{})) })
}
