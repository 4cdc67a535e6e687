package demand_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/penstock-go/penstock/demand"
)

// row is a source with Maps in a row that add 10, 100, ...; the one at the given
// place, if any, panics.
func row(source demand.Stream[int], steps, panics int) demand.Stream[int] {
	s := source
	add := 1
	for i := range steps {
		add *= 10
		more := add
		s = demand.Map(s, func(v int) int {
			if i == panics {
				panic(errEnd)
			}
			return v + more
		}).Named(fmt.Sprintf("step %d", i))
	}
	return s
}

// TestMapsInARow do what each alone does, and a panic has the name of its step.
func TestMapsInARow(t *testing.T) {
	for name, source := range map[string]demand.Stream[int]{
		"from":  demand.From(slices.Values([]int{1, 2})),
		"slice": demand.Of(1, 2),
		"async": demand.Of(1, 2).Async(),
	} {
		for steps := range 6 {
			got, err := row(source, steps, -1).Collect(t.Context(), 9)
			sum := 0
			for i, add := 0, 10; i < steps; i, add = i+1, add*10 {
				sum += add
			}
			if want := []int{1 + sum, 2 + sum}; err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %d steps: %v, %v; want %v", name, steps, got, err, want)
			}
			for at := range steps {
				_, err := row(source, steps, at).Collect(t.Context(), 9)
				e, ok := errors.AsType[*demand.StageError](err)
				if !ok || e.Stage != fmt.Sprintf("step %d", at) || !errors.Is(err, errEnd) {
					t.Errorf("%s, step %d of %d: %v", name, at, steps, err)
				}
			}
		}
	}
}

// TestMapsFork shares the beginning of a row between two streams.
func TestMapsFork(t *testing.T) {
	base := row(demand.Of(0), 2, -1)
	left := demand.Map(base, func(v int) int { return v + 1 }).Named("left")
	right := demand.Map(base, func(v int) int { return v + 2 }).Named("right")
	for _, c := range []struct {
		s    demand.Stream[int]
		want int
	}{{left, 111}, {right, 112}, {base, 110}, {left, 111}} {
		if got, err := c.s.Collect(t.Context(), 1); err != nil || got[0] != c.want {
			t.Errorf("%s: %v, %v; want %d", c.s.Name(), got, err, c.want)
		}
	}
	var m demand.Monitor
	if _, err := right.Collect(m.Watch(t.Context()), 1); err != nil {
		t.Fatal(err)
	}
	if got := m.Snapshot().Stages[0].Name; got != "of>step 0>step 1>right>each" {
		t.Errorf("the stage is %q", got)
	}
}
