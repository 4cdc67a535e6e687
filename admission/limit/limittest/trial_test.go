package limittest_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/sim"
)

const (
	deadline    = 100 * time.Millisecond
	backoff     = 20 * time.Millisecond
	length      = 4 * time.Second
	exponential = sim.Exponential(10 * time.Millisecond)
)

// Every request that was asked has one end.
func TestConservation(t *testing.T) {
	for name, trial := range map[string]limittest.Trial{
		"underload":    {Load: []limittest.Load{{For: length, Of: 0.5}}, New: limit.Default},
		"overload":     {Load: []limittest.Load{{For: length, Of: 5}}, New: limit.Default},
		"with retries": {Load: []limittest.Load{{For: length, Of: 2}}, New: limit.Default, Retries: 3, Backoff: backoff},
		"unprotected":  {Load: []limittest.Load{{For: length, Of: 1.1}}, Retries: 3, Backoff: backoff},
		"untold, with a stall": {
			Load: []limittest.Load{{For: length, Of: 1}}, New: limit.Default, Untold: true,
			Events: []limittest.Event{{At: time.Second, Stall: true}, {At: 2 * time.Second, Workers: 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			trial.Workers, trial.Service, trial.Deadline, trial.Seed = 4, exponential, deadline, 1
			r := trial.Run()
			if r.Offered == 0 || r.Offered != r.Good+r.Late+r.Refused {
				t.Errorf("%d offered, %d good, %d late, %d refused", r.Offered, r.Good, r.Late, r.Refused)
			}
			var sum limittest.Counts
			for _, w := range r.Windows {
				sum.Add(w)
			}
			if sum.Offered < r.Offered || len(r.Latencies) != r.Good {
				t.Errorf("%d in windows of %d offered, %d latencies of %d good", sum.Offered, r.Offered, len(r.Latencies), r.Good)
			}
			if most := r.P(1); most > deadline {
				t.Errorf("a good request took %v, and its client waits for %v", most, deadline)
			}
			if want := trial.Retries > 0; r.Offered > r.First != want {
				t.Errorf("%d offered, %d of them for the first time", r.Offered, r.First)
			}
		})
	}
}

func TestOracleIsTheBestFixedLimit(t *testing.T) {
	trial := limittest.Trial{
		Workers: 8, Service: exponential, Deadline: deadline, Load: []limittest.Load{{For: length, Of: 2}}, Seed: 1,
	}
	best := limittest.Oracle(trial, time.Second, length).Between(time.Second, length).Good
	for _, n := range []float64{2, 8, 12, 24} {
		trial.New = func() limit.Law { return limit.Fixed(n) }
		if good := trial.Run().Between(time.Second, length).Good; good > best*102/100 {
			t.Errorf("a limit of %g has %d good, the oracle %d", n, good, best)
		}
	}
	if most := int(trial.Capacity()*(length-time.Second).Seconds()) * 105 / 100; best > most || best < most*8/10 {
		t.Errorf("the oracle has %d good, the plant can do about %d", best, most)
	}
}

func TestQuantile(t *testing.T) {
	r := limittest.Result{Latencies: []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}
	for p, want := range map[float64]time.Duration{0.1: 1, 0.5: 5, 0.51: 6, 0.99: 10, 1: 10} {
		if got := r.P(p); got != want {
			t.Errorf("P(%g) = %d, want %d", p, got, want)
		}
	}
	if got := (limittest.Result{}).P(0.5); got != 0 {
		t.Errorf("no requests: %v", got)
	}
}
