package lab_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/penstock-go/penstock/lab"
)

// TestEstimate compares with tabulated quantiles of Student's t.
func TestEstimate(t *testing.T) {
	for _, c := range []struct {
		n          int
		confidence float64
		quantile   float64
	}{
		{2, 0.95, 12.7062},
		{3, 0.95, 4.3027},
		{5, 0.95, 2.7764},
		{20, 0.95, 2.0930},
		{5, 0.999, 8.6103},
		{10, 0.999, 4.7809},
		{1000, 0.95, 1.9623},
		{2, 0.999, 636.6192},
	} {
		values := make([]float64, c.n)
		for i := range values {
			values[i] = float64(i)
		}
		got := lab.Estimate(values, c.confidence)
		n := float64(c.n)
		deviation := math.Sqrt(n * (n + 1) / 12) // of 0 to n-1
		want := c.quantile * deviation / math.Sqrt(n)
		if math.Abs((got.High-got.Mean)/want-1) > 1e-4 || math.Abs(got.Mean-(n-1)/2) > 1e-9 || got.N != c.n {
			t.Errorf("n %d, %v: got %+v, want a half width of %v", c.n, c.confidence, got, want)
		}
	}
}

func TestEstimateEdges(t *testing.T) {
	if i := lab.Estimate(nil, 0.95); !math.IsNaN(i.Mean) || !math.IsInf(i.Low, -1) || !math.IsInf(i.High, 1) {
		t.Error(i)
	}
	if i := lab.Estimate([]float64{3}, 0.95); i.Mean != 3 || !math.IsInf(i.Low, -1) || !math.IsInf(i.High, 1) {
		t.Error(i)
	}
	if i := lab.Estimate([]float64{0.1, 0.1, 0.1}, 0.95); i.Low != 0.1 || i.High != 0.1 {
		t.Error(i)
	}
	if i := lab.Estimate([]float64{1, math.NaN(), 2}, 0.95); !math.IsNaN(i.Mean) {
		t.Error(i)
	}
}

// TestCoverage: about 95 of 100 intervals hold the mean that they estimate.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const trials = 4000
	held := 0
	for range trials {
		values := make([]float64, 6)
		for i := range values {
			values[i] = 10 + rng.NormFloat64()
		}
		if i := lab.Estimate(values, 0.95); i.Low <= 10 && 10 <= i.High {
			held++
		}
	}
	if share := float64(held) / trials; share < 0.935 || share > 0.965 {
		t.Errorf("%v of the intervals hold the mean", share)
	}
}
