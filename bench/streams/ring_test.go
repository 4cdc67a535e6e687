package streams

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
)

// A bareRing is the least that hands items from one goroutine to another: no
// cancellation, no waiting but by yielding, no credit. It shows every item to the
// receiver after one atomic store for each, or after one for each batch.
type bareRing struct {
	slots []int
	_     [64]byte
	tail  atomic.Uint64
	_     [64]byte
	head  atomic.Uint64
	_     [64]byte
}

// pass takes items from in, if there is one, and gives them to out.
func pass(in, out *bareRing, n, batch int, f func(int) int) {
	var next, free, seen uint64
	mask := uint64(len(out.slots) - 1)
	for i := range n {
		v := i
		if in != nil {
			v = in.take(uint64(i), &seen, batch)
		}
		for next-free == uint64(len(out.slots)) {
			if free = out.head.Load(); next-free == uint64(len(out.slots)) {
				out.tail.Store(next)
				runtime.Gosched()
			}
		}
		out.slots[next&mask] = f(v)
		next++
		if next&uint64(batch-1) == 0 {
			out.tail.Store(next)
		}
	}
	out.tail.Store(next)
}

func (r *bareRing) take(i uint64, seen *uint64, batch int) int {
	for i == *seen {
		if *seen = r.tail.Load(); i == *seen {
			r.head.Store(i)
			runtime.Gosched()
		}
	}
	v := r.slots[i&uint64(len(r.slots)-1)]
	if i&uint64(len(r.slots)/4-1) == 0 {
		r.head.Store(i)
	}
	return v
}

// BenchmarkRings is three bare rings in a row: the ceiling for three boundaries.
// A batch of 1 is what keeps no item back.
func BenchmarkRings(b *testing.B) {
	for _, size := range []int{256, 4096} {
		for _, batch := range []int{1, 32} {
			b.Run("window="+strconv.Itoa(size)+"/batch="+strconv.Itoa(batch), func(b *testing.B) {
				b.ReportAllocs()
				n := b.N
				var in *bareRing
				for i := range 3 {
					out := &bareRing{slots: make([]int, size)}
					f := inc
					if i == 0 {
						go pass(nil, out, n, batch, f)
					} else {
						go pass(in, out, n, batch, f)
					}
					in = out
				}
				sum, seen := 0, uint64(0)
				for i := range n {
					sum += in.take(uint64(i), &seen, batch)
				}
				report(b, n, sum)
			})
		}
	}
}
