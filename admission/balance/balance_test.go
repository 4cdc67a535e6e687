package balance_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/admission/balance"
)

// Whatever the draw: only an open gate is chosen, one is chosen while any is
// open, and it is never the most loaded of those that could have been compared.
func chooses(t *rapid.T) {
	loads := rapid.SliceOfN(rapid.Float64Range(0, 2), 0, 8).Draw(t, "loads")
	open := rapid.SliceOfN(rapid.Bool(), len(loads), len(loads)).Draw(t, "open")
	asked := 0
	got := balance.PowerOfTwo(rapid.Uint64().Draw(t, "draw"), len(loads), func(i int) (float64, bool) {
		asked++
		return loads[i], open[i]
	})
	if asked > 2*len(loads)+2 {
		t.Fatalf("asked %d times for %d gates", asked, len(loads))
	}
	opens, heavier := 0, 0
	for i, o := range open {
		if o {
			opens++
			if got >= 0 && loads[i] > loads[got] {
				heavier++
			}
		}
	}
	switch {
	case opens == 0 && got != -1:
		t.Fatalf("chose %d, and none is open", got)
	case opens > 0 && (got < 0 || !open[got]):
		t.Fatalf("chose %d of %v", got, open)
	}
	allOpen := opens == len(loads)
	if allOpen && len(loads) > 1 && heavier == 0 {
		for i := range loads {
			if i != got && loads[i] == loads[got] {
				return // not the only one of the most loaded
			}
		}
		t.Fatalf("chose %d, the most loaded of %v: two different gates are drawn", got, loads)
	}
}

func TestChooses(t *testing.T) { rapid.Check(t, chooses) }

func FuzzChooses(f *testing.F) { f.Fuzz(rapid.MakeFuzz(chooses)) }

// Among equals every gate gets its share; closed gates' share goes to others.
func TestIsUniform(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := 1; n <= 9; n++ {
		const draws = 90_000
		counts := make([]int, n)
		for range draws {
			counts[balance.PowerOfTwo(rng.Uint64(), n, func(int) (float64, bool) { return 1, true })]++
		}
		for i, c := range counts {
			if want := draws / n; c < want*95/100 || c > want*105/100 {
				t.Errorf("gate %d of %d was chosen %d times, want about %d", i, n, c, want)
			}
		}
	}
}

// The fullest of many gates is nearly as empty as the mean: Mitzenmacher's
// log log n, where single draws would give log n / log log n.
func TestTwoChoicesAreEnough(t *testing.T) {
	const gates, balls = 1000, 100_000
	rng := rand.New(rand.NewPCG(2, 1))
	var two, one [gates]int
	for range balls {
		two[balance.PowerOfTwo(rng.Uint64(), gates, func(i int) (float64, bool) { return float64(two[i]), true })]++
		one[rng.IntN(gates)]++
	}
	fullest := func(counts *[gates]int) (most int) {
		for _, c := range counts {
			most = max(most, c)
		}
		return most
	}
	if a, b := fullest(&two), fullest(&one); a > balls/gates+5 || a >= b {
		t.Errorf("the fullest has %d of a mean of %d; single draws give %d", a, balls/gates, b)
	}
}

func TestNoGates(t *testing.T) {
	for _, n := range []int{0, -1} {
		if got := balance.PowerOfTwo(7, n, nil); got != -1 {
			t.Errorf("chose %d of %d gates", got, n)
		}
	}
}

func BenchmarkPowerOfTwo(b *testing.B) {
	loads := make([]float64, 16)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		balance.PowerOfTwo(rng.Uint64(), len(loads), func(i int) (float64, bool) { return loads[i], true })
	}
}

func ExamplePowerOfTwo() {
	loads := []float64{0.9, 0.2}
	i := balance.PowerOfTwo(12345, len(loads), func(i int) (float64, bool) { return loads[i], loads[i] < 1 })
	fmt.Println(i)
	// Output: 1
}
