package arena

import (
	"context"

	lab "github.com/penstock-go/penstock/lab/arena"
)

// A Guard stands between a client and the server: it runs the call, or returns an
// error instead. One Guard serves all clients of a run.
type Guard func(ctx context.Context, call *Call) error

// A Competitor is a limiter as the arena knows it.
type Competitor struct {
	lab.Limiter

	// New makes a fresh guard for a run. It is called inside the run's bubble.
	New func(seed uint64) Guard
	// Global says that the limiter keeps state in package variables: only one run
	// at a time, each later in virtual time than all before.
	Global bool
	// Leaks says that the limiter has goroutines which nothing stops.
	Leaks bool
}

// Competitors returns everybody, in the order of the tables.
func Competitors() []Competitor {
	var all []Competitor
	for _, some := range [][]Competitor{ours(), failsafes(), gcls(), bbrs(), goresiliences(), fixed(), baselines()} {
		all = append(all, some...)
	}
	return all
}

func baselines() []Competitor {
	return []Competitor{{
		Limiter: lab.Limiter{Name: "none", Kind: lab.Baseline, Config: "every request goes to the server"},
		New:     func(uint64) Guard { return func(ctx context.Context, call *Call) error { return call.Do(ctx) } },
	}}
}
