// Package balance chooses which gate of a pool gets the next unit of work.
package balance

import "math/bits"

// PowerOfTwo returns the index, below n, of the less loaded of two gates drawn
// at random, among those that are open; -1 when none is. draw is a uniform
// random number: the only randomness used. load gives a gate's load (in flight
// over limit) and whether it is open; it is asked of at most n+2 gates.
//
// Two draws are enough to keep the fullest gate within log log n of the mean:
// M. Mitzenmacher, "The power of two choices in randomized load balancing",
// 1996. When a draw hits a gate that is not open, the next open one after it
// stands in, so that work never waits while any gate has a slot.
func PowerOfTwo(draw uint64, n int, load func(i int) (load float64, open bool)) int {
	if n <= 0 {
		return -1
	}
	hi, lo := bits.Mul64(draw, uint64(n))
	first, a := openFrom(int(hi), n, load)
	if first < 0 || n == 1 {
		return first
	}
	hi, _ = bits.Mul64(lo, uint64(n-1))
	second, b := openFrom((first+1+int(hi))%n, n, load)
	if b < a {
		return second
	}
	return first
}

func openFrom(start, n int, load func(i int) (float64, bool)) (int, float64) {
	for k := range n {
		i := (start + k) % n
		if l, open := load(i); open {
			return i, l
		}
	}
	return -1, 0
}
