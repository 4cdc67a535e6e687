package limittest_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

func TestExplore(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip("EXPLORE")
	}
	laws := map[string]sim.ServiceLaw{
		"det": sim.Constant(10 * time.Millisecond), "exp": sim.Exponential(10 * time.Millisecond), "logn": sim.LogNormal{Of: 10 * time.Millisecond, CV2: 9},
	}
	for _, name := range []string{"det", "exp", "logn"} {
		for _, workers := range []int{2, 8, 64} {
			for _, load := range []float64{.5, .85, 1, 1.2, 2, 5, 10} {
				tr := limittest.Trial{Workers: workers, Service: laws[name], Deadline: 100 * time.Millisecond,
					Load: []limittest.Load{{For: 20 * time.Second, Of: load}}, From: mono.Time(5 * time.Second), New: limit.Default, Seed: 1}
				start := time.Now()
				res := tr.Run()
				el := time.Since(start)
				best, bl := limittest.Result{}, 0.0
				for _, l := range []float64{1, 1.25, 1.5, 2, 3} {
					tf := tr
					tf.New = func() limit.Law { return limit.Fixed(l * float64(workers)) }
					r := tf.Run()
					if r.Good > best.Good {
						best, bl = r, l*float64(workers)
					}
				}
				fmt.Printf("%s c=%d load %.2f: goodput %.3f of oracle(%g) refused %.4f (oracle %.4f) p99 %v (oracle %v) limit %.1f ghosts %d  events/s %.2gM\n", name, workers, load,
					float64(res.Good)/float64(best.Good), bl, float64(res.Refused)/float64(res.Offered), float64(best.Refused)/float64(best.Offered), res.P(.99).Round(time.Millisecond/10), best.P(.99).Round(time.Millisecond/10), res.Limit, res.PeakGhosts, float64(res.Events)/el.Seconds()/1e6)
			}
		}
	}
}
