package limittest_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/sim"
)

// Where replies hardly scatter, the limit comes close to a sharp knee; where they do,
// or the server has none, it keeps its margins.
func TestKnee(t *testing.T) {
	constant, exponential := sim.ServiceLaw(sim.Constant(10*time.Millisecond)), sim.ServiceLaw(sim.Exponential(10*time.Millisecond))
	for _, c := range []struct {
		name        string
		plant       limittest.Plant
		workers     int
		service     sim.ServiceLaw
		least, most float64 // mean limit, over the workers
	}{
		{"two workers", limittest.Queue, 2, constant, 1, 2},
		{"eight workers", limittest.Queue, 8, constant, 1.1, 1.6},
		{"sharing", limittest.Sharing, 4, constant, 1, 1.9},
		{"noise", limittest.Queue, 8, exponential, 1.6, 2.5},
		{"no knee", limittest.Scaling, 40, constant, 0.7, 1.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			trial := limittest.Trial{
				Plant: c.plant, Workers: c.workers, Service: c.service, Deadline: 100 * time.Millisecond,
				Load: []limittest.Load{{For: 15 * time.Second, Of: 2}}, New: limit.Default, Seed: 1,
			}
			trial.From = trial.From.Add(5 * time.Second)
			r := trial.Run()
			if got := r.Limit / float64(c.workers); got < c.least || got > c.most {
				t.Errorf("a limit of %.2f for each worker, want %g to %g", got, c.least, c.most)
			}
			if got := float64(r.Good) / 10 / trial.Capacity(); got < 0.93 {
				t.Errorf("goodput is %.3f of capacity", got)
			}
		})
	}
}
