package arrival_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/sim/arrival"
)

const ms = time.Millisecond

func must(t testing.TB, text string) arrival.Profile {
	t.Helper()
	p, err := arrival.ParseProfile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// before returns the arrivals up to the given offset.
func before(p arrival.Process, until time.Duration) (at []time.Duration) {
	for {
		next, ok := p.Next()
		if !ok || next >= until {
			return at
		}
		at = append(at, next)
	}
}

func TestConstant(t *testing.T) {
	for _, c := range []struct {
		profile string
		want    []time.Duration // in the first second
	}{
		{"4/s", []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		{"240/m", []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		{"0.5/s", []time.Duration{0}},
		{"steps:4/s@500ms,10/s@300ms", []time.Duration{0, 250 * ms, 500 * ms, 600 * ms, 700 * ms}},
		// Half an arrival's worth is spent before the pause, half after it.
		{"steps:10/s@150ms,0/s@400ms,10/s", []time.Duration{0, 100 * ms, 600 * ms, 700 * ms, 800 * ms, 900 * ms}},
		{"steps:0/s@300ms,2/s", []time.Duration{300 * ms, 800 * ms}},
		{"spike:base=0/s,peak=10/s,at=500ms,for=300ms", []time.Duration{500 * ms, 600 * ms, 700 * ms}},
		{"spike:base=2/s,peak=20/s,at=500ms,for=100ms", []time.Duration{0, 500 * ms, 550 * ms, 600 * ms}},
		{"onoff:rate=10/s,on=200ms,off=300ms", []time.Duration{0, 100 * ms, 500 * ms, 600 * ms}},
		{"onoff:rate=10/s,on=200ms,off=200ms,low=5/s", []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 500 * ms, 600 * ms, 800 * ms, 900 * ms}},
	} {
		got := before(arrival.Constant(must(t, c.profile)), time.Second)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", c.profile, got, c.want)
		}
	}
}

func TestAProcessThatHasEndedStaysEnded(t *testing.T) {
	p := arrival.Constant(must(t, "steps:1/s@2s"))
	for i, want := range []bool{true, true, false, false} {
		if _, ok := p.Next(); ok != want {
			t.Fatalf("arrival %d: ok = %v, want %v", i, ok, want)
		}
	}
}

func TestZeroProfileOffersNothing(t *testing.T) {
	if at, ok := arrival.Constant(arrival.Profile{}).Next(); ok {
		t.Fatalf("arrival at %v", at)
	}
}

func TestSlowRateInShortCycleEnds(t *testing.T) {
	// 2e-9 arrivals per cycle and 3e17 cycles: only jumping over them ends.
	p := arrival.Poisson(must(t, "onoff:rate=1/s,on=2ns,off=1us"), rand.New(rand.NewPCG(1, 1)))
	want := before(p, 2*365*24*time.Hour)
	mean := must(t, "onoff:rate=1/s,on=2ns,off=1us").Expected(2 * 365 * 24 * time.Hour)
	if d := float64(len(want)) - mean; math.Abs(d) > 4*math.Sqrt(mean) {
		t.Fatalf("%d arrivals in two years, want about %.0f", len(want), mean)
	}
}

// TestPoissonCounts checks mean and variance of the count in a window under
// each kind of profile: for a Poisson process both equal the expected number.
func TestPoissonCounts(t *testing.T) {
	const runs = 400
	for _, profile := range []string{
		"100/s",
		"steps:10/s@300ms,300/s@200ms,50/s",
		"spike:base=20/s,peak=500/s,at=300ms,for=100ms",
		"onoff:rate=300/s,on=70ms,off=130ms,low=10/s",
	} {
		p := must(t, profile)
		mean := p.Expected(time.Second)
		var sum, squares float64
		for seed := range uint64(runs) {
			n := float64(len(before(arrival.Poisson(p, rand.New(rand.NewPCG(seed, 7))), time.Second)))
			sum += n
			squares += (n - mean) * (n - mean)
		}
		// Four standard errors: of the mean, and of the variance (2/runs).
		if got, bound := sum/runs, 4*math.Sqrt(mean/runs); math.Abs(got-mean) > bound {
			t.Errorf("%s: mean count %.2f, want %.2f ± %.2f", profile, got, mean, bound)
		}
		if got, bound := squares/runs/mean, 4*math.Sqrt(2.0/runs+1/(mean*runs)); math.Abs(got-1) > bound {
			t.Errorf("%s: variance/mean %.3f, want 1 ± %.3f", profile, got, bound)
		}
	}
}

// TestPoissonIsExactAcrossSteps uses that the expected number between two
// arrivals is exponential of mean one under any profile, also where the rate
// changes in between (Kolmogorov-Smirnov at 1 %).
func TestPoissonIsExactAcrossSteps(t *testing.T) {
	for _, profile := range []string{"50/s", "onoff:rate=100/s,on=13ms,off=29ms,low=5/s", "onoff:rate=40/s,on=11ms,off=3ms"} {
		p := must(t, profile)
		process := arrival.Poisson(p, rand.New(rand.NewPCG(3, 14)))
		const n = 20_000
		var gaps []float64
		last := 0.0
		for range n {
			at, ok := process.Next()
			if !ok {
				t.Fatal("ended")
			}
			mass := p.Expected(at)
			gaps = append(gaps, mass-last)
			last = mass
		}
		slices.Sort(gaps)
		worst := 0.0
		for i, g := range gaps {
			cdf := -math.Expm1(-g)
			worst = max(worst, math.Abs(cdf-float64(i)/n), math.Abs(cdf-float64(i+1)/n))
		}
		if critical := 1.628 / math.Sqrt(n); worst > critical {
			t.Errorf("%s: distance to the exponential %.4f, want at most %.4f", profile, worst, critical)
		}
	}
}

func TestSameSeedSameArrivals(t *testing.T) {
	p := must(t, "onoff:rate=900/s,on=100ms,off=50ms,low=7/s")
	run := func(seed uint64) []time.Duration {
		return before(arrival.Poisson(p, rand.New(rand.NewPCG(seed, 0))), 2*time.Second)
	}
	if !slices.Equal(run(1), run(1)) {
		t.Error("the same seed gave different arrivals")
	}
	if slices.Equal(run(1), run(2)) {
		t.Error("different seeds gave the same arrivals")
	}
}

func TestPoissonNeedsRandomness(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	arrival.Poisson(must(t, "1/s"), nil)
}

// profiles draws profiles with at most a few thousand arrivals in ten seconds.
func profiles(t *rapid.T) arrival.Profile {
	rate := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0.01, 500))
	length := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(1, int64(3*time.Second)).Draw(t, "length"))
	})
	var p arrival.Profile
	var err error
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		p, err = arrival.Flat(rapid.Float64Range(0.01, 500).Draw(t, "rate"))
	case 1:
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) arrival.Step {
			return arrival.Step{PerSecond: rate.Draw(t, "rate"), For: length.Draw(t, "for")}
		}), 1, 6).Draw(t, "steps")
		steps[0].PerSecond++
		if rapid.Bool().Draw(t, "endless") {
			steps[len(steps)-1].For = arrival.Endless
		}
		p, err = arrival.Steps(steps...)
	case 2:
		p, err = arrival.Spike(rate.Draw(t, "base"), 1+rate.Draw(t, "peak"), length.Draw(t, "at"), length.Draw(t, "for"))
	case 3:
		p, err = arrival.OnOff(1+rate.Draw(t, "rate"), rate.Draw(t, "low"), length.Draw(t, "on"), length.Draw(t, "off"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// counts holds for every profile: arrivals are in order, the k-th constant
// arrival is where the rate's integral reaches k, and no arrival falls into a
// pause.
func counts(t *rapid.T) {
	p := profiles(t)
	const until = 10 * time.Second
	at := before(arrival.Constant(p), until)
	if !slices.IsSorted(at) {
		t.Fatalf("%v: not in order", p)
	}
	for k, a := range at {
		if got := p.Expected(a); math.Abs(got-float64(k)) > 1e-6*float64(k+1) {
			t.Fatalf("%v: arrival %d at %v, where %v are due", p, k, a, got)
		}
	}
	if want := p.Expected(until); float64(len(at)) < want-1e-3 || float64(len(at)) > want+1+1e-3 {
		t.Fatalf("%v: %d arrivals, %v are due", p, len(at), want)
	}
	random := before(arrival.Poisson(p, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))), until)
	if !slices.IsSorted(random) {
		t.Fatalf("%v: not in order", p)
	}
	for _, a := range random {
		if p.PerSecondAt(a) == 0 {
			t.Fatalf("%v: arrival at %v, in a pause", p, a)
		}
	}
}

func TestCounts(t *testing.T) { rapid.Check(t, counts) }

func FuzzCounts(f *testing.F) { f.Fuzz(rapid.MakeFuzz(counts)) }

func BenchmarkNext(b *testing.B) {
	flat := must(b, "1000000/s")
	steps := must(b, "onoff:rate=1000000/s,on=1ms,off=1ms,low=1000/s")
	for name, p := range map[string]arrival.Process{
		"spacing=constant/profile=flat": arrival.Constant(flat),
		"spacing=poisson/profile=flat":  arrival.Poisson(flat, rand.New(rand.NewPCG(1, 1))),
		"spacing=poisson/profile=onoff": arrival.Poisson(steps, rand.New(rand.NewPCG(1, 1))),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := p.Next(); !ok {
					b.Fatal("ended")
				}
			}
		})
	}
}
