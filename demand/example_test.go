package demand_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-go/penstock/demand"
)

func Example() {
	ctx := context.Background()
	lines := demand.Lines(strings.NewReader("7\n8\nx\n9\n"), 80)
	numbers := demand.TryMap(lines, func(s string) (n int, err error) {
		_, err = fmt.Sscan(s, &n)
		return n, err
	}).Named("parse").Async(demand.Window(16))
	for n, err := range numbers.All(ctx) {
		fmt.Println(n, err)
	}
	// Output:
	// 7 <nil>
	// 8 <nil>
	// 0 demand: stage parse: expected integer
}

func ExampleMapN() {
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	got, err := demand.MapN(demand.Of(1, 2, 3), 8, double).Collect(context.Background(), 100)
	fmt.Println(got, err)
	// Output: [2 4 6] <nil>
}

func ExampleAllowance() {
	receiver := demand.NewAllowance(4, 0.75)
	var sender demand.Credit
	sender.Raise(receiver.Upto())
	for i := range 6 {
		fmt.Println("item", i, sender.Spend(1))
	}
	for range 3 {
		if receiver.Done(1) { // three quarters of the window
			sender.Raise(receiver.Upto())
		}
	}
	fmt.Println(sender.Left(), "more")
	// Output:
	// item 0 true
	// item 1 true
	// item 2 true
	// item 3 true
	// item 4 false
	// item 5 false
	// 3 more
}

// Batches of what several calls have looked up, taken as they are wanted.
func ExampleBatch() {
	ctx := context.Background()
	parse := func(line string) (string, error) { return strings.TrimSpace(line), nil }
	lookUp := func(_ context.Context, name string) (int, error) { return len(name), nil }

	lines := demand.Lines(strings.NewReader("a\nbbb\ncc\n"), 4096)
	entries := demand.TryMap(lines, parse).Named("parse")
	sizes := demand.MapN(entries.Async(), 8, lookUp)
	batches := demand.Batch(sizes, demand.BatchConfig[int]{Count: 2, Within: time.Second})
	for batch, err := range batches.All(ctx) {
		fmt.Println(batch, err)
	}
	// Output:
	// [1 3] <nil>
	// [2] <nil>
}
