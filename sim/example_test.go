package sim_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/arrival"
)

// A slow-down of ten seconds tips a healthy service over for good: its users
// retry, and it works for nobody. With admission control it does not fall.
func Example() {
	profile, err := arrival.Flat(700)
	if err != nil {
		panic(err)
	}
	for _, admit := range []*sim.Admit{nil, {}} {
		w, err := sim.New(sim.Plan{
			Seed: 1, For: 90 * time.Second,
			Sources: []sim.Source{{
				Name:     "users",
				Arrivals: func(rng *rand.Rand) arrival.Process { return arrival.Poisson(profile, rng) },
				Client: sim.Client{
					To: "api", Deadline: time.Second,
					Retry: sim.Retry{Attempts: 4, Backoff: retry.Backoff{Base: 100 * time.Millisecond}},
				},
			}},
			Stages: []sim.Stage{{
				Name:    "api",
				Machine: sim.Machine{Servers: 10, Service: sim.Exponential(10 * time.Millisecond)},
				Admit:   admit,
			}},
			Events: []sim.Event{{At: 30 * time.Second, For: 10 * time.Second, Of: "api", Set: sim.Speed, To: 0.3}},
		})
		if err != nil {
			panic(err)
		}
		r := w.Run()
		users, _ := r.Part("users")
		end := r.Between(users, 60*time.Second, 90*time.Second)
		fmt.Printf("%.0f %% of first attempts are answered in time\n", 100*float64(end.Good)/float64(end.First))
	}
	// Output:
	// 0 % of first attempts are answered in time
	// 100 % of first attempts are answered in time
}
