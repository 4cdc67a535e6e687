package sim_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

const ms = mono.Time(time.Millisecond)

// Two workers, one queue, first in first out.
func TestServerServesInOrder(t *testing.T) {
	var loop sim.Loop
	type end struct {
		job uint64
		at  mono.Time
	}
	var ends []end
	s := sim.NewServer(&loop, 2, sim.Constant(10*time.Millisecond), nil, func(now mono.Time, job uint64) {
		ends = append(ends, end{job, now})
	})
	for job := range uint64(40) { // more than the ring holds at first
		s.Submit(0, job)
	}
	if s.Inside() != 40 {
		t.Errorf("%d inside", s.Inside())
	}
	loop.At(15*ms, sim.HandlerFunc(func(now mono.Time, _ uint64) { s.SetWorkers(now, 0) }), 0)    // a stall: jobs in service go on
	loop.At(100*ms, sim.HandlerFunc(func(now mono.Time, _ uint64) { s.SetWorkers(now, 1) }), 0)   // one comes back
	loop.At(115*ms, sim.HandlerFunc(func(mono.Time, uint64) { s.SetSpeed(0.5) }), 0)              // for jobs that begin later
	loop.At(121*ms, sim.HandlerFunc(func(now mono.Time, _ uint64) { s.SetWorkers(now, 100) }), 0) // for all at once
	loop.Run(130 * ms)
	want := []end{{0, 10 * ms}, {1, 10 * ms}, {2, 20 * ms}, {3, 20 * ms}, {4, 110 * ms}, {5, 120 * ms}}
	if !slices.Equal(ends, want) {
		t.Errorf("jobs ended %v, want %v", ends, want)
	}
	loop.Run(1000 * ms)
	if len(ends) != 40 || s.Inside() != 0 || ends[6] != (end{6, 140 * ms}) || ends[39] != (end{39, 141 * ms}) {
		t.Errorf("%d ended, %d inside; %v", len(ends), s.Inside(), ends[6:])
	}
	defer func() {
		if recover() == nil {
			t.Error("a server without workers")
		}
	}()
	sim.NewServer(&loop, 0, sim.Constant(1), nil, nil)
}

// The mean wait of M/D/1 and M/M/1 queues is that of Pollaczek and Khinchine,
// and L = lambda W holds exactly for the integral of the jobs inside.
func TestServerAgainstTheory(t *testing.T) {
	for name, c := range map[string]struct {
		law sim.ServiceLaw
		cv2 float64
	}{"M/D/1": {sim.Constant(10 * time.Millisecond), 0}, "M/M/1": {sim.Exponential(10 * time.Millisecond), 1}} {
		t.Run(name, func(t *testing.T) {
			const rho, jobs = 0.7, 100_000
			var loop sim.Loop
			arrivals := rand.New(rand.NewPCG(1, 1))
			var arrived [jobs]mono.Time
			var integral, stays, waits float64 // seconds
			var last mono.Time
			inside, done := 0, 0
			count := func(now mono.Time, change int) {
				integral += now.Sub(last).Seconds() * float64(inside)
				inside += change
				last = now
			}
			s := sim.NewServer(&loop, 1, c.law, rand.New(rand.NewPCG(1, 2)), func(now mono.Time, job uint64) {
				count(now, -1)
				done++
				stays += now.Sub(arrived[job]).Seconds()
			})
			at := mono.Time(0)
			for job := range uint64(jobs) {
				at = at.Add(1 + time.Duration(arrivals.ExpFloat64()*10e6/rho))
				arrived[job] = at
				loop.At(at, sim.HandlerFunc(func(now mono.Time, job uint64) {
					count(now, 1)
					s.Submit(now, job)
				}), job)
			}
			loop.Run(mono.Never)
			if done != jobs || inside != 0 || s.Inside() != 0 {
				t.Fatalf("%d of %d done, %d inside", done, jobs, s.Inside())
			}
			if math.Abs(integral-stays) > 1e-6*stays {
				t.Errorf("the integral of L is %g s, the sum of all stays %g s", integral, stays)
			}
			waits = stays/jobs - c.law.Mean().Seconds()
			want := rho / (1 - rho) * (1 + c.cv2) / 2 * c.law.Mean().Seconds()
			if math.Abs(waits-want) > 0.06*want {
				t.Errorf("the mean wait is %.3g s, want %.3g s", waits, want)
			}
		})
	}
}

func TestServiceLaws(t *testing.T) {
	for _, c := range []struct {
		law    sim.ServiceLaw
		mean   time.Duration
		cv2    float64
		within float64 // of the variance
	}{
		{sim.Constant(3 * time.Millisecond), 3 * time.Millisecond, 0, 0},
		{sim.Exponential(10 * time.Millisecond), 10 * time.Millisecond, 1, 0.03},
		{sim.LogNormal{Of: 10 * time.Millisecond, CV2: 0.5}, 10 * time.Millisecond, 0.5, 0.03},
		{sim.LogNormal{Of: time.Millisecond, CV2: 9}, time.Millisecond, 9, 0.5},
		{sim.Bimodal{Fast: time.Millisecond, Slow: 91 * time.Millisecond, Share: 0.1}, 10 * time.Millisecond, 0.1 * 0.9 * 81, 0.03},
	} {
		rng := rand.New(rand.NewPCG(4, 4))
		const draws = 200_000
		var sum, squares float64
		for range draws {
			d := c.law.Draw(rng)
			if d <= 0 {
				t.Fatalf("%T draws %v", c.law, d)
			}
			sum += d.Seconds()
			squares += d.Seconds() * d.Seconds()
		}
		mean := sum / draws
		cv2 := squares/draws/mean/mean - 1
		if want := c.mean.Seconds(); math.Abs(mean-want) > 0.03*want || c.law.Mean() != c.mean {
			t.Errorf("%T: mean %.4g s of %v, want %v", c.law, mean, c.law.Mean(), c.mean)
		}
		if math.Abs(cv2-c.cv2) > c.within*c.cv2+1e-9 {
			t.Errorf("%T: cv2 %.3g, want %.3g", c.law, cv2, c.cv2)
		}
	}
	if d := sim.Exponential(0).Draw(rand.New(rand.NewPCG(1, 1))); d != 1 {
		t.Errorf("a law of mean 0 draws %v; service takes time", d)
	}
}
