package pressure

import (
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// cohortTerm is how long a flow stays in its cohort.
const cohortTerm = time.Hour

// CohortOf returns the cohort of a flow: a keyed hash, so that nobody outside
// can choose a favoured one, that changes with every hour of now, so that nobody
// is disfavoured for long. The same flow, key and hour give the same cohort.
// The hash is mixing, not cryptography: keep the key to yourself and draw it
// once per process.
func CohortOf(flow, key uint64, now mono.Time) penstock.Cohort {
	term := int64(now) / int64(cohortTerm)
	if int64(now)%int64(cohortTerm) < 0 {
		term-- // round down, so that no term lasts two hours
	}
	return penstock.CohortAt(mix(mix(flow^key) + mix(uint64(term)^^key)))
}

// mix is a bijection of 64 bits in which every input bit moves every output
// bit: Stafford's variant 13 of the finisher of MurmurHash3, as in SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
