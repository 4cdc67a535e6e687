package penstock_test

import (
	"encoding"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
)

// From the work that is refused last to that refused first.
func TestRankOrder(t *testing.T) {
	order := []penstock.Work{
		{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(0)},
		{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(127), Attempt: 1},
		{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(0), Attempt: 2},
		{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(127), Attempt: 3},
		{Criticality: penstock.Critical, Cohort: penstock.CohortAt(5)},
		{Criticality: penstock.Critical, Cohort: penstock.CohortAt(6)},
		{Criticality: penstock.Critical, Attempt: 2},
		{Criticality: penstock.SheddablePlus, Cohort: penstock.CohortAt(127)},
		{Criticality: penstock.SheddablePlus, Attempt: 1 << 40},
		{Criticality: penstock.Sheddable},
		{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(127), Attempt: 2},
	}
	ranks := make([]penstock.Rank, len(order))
	for i, w := range order {
		ranks[i] = w.Rank()
	}
	if !slices.IsSortedFunc(ranks, func(a, b penstock.Rank) int { return int(b) - int(a) }) {
		t.Errorf("ranks %v do not fall", ranks)
	}
	if ranks[0] != penstock.MaxRank || ranks[len(ranks)-1] != 0 {
		t.Errorf("from %d to %d, want from %d to 0", ranks[0], ranks[len(ranks)-1], penstock.MaxRank)
	}
}

func TestRank(t *testing.T) {
	for _, c := range []struct {
		work penstock.Work
		rank penstock.Rank
		band int
	}{
		{penstock.Work{}, 2*256 + 128 + 127, 5}, // as critical, a first attempt, cohort 0
		{penstock.Work{Attempt: 1, Cohort: penstock.CohortAt(27)}, 2*256 + 128 + 100, 5},
		{penstock.Work{Attempt: -3}, 2*256 + 128 + 127, 5},
		{penstock.Work{Criticality: penstock.Sheddable, Attempt: 2, Cohort: penstock.CohortAt(255)}, 0, 0},
		{penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 2}, 256 + 127, 2},
		{penstock.Work{Criticality: penstock.CriticalPlus, Cohort: 255}, 3*256 + 128, 7}, // a cohort out of range is the last
	} {
		r := c.work.Rank()
		if r != c.rank || r.Band() != c.band {
			t.Errorf("%+v: rank %d, band %d; want %d, %d", c.work, r, r.Band(), c.rank, c.band)
		}
		want := c.work.Criticality
		if want == penstock.Unspecified {
			want = penstock.Critical
		}
		if got := r.Criticality(); got != want {
			t.Errorf("%+v: rank %d is of %v", c.work, r, got)
		}
	}
	if r := penstock.Rank(60_000); r.Criticality() != penstock.CriticalPlus || r.Band() != penstock.Bands-1 {
		t.Errorf("a rank out of range is %v, band %d", r.Criticality(), r.Band())
	}
}

func TestPrice(t *testing.T) {
	for _, c := range []struct {
		price  penstock.Price
		rank   penstock.Rank
		admits bool
	}{
		{0, 0, true},
		{1, 0, false},
		{500, 499, false},
		{500, 500, true},
		{penstock.Price(penstock.MaxRank), penstock.MaxRank, true},
		{penstock.MaxPrice, penstock.MaxRank, false},
	} {
		if c.price.Admits(c.rank) != c.admits {
			t.Errorf("price %d, rank %d: want %v", c.price, c.rank, c.admits)
		}
	}
}

func TestSlots(t *testing.T) {
	for cost, want := range map[int]int{-5: 1, 0: 1, 1: 1, 7: 7, 1000: 1000, 1001: 1000, 1 << 40: 1000} {
		if got := (&penstock.Work{Cost: cost}).Slots(); got != want {
			t.Errorf("cost %d takes %d slots, want %d", cost, got, want)
		}
	}
}

func TestCohort(t *testing.T) {
	for k := range uint64(300) {
		c := penstock.CohortAt(k)
		if !c.Specified() || c.Index() != int(k%penstock.Cohorts) {
			t.Errorf("CohortAt(%d) is %d, specified %v", k, c.Index(), c.Specified())
		}
	}
	var none penstock.Cohort
	if none.Specified() || none.Index() != 0 || penstock.Cohort(200).Index() != 127 {
		t.Errorf("none is %d, out of range is %d", none.Index(), penstock.Cohort(200).Index())
	}
}

// What is written is read back, and nothing else is.
func TestNamesRoundTrip(t *testing.T) {
	for c := penstock.Sheddable; c <= penstock.CriticalPlus; c++ {
		text, err := c.MarshalText()
		var back penstock.Criticality
		if err != nil || back.UnmarshalText(text) != nil || back != c || string(text) != c.String() {
			t.Errorf("%v: %q, %v, back %v", c, text, err, back)
		}
	}
	for r := penstock.ReasonLimit; r < penstock.Reasons; r++ {
		text, err := r.MarshalText()
		if back, ok := penstock.ParseReason(string(text)); err != nil || !ok || back != r || string(text) != r.String() {
			t.Errorf("%v: %q, %v, back %v", r, text, err, back)
		}
	}
	for _, bad := range []string{"", "unspecified", "none", "Critical", "critical ", "Reason(1)", "9"} {
		c := penstock.Critical
		if err := c.UnmarshalText([]byte(bad)); err == nil || c != penstock.Critical {
			t.Errorf("%q is taken for a criticality", bad)
		}
		if r, ok := penstock.ParseReason(bad); ok || r != penstock.ReasonNone {
			t.Errorf("%q is taken for a reason", bad)
		}
	}
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{penstock.Unspecified, "unspecified"},
		{penstock.CriticalPlus, "critical_plus"},
		{penstock.Criticality(9), "Criticality(9)"},
		{penstock.ReasonNone, "none"},
		{penstock.ReasonQueueFull, "queue_full"},
		{penstock.ReasonDraining, "draining"},
		{penstock.Reason(99), "Reason(99)"},
		{penstock.OK, "ok"},
		{penstock.Ignored, "ignored"},
		{penstock.Outcome(7), "Outcome(7)"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("%T is %q, want %q", c.value, got, c.want)
		}
	}
	var _ encoding.TextUnmarshaler = new(penstock.Criticality)
}

// Rank keeps what it was made of, whatever the work.
func rankKeeps(t *rapid.T) {
	w := penstock.Work{
		Criticality: penstock.Criticality(rapid.IntRange(1, 4).Draw(t, "criticality")),
		Cohort:      penstock.CohortAt(rapid.Uint64().Draw(t, "cohort")),
		Attempt:     rapid.Int().Draw(t, "attempt"),
	}
	r := w.Rank()
	if r > penstock.MaxRank || r.Criticality() != w.Criticality || int(127-r%128) != w.Cohort.Index() {
		t.Fatalf("%+v has rank %d", w, r)
	}
	if first := r.Band()%2 == 1; first != (w.Attempt <= 1) {
		t.Fatalf("attempt %d is in band %d", w.Attempt, r.Band())
	}
	if better := w; better.Criticality < penstock.CriticalPlus {
		better.Criticality++
		better.Attempt, better.Cohort = 9, penstock.CohortAt(127)
		if better.Rank() <= r {
			t.Fatalf("a higher criticality does not rank above")
		}
	}
}

func TestRankKeeps(t *testing.T) { rapid.Check(t, rankKeeps) }

func FuzzRankKeeps(f *testing.F) { f.Fuzz(rapid.MakeFuzz(rankKeeps)) }
