package pressure_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/pressure"
)

func TestAppendWork(t *testing.T) {
	for _, row := range []struct {
		work penstock.Work
		want string
	}{
		{penstock.Work{}, ""},
		{penstock.Work{Cost: 5, Flow: 7, HasDeadline: true}, ""}, // nobody else's business
		{penstock.Work{Criticality: penstock.CriticalPlus}, "c=critical_plus"},
		{penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(17), Attempt: 2}, "c=sheddable, k=17, a=2"},
		{penstock.Work{Cohort: penstock.CohortAt(0)}, "k=0"},
		{penstock.Work{Attempt: 1}, "a=1"},
		{penstock.Work{Criticality: 77, Cohort: 255, Attempt: 1e9}, "k=127, a=100"},
		{penstock.Work{Attempt: -1}, ""},
	} {
		if got := string(pressure.AppendWork([]byte("x"), row.work)); got != "x"+row.want {
			t.Errorf("%+v: got %q, want %q", row.work, got, "x"+row.want)
		}
	}
}

func TestParseWork(t *testing.T) {
	k := penstock.CohortAt
	for _, row := range []struct {
		field string
		want  penstock.Work
		ok    bool
	}{
		{"c=critical, k=17, a=2", penstock.Work{Criticality: penstock.Critical, Cohort: k(17), Attempt: 2}, true},
		{"a=3", penstock.Work{Attempt: 3}, true},
		{"k=0", penstock.Work{Cohort: k(0)}, true},
		{"k=127", penstock.Work{Cohort: k(127)}, true},
		{"k=128, a=101", penstock.Work{Cohort: k(127), Attempt: 100}, true},
		{"k=-1, a=0", penstock.Work{Cohort: k(0), Attempt: 1}, true},
		{"a=-999999999999999", penstock.Work{Attempt: 1}, true},
		{"c=sheddable;q=1, x=(a b), a=1", penstock.Work{Criticality: penstock.Sheddable, Attempt: 1}, true},
		{"c=galactic, a=2", penstock.Work{Attempt: 2}, true}, // from a newer penstock

		{"c=galactic", penstock.Work{}, false},
		{"c=unspecified", penstock.Work{}, false},
		{"", penstock.Work{}, false},
		{"x=1", penstock.Work{}, false},
		{`c="critical"`, penstock.Work{}, false},
		{"c=critical, k=1.0", penstock.Work{}, false},
		{"c=critical, a=two", penstock.Work{}, false},
		{"c", penstock.Work{}, false},
		{"c=critical k=1", penstock.Work{}, false},
		{"c=critical, ", penstock.Work{}, false},
	} {
		if got, ok := pressure.ParseWork(row.field); ok != row.ok || ok && got != row.want {
			t.Errorf("%q: got %+v, %v; want %+v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

func workRoundTrip(t *rapid.T) {
	w := penstock.Work{
		Criticality: penstock.Criticality(rapid.IntRange(0, penstock.Criticalities-1).Draw(t, "criticality")),
		Attempt:     rapid.IntRange(0, pressure.MaxAttempt).Draw(t, "attempt"),
	}
	if rapid.Bool().Draw(t, "has cohort") {
		w.Cohort = penstock.CohortAt(rapid.Uint64().Draw(t, "cohort"))
	}
	field := string(pressure.AppendWork(nil, w))
	if got, ok := pressure.ParseWork(field); got != w || ok != (field != "") {
		t.Fatalf("%+v sent as %q, read as %+v, %v", w, field, got, ok)
	}
}

func TestWorkRoundTrip(t *testing.T) { rapid.Check(t, workRoundTrip) }
func FuzzWorkRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(workRoundTrip)) }

// sane demands of what a stranger sent that it is in range, and nothing beyond
// what the field may say.
func sane(t *testing.T, field string, w penstock.Work) {
	t.Helper()
	only := penstock.Work{Criticality: w.Criticality, Cohort: w.Cohort, Attempt: w.Attempt}
	if w != only || w.Criticality > penstock.CriticalPlus || int(w.Cohort) > penstock.Cohorts ||
		w.Attempt < 0 || w.Attempt > pressure.MaxAttempt {
		t.Fatalf("%q: got %+v", field, w)
	}
}

func FuzzParseWork(f *testing.F) {
	f.Add("c=critical, k=17, a=2")
	f.Add("k=128, a=101, c=x;y")
	f.Fuzz(func(t *testing.T, field string) {
		w, _ := pressure.ParseWork(field)
		sane(t, field, w)
	})
}

func TestParseBaggage(t *testing.T) {
	k := penstock.CohortAt
	crowd := strings.Repeat("a=b,", pressure.MaxBaggageMembers-1)
	for _, row := range []struct {
		field string
		want  penstock.Work
		ok    bool
	}{
		{"penstock.c=critical", penstock.Work{Criticality: penstock.Critical}, true},
		{"userId=alice, penstock.c = sheddable ;p=1;q, penstock.k=5", penstock.Work{Criticality: penstock.Sheddable, Cohort: k(5)}, true},
		{"penstock.c=critical,penstock.c=sheddable", penstock.Work{Criticality: penstock.Sheddable}, true},
		{"penstock.k=999", penstock.Work{Cohort: k(127)}, true},
		{"penstock.c=galactic, penstock.k=3", penstock.Work{Cohort: k(3)}, true},
		{"%%%, penstock.k=3, ===", penstock.Work{Cohort: k(3)}, true}, // others' faults are others'
		{crowd + "penstock.k=3", penstock.Work{Cohort: k(3)}, true},

		{crowd + "a=b,penstock.k=3", penstock.Work{}, false},
		{"a=" + strings.Repeat("b", pressure.MaxBaggageBytes) + ",penstock.k=3", penstock.Work{}, false},
		{"", penstock.Work{}, false},
		{"penstock.c", penstock.Work{}, false},
		{"penstock.c=", penstock.Work{}, false},
		{"penstock.c=Critical", penstock.Work{}, false},
		{"penstock.k=-1", penstock.Work{}, false},
		{"penstock.k=99999999999999999999", penstock.Work{}, false},
		{"penstock.cc=critical", penstock.Work{}, false},
		{"a=penstock.c=critical", penstock.Work{}, false},
	} {
		if got, ok := pressure.ParseBaggage(row.field); ok != row.ok || got != row.want {
			t.Errorf("%q: got %+v, %v; want %+v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

func FuzzParseBaggage(f *testing.F) {
	f.Add("userId=alice, penstock.c=sheddable;p=1, penstock.k=5")
	f.Fuzz(func(t *testing.T, field string) {
		w, ok := pressure.ParseBaggage(field)
		sane(t, field, w)
		if ok != (w != (penstock.Work{})) {
			t.Fatalf("%q: got %+v, %v", field, w, ok)
		}
	})
}
