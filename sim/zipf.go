package sim

import (
	"math"
	"math/rand/v2"
)

// alias draws an index with given weights in constant time: A. J. Walker, "An
// efficient method for generating discrete random variables with general
// distributions", ACM TOMS 3 (1977).
type alias struct {
	keep  []float64 // probability to stay in a column
	other []int32
}

// newAlias takes weights, not negative and not all 0. None means a single index.
func newAlias(weights []float64) alias {
	n := max(1, len(weights))
	a := alias{make([]float64, n), make([]int32, n)}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	var small, large []int32
	for i := range n {
		a.keep[i], a.other[i] = 1, int32(i)
		if len(weights) > 0 {
			a.keep[i] = weights[i] / sum * float64(n)
		}
		if a.keep[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.other[s] = l
		if a.keep[l] -= 1 - a.keep[s]; a.keep[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // what rounding has left
		a.keep[i] = 1
	}
	return a
}

// draw takes exactly one number from rng.
func (a *alias) draw(rng *rand.Rand) int {
	x := rng.Float64() * float64(len(a.keep))
	i := min(int(x), len(a.keep)-1)
	if x-float64(i) < a.keep[i] {
		return i
	}
	return int(a.other[i])
}

// zipf draws keys 1 to n, key k with probability proportional to 1/k^s.
type zipf struct{ alias }

func newZipf(n int, s float64) *zipf {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -s)
	}
	return &zipf{newAlias(weights)}
}

func (z *zipf) draw(rng *rand.Rand) uint64 { return uint64(z.alias.draw(rng)) + 1 }
