package flow_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/penstock-go/penstock/flow"
)

// many returns n stored items of a number of keys.
func many(n, keys int) func(func(flow.Item, error) bool) {
	return func(yield func(flow.Item, error) bool) {
		for i := range n {
			it := flow.Item{
				No: uint64(i + 1), Flow: "f", ID: fmt.Sprintf("order-2026-11-21-%012d", i), Key: fmt.Sprint("tenant-", i%keys),
				Stage: "a", Created: 1e18, Hop: 1, Cost: 1, Charge: 1, Size: 1024, Rank: 767,
			}
			if !yield(it, nil) {
				return
			}
		}
	}
}

func loaded(t testing.TB, n, keys int) *flow.Core {
	t.Helper()
	c, err := flow.New(at(0), line(flow.WIPMax, flow.WIPMax).Normalize(), flow.NewEpoch(2), many(n, keys), rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMemory holds many items to 400 bytes each, ids of 29 bytes included; a
// store's index has the rest of the 512.
func TestMemory(t *testing.T) {
	const n = 200_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c := loaded(t, n, 1000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes an item", each)
	if each > 400 {
		t.Errorf("%.0f bytes an item", each)
	}
	if c.Len() != n {
		t.Fatal(c.Len())
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		loaded(b, 1_000_000, 1000)
	}
}

// BenchmarkHop takes an item through a stage: pull, ack, apply.
func BenchmarkHop(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint("waiting=", n), func(b *testing.B) {
			c := loaded(b, n, min(n, 1000))
			var buf []flow.Leased
			b.ReportAllocs()
			stages := [2]string{"a", "b"}
			for i := 0; b.Loop(); i++ {
				if c.Ready(stages[0]) == 0 {
					c = loaded(b, n, min(n, 1000))
				}
				buf, _ = c.Pull(at(0), stages[0], 1, 0, buf[:0])
				p, err := c.Ack(at(0), buf[0].Lease, nil, false)
				if err != nil {
					b.Fatal(err)
				}
				c.Apply(at(0), p)
			}
		})
	}
}
