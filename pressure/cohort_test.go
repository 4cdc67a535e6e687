package pressure_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// A flow keeps its cohort for an hour, on both sides of instant zero.
func TestCohortTerm(t *testing.T) {
	for _, hour := range []mono.Time{-2, -1, 0, 1} {
		first := hour * mono.Time(time.Hour)
		last := first.Add(time.Hour - 1)
		changed := 0
		for flow := range uint64(1000) {
			c := pressure.CohortOf(flow, 42, first)
			if d := pressure.CohortOf(flow, 42, last); c != d || !c.Specified() {
				t.Fatalf("hour %d, flow %d: %d, then %d", hour, flow, c, d)
			}
			if pressure.CohortOf(flow, 42, last.Add(1)) != c {
				changed++
			}
		}
		if changed < 950 { // 1 in 128 stays by chance
			t.Errorf("after hour %d only %d of 1000 flows changed their cohort", hour, changed)
		}
	}
}

// Cohorts are of equal size, and another key deals them anew.
func TestCohortSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, other := rapid.Uint64().Draw(t, "key"), rapid.Uint64().Draw(t, "other")
		now := mono.Time(rapid.Int64().Draw(t, "now"))
		const flows = penstock.Cohorts * 100
		var sizes [penstock.Cohorts]int
		same := 0
		for flow := range uint64(flows) {
			c := pressure.CohortOf(flow, key, now)
			sizes[c.Index()]++
			if pressure.CohortOf(flow, other, now) == c {
				same++
			}
		}
		for k, n := range sizes {
			if n < 40 || n > 160 { // six standard deviations about 100
				t.Fatalf("cohort %d has %d flows; want about 100", k, n)
			}
		}
		if key != other && same > 200 {
			t.Fatalf("%d of %d flows keep their cohort under another key; want about 100", same, flows)
		}
	})
}
