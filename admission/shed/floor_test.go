package shed_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/shed"
)

// Whatever is asked and finished, each criticality is lifted for 2 % of what has
// finished, to within the cost of one unit, if it asks all the time.
func floorIsKept(t *rapid.T) {
	var f shed.Floor
	asks := rapid.SliceOfN(rapid.Bool(), 4, 4).Draw(t, "who asks")
	most := rapid.SampledFrom([]float64{1, 3, penstock.MaxCost}).Draw(t, "max cost")
	var finished float64
	lifted := [4]float64{}
	for range rapid.IntRange(1, 3000).Draw(t, "ends") {
		cost := 1.0
		if most > 1 {
			cost = rapid.Float64Range(1, most).Draw(t, "cost")
		}
		finished += min(cost, 100) // one end counts for at most a slot's worth
		f.Finished(min(cost, 100))
		for c := range lifted {
			r := penstock.Rank(c*256) + penstock.Rank(rapid.IntRange(0, 255).Draw(t, "rank"))
			if asks[c] && f.Lifts(r, cost) {
				lifted[c] += cost
			}
		}
	}
	for c, got := range lifted {
		want := finished / 50
		if !asks[c] {
			want = 0
		}
		if got > want+most || got < want-1-1e-6 && got < want-most {
			t.Fatalf("criticality %d was lifted for %g, 2 %% of what finished is %g", c, got, want)
		}
	}
}

func TestFloorIsKept(t *testing.T) { rapid.Check(t, floorIsKept) }

// A class that has not asked for long is lifted once, not for all that time.
func TestFloorSavesNothingUp(t *testing.T) {
	var f shed.Floor
	if f.Lifts(0, 1) {
		t.Error("lifted before anything has finished")
	}
	for range 100000 {
		f.Finished(1)
	}
	if !f.Lifts(0, 1) || f.Lifts(0, 1) || f.Lifts(255, 1) {
		t.Error("want one lift after a long silence")
	}
	if !f.Lifts(256, 50) || f.Lifts(256, 1) {
		t.Error("another class has its own")
	}
	n := 0
	for !f.Lifts(256, 1) {
		f.Finished(1)
		n++
	}
	if n < 2499 || n > 2501 {
		t.Errorf("after a unit of cost 50 the next was lifted after %d ends, want 2500", n)
	}
}

// A class that is served anyway is not lifted; one that is served no more soon is.
func TestFloorIsForTheStarved(t *testing.T) {
	var f shed.Floor
	for range 1000 {
		f.Finished(1)
		f.Started(0, 1)
		f.Finished(1)
		if f.Lifts(0, 1) {
			t.Fatal("lifted, though every second to start was of its class")
		}
	}
	n := 0
	for ; !f.Lifts(0, 1); n++ {
		f.Finished(1)
	}
	if n < 99 || n > 101 {
		t.Errorf("lifted %d ends after the last of its class started, want 100", n)
	}
	f.Started(256, 50)
	f.Started(512, 1)
	if f.Lifts(256, 1) || f.Lifts(512, 1) {
		t.Error("lifted with nothing finished")
	}
}
