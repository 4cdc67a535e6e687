package sim_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// Every law has the mean that it says, and the variance that its formula says.
func TestLaws(t *testing.T) {
	for _, row := range []struct {
		law sim.ServiceLaw
		cv2 float64
	}{
		{sim.Constant(millisecond), 0},
		{sim.Exponential(millisecond), 1},
		{sim.LogNormal{Of: millisecond, CV2: 0.5}, 0.5},
		{sim.Gamma{Of: millisecond, CV2: 0.25}, 0.25},
		{sim.Gamma{Of: millisecond, CV2: 3}, 3},
		{sim.Uniform{Least: millisecond, Most: 3 * millisecond}, 1.0 / 12},
		{sim.Bimodal{Fast: millisecond, Slow: 11 * millisecond, Share: 0.1}, 0.09 * 100 / 4},
		{sim.BoundedPareto{Least: millisecond, Most: 20 * millisecond, Alpha: 1}, pareto1CV2(20)},
		{sim.NewEmpirical([]time.Duration{millisecond, 2 * millisecond, 6 * millisecond}), 14.0 / 3 / 9},
	} {
		name := fmt.Sprintf("%T%v", row.law, row.law)
		const n = 200_000
		rng := sim.Stream(1, "laws", name)
		sum, squares := 0.0, 0.0
		for range n {
			d := row.law.Draw(rng)
			if d <= 0 {
				t.Fatalf("%s: drew %v", name, d)
			}
			sum += float64(d)
			squares += float64(d) * float64(d)
		}
		mean := sum / n
		want := float64(row.law.Mean())
		// Five standard errors, and a nanosecond for rounding.
		if math.Abs(mean-want) > 5*want*math.Sqrt(row.cv2/n)+1 {
			t.Errorf("%s: mean %v, says %v", name, time.Duration(mean), row.law.Mean())
		}
		if cv2 := squares/n/(mean*mean) - 1; math.Abs(cv2-row.cv2) > 0.05*row.cv2+1e-6 {
			t.Errorf("%s: squared coefficient of variation %.4f, want %.4f", name, cv2, row.cv2)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an empirical law of nothing")
		}
	}()
	sim.NewEmpirical(nil)
}

// pareto1CV2 is of the bounded Pareto law with index 1 from 1 to h.
func pareto1CV2(h float64) float64 {
	scale := 1 - 1/h
	mean := math.Log(h) / scale
	return (h-1)/scale/(mean*mean) - 1
}

// Streams are the same for the same names and unlike each other otherwise.
func TestStreams(t *testing.T) {
	same := func(a, b uint64) bool { return a == b }
	if !same(sim.Stream(1, "a", "b").Uint64(), sim.Stream(1, "a", "b").Uint64()) {
		t.Error("one stream, two sequences")
	}
	seen := map[uint64]string{}
	for seed := range uint64(50) {
		for _, names := range [][2]string{{"a", "b"}, {"b", "a"}, {"ab", ""}, {"", "ab"}, {"a", "bc"}, {"ab", "c"}} {
			x := sim.Stream(seed, names[0], names[1]).Uint64()
			name := fmt.Sprint(seed, names)
			if other, twice := seen[x]; twice {
				t.Errorf("%s and %s begin alike", name, other)
			}
			seen[x] = name
		}
	}
	// Neighbouring seeds: no correlation to speak of.
	a, b := sim.Stream(1, "a", "b"), sim.Stream(2, "a", "b")
	sum := 0.0
	const n = 100_000
	for range n {
		sum += (a.Float64() - 0.5) * (b.Float64() - 0.5)
	}
	if r := sum / n * 12; math.Abs(r) > 5/math.Sqrt(n) {
		t.Errorf("neighbouring seeds have the correlation %v", r)
	}
}

// Exponential draws follow their law, its far tail too: the test of Kolmogorov and
// Smirnov, and the numbers beyond multiples of the mean.
func TestExponentialLaw(t *testing.T) {
	const n = 1_000_000
	draws := make([]float64, n)
	rng := sim.Stream(1, "laws", "exponential")
	for i := range draws {
		draws[i] = float64(sim.Exponential(time.Second).Draw(rng)) / float64(time.Second)
	}
	slices.Sort(draws)
	distance := 0.0
	for i, x := range draws {
		f := -math.Expm1(-x)
		distance = max(distance, f-float64(i)/n, float64(i+1)/n-f)
	}
	if critical := 1.95 / math.Sqrt(n); distance > critical { // at a level of 0.1 %
		t.Errorf("distance %.5f, at most %.5f", distance, critical)
	}
	for _, x := range []float64{1, 3, 6, 7.7, 9, 11} { // the ziggurat ends at 7.697
		i, _ := slices.BinarySearch(draws, x)
		want := n * math.Exp(-x)
		if got := float64(n - i); math.Abs(got-want) > 4*math.Sqrt(want) {
			t.Errorf("%.0f draws beyond %v means, want about %.0f", got, x, want)
		}
	}
}

// Every bit of a stream is set half the time, and independently of the number
// before.
func TestStreamBits(t *testing.T) {
	const n = 200_000
	rng := sim.Stream(1, "laws", "bits")
	var set, kept [64]int
	last := rng.Uint64()
	for range n {
		x := rng.Uint64()
		for b := range 64 {
			set[b] += int(x >> b & 1)
			kept[b] += int(^(x ^ last) >> b & 1)
		}
		last = x
	}
	for b := range 64 {
		for _, count := range []int{set[b], kept[b]} {
			if math.Abs(float64(count)-n/2) > 4.5*math.Sqrt(n)/2 {
				t.Errorf("bit %d: %d set and %d kept of %d", b, set[b], kept[b], n)
			}
		}
	}
}

// Quantiles are within a bucket of the truth, 4.4 %.
func TestHistogram(t *testing.T) {
	var h, other sim.Histogram
	if _, ok := h.Quantile(0.5); ok {
		t.Error("a quantile of nothing")
	}
	for i := range 1000 {
		other.Add(time.Duration(i+1) * 100 * time.Microsecond)
	}
	h.Merge(&other)
	for _, p := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		got, ok := h.Quantile(p)
		if want := time.Duration(p * float64(100*millisecond)); !ok || math.Abs(float64(got-want)) > 0.045*float64(want) {
			t.Errorf("quantile %v: %v, want %v", p, got, want)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, math.MaxInt64} { // bounded at both ends
		h.Add(d)
	}
	if h.N != 1004 {
		t.Errorf("%d counted", h.N)
	}
}
