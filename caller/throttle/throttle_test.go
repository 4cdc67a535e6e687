package throttle_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/mono"
)

// callee accepts a share of what reaches it.
func drive(t *throttle.Throttle, rng *rand.Rand, from mono.Time, n int, share float64) (sent, accepted int, now mono.Time) {
	now = from
	for range n {
		now = now.Add(time.Millisecond)
		if t.Refuse(now, rng.Float64()) {
			continue
		}
		sent++
		if rng.Float64() < share {
			t.Accepted(now)
			accepted++
		}
	}
	return sent, accepted, now
}

func TestHealthyCalleeIsNeverRefused(t *testing.T) {
	th := throttle.New(throttle.Config{})
	if sent, _, _ := drive(th, rand.New(rand.NewPCG(1, 1)), -1e15, 50_000, 1); sent != 50_000 {
		t.Errorf("%d of 50000 sent", sent)
	}
}

// TestSendsKPerAccept: in the steady state K requests reach the callee for each
// one that it accepts, while it accepts fewer than 1/K of them.
func TestSendsKPerAccept(t *testing.T) {
	for _, k := range []float64{1.1, 2} {
		rng := rand.New(rand.NewPCG(2, 2))
		th := throttle.New(throttle.Config{K: k, Memory: 5 * time.Second})
		// The callee takes 100 per second, whatever reaches it; 1000 are asked.
		now, sent, accepted := mono.Time(0), 0, 0
		tokens := 0.0
		for i := range 200_000 {
			now = now.Add(time.Millisecond)
			tokens = min(tokens+0.1, 5)
			if th.Refuse(now, rng.Float64()) {
				continue
			}
			count := i > 100_000
			if count {
				sent++
			}
			if tokens >= 1 {
				tokens--
				th.Accepted(now)
				if count {
					accepted++
				}
			}
		}
		// Plus the exploration: 1 % of refusals.
		if got := float64(sent) / float64(accepted); got < k*0.95 || got > k*1.1+0.1 {
			t.Errorf("K = %g: %.2f sent per accepted one", k, got)
		}
	}
}

// TestRecoversFromNothing: with every request refused by the callee for long,
// some still go out, and when it is well again all do.
func TestRecoversFromNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	th := throttle.New(throttle.Config{})
	_, _, now := drive(th, rng, 0, 10_000, 1)
	sent, _, now := drive(th, rng, now, 120_000, 0)
	if share := float64(sent) / 120_000; share < 0.005 || share > 0.4 {
		t.Errorf("while the callee was down, %.3f of the requests were sent", share)
	}
	_, _, now = drive(th, rng, now, 400_000, 1) // the law's own recovery is slow,
	if p := th.Probability(); p > 0.01 {
		t.Errorf("400 s after recovery still refuses %.2f", p)
	}
	drive(th, rng, now, 120_000, 0)
	th.Recovered(now.Add(2 * time.Minute)) // the hint makes it immediate.
	if p := th.Probability(); p != 0 {
		t.Errorf("after the hint refuses %.2f", p)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []throttle.Config{{K: 0.5}, {K: math.NaN()}, {Memory: -1}, {Least: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v accepted", cfg)
				}
			}()
			throttle.New(cfg)
		}()
	}
}
