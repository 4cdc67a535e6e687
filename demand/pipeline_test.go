package demand_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/demand"
)

// A pair is the same pipeline twice: as a stream, and as a plain list.
type pair struct {
	s     demand.Stream[int]
	list  []int
	mixed bool // the order is lost
}

// grow adds one operator or boundary to both.
func (p *pair) grow(t *rapid.T) {
	n := rapid.IntRange(1, 5).Draw(t, "n")
	opts := []demand.Option{
		demand.Window(rapid.Int64Range(1, 9).Draw(t, "window")),
		demand.Refill(rapid.Float64Range(0.1, 1).Draw(t, "refill")),
	}
	call := func(_ context.Context, v int) (int, error) { return v + n, nil }
	switch rapid.IntRange(0, 14).Draw(t, "operator") {
	case 0:
		p.s = demand.Map(p.s, func(v int) int { return v * n })
		p.each(func(v int) []int { return []int{v * n} })
	case 1:
		p.s = p.s.Filter(func(v int) bool { return v%n == 0 })
		p.each(func(v int) []int { return nothingOr(v, v%n == 0) })
	case 2:
		p.s = demand.FlatMap(p.s, func(v int) iter.Seq[int] { return slices.Values(slices.Repeat([]int{v}, n-1)) })
		p.each(func(v int) []int { return slices.Repeat([]int{v}, n-1) })
	case 3:
		if !p.mixed {
			p.s = p.s.Take(3 * n)
			p.list = p.list[:min(3*n, len(p.list))]
		}
	case 4:
		if !p.mixed {
			p.s = demand.Scan(p.s, n, func(a, b int) int { return (a + b) % 1000 })
			sum := n
			p.each(func(v int) []int { sum = (sum + v) % 1000; return []int{sum} })
		}
	case 5:
		if !p.mixed {
			p.batch(n)
		}
	case 6:
		p.s = demand.Distinct(p.s, 1<<16, func(v int) int { return v })
		seen := map[int]bool{}
		p.each(func(v int) []int { known := seen[v]; seen[v] = true; return nothingOr(v, !known) })
	case 7:
		p.s = p.s.Async(opts...)
	case 8:
		p.s = p.s.Async(append(opts, demand.Cost(func(v int) int64 { return int64(v) }))...)
	case 9:
		p.s = p.s.Async(append(opts, demand.Spill(func() (demand.Store[int], error) { return &memory{most: n}, nil }))...)
	case 10:
		p.s = demand.MapN(p.s, n, call, opts...)
		p.each(func(v int) []int { return []int{v + n} })
	case 11:
		p.s = demand.MapN(p.s, n, call, append(opts, demand.InOrder(demand.Unordered))...)
		p.each(func(v int) []int { return []int{v + n} })
		p.mixed = true
	case 12:
		p.s = demand.MapN(p.s, n, call, append(opts, demand.ByKey(func(v int) int { return v % 3 }))...)
		p.each(func(v int) []int { return []int{v + n} })
		p.mixed = true
	case 13:
		p.s = demand.Merge([]demand.Stream[int]{p.s, demand.Slice(numbers(n))}, opts...)
		p.list = append(p.list, numbers(n)...)
		p.mixed = true
	case 14:
		if !p.mixed {
			p.s = demand.Zip(p.s, demand.From(upTo(7*n)), func(a, b int) int { return a + b }, opts...)
			p.list = p.list[:min(7*n, len(p.list))]
			i := -1
			p.each(func(v int) []int { i++; return []int{v + i} })
		}
	}
}

func nothingOr(v int, keep bool) []int {
	if keep {
		return []int{v}
	}
	return nil
}

func (p *pair) each(f func(int) []int) {
	var out []int
	for _, v := range p.list {
		out = append(out, f(v)...)
	}
	p.list = out
}

// batch makes batches and takes the sum of each.
func (p *pair) batch(n int) {
	sum := func(b []int) (s int) {
		for _, v := range b {
			s += v
		}
		return s
	}
	p.s = demand.Map(demand.Batch(p.s, demand.BatchConfig[int]{Count: n}), sum)
	var out []int
	for b := range slices.Chunk(p.list, n) {
		out = append(out, sum(b))
	}
	p.list = out
}

func pipelines(t *rapid.T) {
	n := rapid.IntRange(0, 40).Draw(t, "items")
	p := &pair{s: demand.From(upTo(n)), list: numbers(n)}
	for range rapid.IntRange(0, 6).Draw(t, "length") {
		p.grow(t)
	}
	ctx := context.Background()
	stop := rapid.IntRange(0, 60).Draw(t, "leave after")
	var got []int
	for v, err := range p.s.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
		if len(got) > stop {
			break
		}
	}
	want := p.list
	if len(got) > stop {
		if len(got) > len(want) {
			t.Fatalf("%d items of %d", len(got), len(want))
		}
		if p.mixed {
			return
		}
		want = want[:len(got)]
	}
	if p.mixed {
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func TestPipelines(t *testing.T) { rapid.Check(t, pipelines) }
func FuzzPipelines(f *testing.F) { f.Fuzz(rapid.MakeFuzz(pipelines)) }
