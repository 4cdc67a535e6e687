package load

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
)

// queues compares the heap of retries with a sorted slice and the queue for
// connections with a plain one.
func queues(t *rapid.T) {
	var heap jobHeap
	var queue jobQueue
	var sorted, plain []mono.Time
	for range rapid.IntRange(0, 5000).Draw(t, "steps") {
		if len(plain) == 0 || rapid.IntRange(0, 9).Draw(t, "what") < 6 {
			at := mono.Time(rapid.Int64Range(-5, 5).Draw(t, "at"))
			heap.push(job{intended: at})
			queue.push(job{intended: at})
			plain = append(plain, at)
			i, _ := slices.BinarySearch(sorted, at)
			sorted = slices.Insert(sorted, i, at)
			continue
		}
		if got := heap.pop().intended; got != sorted[0] {
			t.Fatalf("heap: got %d, want %d", got, sorted[0])
		}
		if got := queue.pop().intended; got != plain[0] {
			t.Fatalf("queue: got %d, want %d", got, plain[0])
		}
		sorted, plain = sorted[1:], plain[1:]
		if queue.len() != len(plain) || len(heap) != len(sorted) {
			t.Fatalf("%d and %d left, want %d", queue.len(), len(heap), len(plain))
		}
	}
}

func TestQueues(t *testing.T) { rapid.Check(t, queues) }

func FuzzQueues(f *testing.F) { f.Fuzz(rapid.MakeFuzz(queues)) }
