package demand_test

import (
	"iter"
	"testing"

	"github.com/penstock-go/penstock/demand"
)

func inc(n int) int { return n + 1 }

// drain runs b.N items through the stream.
func drain(b *testing.B, build func(source demand.Stream[int]) demand.Stream[int]) {
	b.ReportAllocs()
	source := make([]int, 1<<16)
	round := 0
	seq := iter.Seq[int](func(yield func(int) bool) {
		for left := b.N; left > 0; left -= len(source) {
			round++
			for i := range source[:min(left, len(source))] {
				if !yield(i) {
					return
				}
			}
		}
	})
	sum := 0
	for v, err := range build(demand.From(seq)).All(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		sum += v
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mitems/s")
	if sum < 0 {
		b.Fatal("overflow")
	}
}

func three(s demand.Stream[int]) demand.Stream[int] {
	return demand.Map(demand.Map(demand.Map(s, inc), inc), inc)
}

func BenchmarkFused(b *testing.B) { drain(b, three) }

func BenchmarkAsync(b *testing.B) {
	b.Run("boundaries=1", func(b *testing.B) {
		drain(b, func(s demand.Stream[int]) demand.Stream[int] { return three(s).Async() })
	})
	b.Run("boundaries=3", func(b *testing.B) {
		drain(b, func(s demand.Stream[int]) demand.Stream[int] {
			s = demand.Map(s, inc).Async()
			s = demand.Map(s, inc).Async()
			return demand.Map(s, inc).Async()
		})
	})
}
