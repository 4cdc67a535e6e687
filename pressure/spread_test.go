package pressure_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

func TestSpreader(t *testing.T) {
	const second = time.Second
	var s pressure.Spreader
	for i, step := range []struct {
		at       time.Duration
		drain    float64
		refusals int
		want     time.Duration
	}{
		{at: 0, drain: 100, refusals: 0, want: 50 * ms}, // nothing refused yet
		{at: 0, drain: 100, refusals: 1, want: 100 * ms},
		{at: 0, drain: 100, refusals: 1, want: 200 * ms},
		{at: 100 * ms, drain: 100, refusals: 1, want: 200 * ms},
		{at: 100 * ms, drain: 100, refusals: 0, want: 200 * ms}, // only asked
		{at: 100 * ms, drain: 100, refusals: 8, want: second},
		{at: 100 * ms, drain: 50, refusals: 1, want: 1200 * ms}, // it drains more slowly now
		{at: 50 * ms, drain: 100, refusals: 1, want: 1350 * ms}, // time went backwards
		{at: 10 * second, drain: 100, refusals: 1, want: 100 * ms},
		{at: 20 * second, drain: 1000, refusals: 1, want: 50 * ms},  // never less
		{at: 20 * second, drain: 0, refusals: 1, want: 30 * second}, // never more
		{at: 20 * second, drain: 100, refusals: 1, want: 30 * second},
		{at: 40 * second, drain: 100, refusals: 1, want: 10*second + 100*ms},
		{at: -40 * second, drain: 100, refusals: 1, want: 30 * second}, // far backwards
		{at: -39 * second, drain: 100, refusals: 0, want: 29 * second}, // and forgotten
		{at: 90 * second, drain: math.NaN(), refusals: 0, want: 50 * ms},
		{at: 90 * second, drain: math.NaN(), refusals: 1, want: 30 * second},
		{at: 150 * second, drain: math.Inf(1), refusals: 1 << 60, want: 50 * ms},
		{at: 150 * second, drain: -5, refusals: 1, want: 30 * second},
		{at: 300 * second, drain: 1e-300, refusals: 1 << 60, want: 30 * second},
	} {
		// The origin is negative, as it is inside a synctest bubble.
		now := mono.Time(-1e18).Add(step.at)
		if got := s.Next(now, step.drain, step.refusals); got != step.want {
			t.Errorf("step %d: Next(%v, %v, %d) = %v; want %v", i, step.at, step.drain, step.refusals, got, step.want)
		}
	}
}

// However refusals arrive, singly or in batches, what was refused comes back at
// no more than 10 % of the drain rate over any window: the GCRA's envelope, plus
// what the shortest wait and the largest batch may put on top.
func trickle(t *rapid.T) {
	drain := rapid.Float64Range(20, 5000).Draw(t, "drain")
	perSecond := drain / 10
	now := mono.Time(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "start"))
	start := now
	var s pressure.Spreader
	type returning struct {
		at mono.Time
		n  int
	}
	var returns []returning
	largest, total := 0, 0
	for range rapid.IntRange(1, 100).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.Int64Range(0, 2e8).Draw(t, "gap")))
		n := rapid.IntRange(1, 20).Draw(t, "refusals")
		wait := s.Next(now, drain, n)
		if wait < pressure.MinRetry || wait > pressure.MaxRetry {
			t.Fatalf("wait %v", wait)
		}
		if wait == pressure.MaxRetry {
			return // beyond what is remembered, spreading ends
		}
		largest, total = max(largest, n), total+n
		returns = append(returns, returning{now.Add(wait), n})
	}
	slices.SortFunc(returns, func(a, b returning) int { return int(a.at.Sub(b.at)) })
	slack := largest + int(perSecond*pressure.MinRetry.Seconds()) + 2
	for i, from := range returns {
		sum := 0
		for _, to := range returns[i:] {
			sum += to.n
			if most := int(perSecond*to.at.Sub(from.at).Seconds()) + slack; sum > most {
				t.Fatalf("%d come back within %v at a drain rate of %v/s; want at most %d", sum, to.at.Sub(from.at), drain, most)
			}
		}
	}
	// Nor is anybody kept waiting for longer than that rate demands.
	last := returns[len(returns)-1].at
	if most := now.Sub(start).Seconds() + float64(total)/perSecond + 0.051; last.Sub(start).Seconds() > most {
		t.Fatalf("%d refusals, the last due after %v; want at most %vs", total, last.Sub(start), most)
	}
}

func TestTrickle(t *testing.T) { rapid.Check(t, trickle) }
func FuzzTrickle(f *testing.F) { f.Fuzz(rapid.MakeFuzz(trickle)) }

// A crowd that keeps being refused returns at 10 % of the drain rate.
func TestCrowdReturnsAsTrickle(t *testing.T) {
	const drain, crowd = 1000.0, 2000 // 20 s of returns
	var s pressure.Spreader
	perSecond := make([]int, 21)
	for i := range crowd {
		now := mono.Time(i) * mono.Time(time.Millisecond) / 10 // all within 0.2 s
		back := now.Add(s.Next(now, drain, 1))
		perSecond[int(back.Sub(0)/time.Second)]++
	}
	for second, n := range perSecond[:20] {
		if n < 95 || n > 105 {
			t.Errorf("second %d: %d come back; want 100", second, n)
		}
	}
}

func TestJitter(t *testing.T) {
	for _, row := range []struct {
		d    time.Duration
		u    float64
		want time.Duration
	}{
		{time.Second, 0, 750 * ms},
		{time.Second, 0.5, time.Second},
		{time.Second, 0.999999, 1249999500},
		{50 * ms, 0, 50 * ms},
		{30 * time.Second, 0.9, 30 * time.Second},
		{0, 0.5, 50 * ms},
		{-time.Hour, 0.5, 50 * ms},
		{math.MaxInt64, 0, 22500 * ms},
		{time.Second, math.NaN(), 750 * ms},
		{time.Second, math.Inf(1), 1250 * ms},
		{time.Second, -3, 750 * ms},
	} {
		if got := pressure.Jitter(row.d, row.u); got != row.want {
			t.Errorf("Jitter(%v, %v) = %v; want %v", row.d, row.u, got, row.want)
		}
	}
}
