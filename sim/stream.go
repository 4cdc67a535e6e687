package sim

import "math/rand/v2"

// Stream returns the random numbers of one part of a world for one purpose.
// Streams of different parts, purposes or seeds are independent of each other, so
// that a change in one part leaves the draws of all others as they were.
func Stream(seed uint64, part, purpose string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a, with a separator that no name holds
	for _, s := range [2]string{part, purpose} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	a := mix(seed + mix(h))
	return rand.New(rand.NewPCG(a, mix(a^h)))
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014): PCG states that differ in a few
// bits only would give related numbers.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
