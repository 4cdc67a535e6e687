package demand_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/demand"
)

// window plays a sender and a receiver against each other, with grants that
// arrive late or twice, and compares with plain sums.
func window(t *rapid.T) {
	size := rapid.Int64Range(1, 50).Draw(t, "size")
	w := demand.NewAllowance(size, rapid.Float64Range(0.01, 1).Draw(t, "refill"))
	var c demand.Credit
	c.Raise(w.Upto())
	var way, grants []int64 // costs sent, and grants, that have not arrived
	var sent, done int64
	for range rapid.IntRange(1, 200).Draw(t, "steps") {
		switch rapid.IntRange(0, 3).Draw(t, "step") {
		case 0:
			cost := rapid.Int64Range(1, size).Draw(t, "cost")
			if c.Spend(cost) {
				sent += cost
				way = append(way, cost)
			}
		case 1:
			if len(way) > 0 {
				done += way[0]
				if w.Done(way[0]) {
					grants = append(grants, w.Upto())
				}
				way = way[1:]
			}
		case 2:
			if len(grants) > 0 {
				i := rapid.IntRange(0, len(grants)-1).Draw(t, "which")
				c.Raise(grants[i])
			}
		case 3:
			if w.Flush() {
				grants = append(grants, w.Upto())
			}
		}
		if sent-done > size {
			t.Fatalf("%d outstanding in a window of %d", sent-done, size)
		}
		if c.Sent() != sent || c.Left() < 0 {
			t.Fatalf("credit says %d sent and %d left, want %d", c.Sent(), c.Left(), sent)
		}
	}
	// Once all has arrived and nothing is held back, the window is whole.
	for _, cost := range way {
		w.Done(cost)
	}
	w.Flush()
	c.Raise(w.Upto())
	if c.Left() != size {
		t.Fatalf("%d left of a window of %d that nobody uses", c.Left(), size)
	}
}

func TestWindow(t *testing.T)   { rapid.Check(t, window) }
func FuzzWindow(f *testing.F)   { f.Fuzz(rapid.MakeFuzz(window)) }
func add(ns ...int64) (c int64) { return credit(ns...).Left() }

func credit(ns ...int64) *demand.Credit {
	var c demand.Credit
	for _, n := range ns {
		c.Add(n)
	}
	return &c
}

func TestCreditAdds(t *testing.T) {
	for _, step := range []struct {
		adds []int64
		want int64
	}{
		{nil, 0},
		{[]int64{3, 4}, 7},
		{[]int64{3, 0, -1, math.MinInt64}, 3},
		{[]int64{math.MaxInt64}, demand.Unbounded},
		{[]int64{math.MaxInt64 - 1, 1}, demand.Unbounded},
		{[]int64{math.MaxInt64, math.MaxInt64, 5}, demand.Unbounded},
	} {
		if got := add(step.adds...); got != step.want {
			t.Errorf("%v gives %d, want %d", step.adds, got, step.want)
		}
	}
	unbounded := credit(demand.Unbounded)
	if !unbounded.Spend(1<<60) || unbounded.Left() != demand.Unbounded {
		t.Errorf("unbounded credit is used up: %d left", unbounded.Left())
	}
}

func TestReplacedCredit(t *testing.T) {
	c := credit(10)
	c.Spend(4)
	c.Replace(6)
	if c.Left() != 2 {
		t.Errorf("%d left", c.Left())
	}
	c.Replace(1) // less than was sent: there is none, and no debt
	if c.Left() != 0 || c.Spend(1) {
		t.Errorf("%d left", c.Left())
	}
}
