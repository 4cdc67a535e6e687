package arena_test

import (
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/lab/arena"
)

// The soak: what is due in each half minute, and of the last minutes beside the
// first.
const (
	soakFor     = 20 * time.Minute
	soakWindow  = 30 * time.Second
	soakPart    = 5 * time.Minute
	soakSeeds   = 30
	soakGoodput = 0.95
	soakP99     = 1.2

	soakServices = 4
)

// TestSoak: over twenty minutes at twice the capacity nothing drifts.
func TestSoak(t *testing.T) {
	if os.Getenv(limittest.FullEnv) == "" {
		t.Skipf("needs twelve minutes of two processors: run make soak, or set %s=1", limittest.FullEnv)
	}
	ran := 0
	for _, c := range arena.Cases() {
		service, ok := strings.CutPrefix(c.Name, "2x, ")
		if c.Row != "queue, 8 workers" || !ok {
			continue
		}
		ran++
		t.Run(service, func(t *testing.T) {
			all := make([]soaked, soakSeeds)
			var wg sync.WaitGroup
			for half := range 2 {
				wg.Go(func() {
					for seed := half; seed < soakSeeds; seed += 2 {
						all[seed] = soak(c.Trial, uint64(seed))
					}
				})
			}
			wg.Wait()
			sum := soaked{worst: math.Inf(1)}
			for seed, s := range all {
				sum.mean += s.mean / soakSeeds
				sum.worst = min(sum.worst, s.worst)
				sum.p99 = max(sum.p99, s.p99)
				if s.worst < soakGoodput || s.p99 > soakP99 {
					t.Errorf("seed %d: %.3f of what is attainable in its worst half minute, p99 of the last five minutes %.2f of the first's; want %g and %g", seed, s.worst, s.p99, soakGoodput, soakP99)
				}
			}
			t.Logf("%d runs: %.3f of what is attainable, %.3f in the worst half minute of all; p99 of the last five minutes at most %.2f of the first's", soakSeeds, sum.mean, sum.worst, sum.p99)
		})
	}
	if ran != soakServices {
		t.Errorf("%d service laws; want %d", ran, soakServices)
	}
}

// soaked is what came of one soak: goodput over that of the fixed limit that is best
// for it, on average and in the worst half minute but the first, and the p99 of the
// last five minutes over that of the first.
type soaked struct{ mean, worst, p99 float64 }

func soak(trial limittest.Trial, seed uint64) soaked {
	trial.Seed, trial.Load = seed, []limittest.Load{{For: soakFor, Of: 2}}
	under := func(law func() limit.Law) limittest.Result {
		trial.New = law
		return trial.Run()
	}
	var best limittest.Result
	for _, slots := range []float64{8, 10, 12, 16} {
		if r := under(func() limit.Law { return limit.Fixed(slots) }); r.Good > best.Good {
			best = r
		}
	}
	first := trial
	first.Load = []limittest.Load{{For: soakPart, Of: 2}}
	first.New = limit.Default
	trial.From = trial.From.Add(soakFor - soakPart) // latencies, and not windows
	got := under(limit.Default)
	s := soaked{worst: math.Inf(1), p99: float64(got.P(0.99)) / float64(first.Run().P(0.99))}
	for from := soakWindow; from < soakFor; from += soakWindow {
		share := float64(got.Between(from, from+soakWindow).Good) / float64(best.Between(from, from+soakWindow).Good)
		s.mean += share * float64(soakWindow) / float64(soakFor-soakWindow)
		s.worst = min(s.worst, share)
	}
	return s
}
