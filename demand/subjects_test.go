package demand_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
	"github.com/penstock-go/penstock/rate"
)

// A subject is a source, an operator or a boundary that the rules are tested on.
// Its stream has the items 0 to n-1, and then ends with end.
type subject struct {
	name  string
	build func(n int, end error) demand.Stream[int]
	wrap  func(demand.Stream[int]) demand.Stream[int] // of an operator or a boundary
	// sure: it cannot fail by itself, so end is nil.
	sure bool
	// once: its items go to whoever runs it first.
	once bool
	// mixed: items may overtake each other.
	mixed bool
}

var errEnd = errors.New("the source broke")

// counting is the source under the operators.
func counting(n int, end error) demand.Stream[int] {
	return demand.Func(counter(n, end))
}

func counter(n int, end error) func(context.Context) (int, error) {
	if end == nil {
		end = io.EOF
	}
	var mu sync.Mutex
	next := 0
	return func(context.Context) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		if next == n {
			return 0, end
		}
		next++
		return next - 1, nil
	}
}

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func numbers(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i)
	}
	return out
}

// failing reads like r and then fails.
type failing struct {
	io.Reader
	err error
	mu  sync.Mutex // two runs may share it
}

func (f *failing) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) && f.err != nil {
		err = f.err
	}
	return n, err
}

func linesOf(n int, end error) demand.Stream[int] {
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, i)
	}
	return demand.TryMap(demand.Lines(&failing{Reader: strings.NewReader(text.String()), err: end}, 32), strconv.Atoi)
}

func sources() []subject {
	return []subject{
		{name: "slice", sure: true, build: func(n int, _ error) demand.Stream[int] { return demand.Slice(numbers(n)) }},
		{name: "of", sure: true, build: func(n int, _ error) demand.Stream[int] { return demand.Of(numbers(n)...) }},
		{name: "from", sure: true, build: func(n int, _ error) demand.Stream[int] { return demand.From(upTo(n)) }},
		{name: "from2", build: func(n int, end error) demand.Stream[int] {
			return demand.From2(func(yield func(int, error) bool) {
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
				if end != nil {
					yield(0, end)
				}
			})
		}},
		{name: "func", once: true, build: counting},
		{name: "channel", sure: true, once: true, build: func(n int, _ error) demand.Stream[int] {
			ch := make(chan int, n)
			for i := range n {
				ch <- i
			}
			close(ch)
			return demand.Channel(ch)
		}},
		{name: "ticks", sure: true, build: func(n int, _ error) demand.Stream[int] {
			ticks := demand.Ticks(time.Second)
			return demand.Scan(ticks, -1, func(i int, _ mono.Time) int { return i + 1 }).Take(n)
		}},
		{name: "lines", once: true, build: linesOf},
		{name: "publisher", once: true, build: func(n int, end error) demand.Stream[int] {
			return demand.FromPublisher(counting(n, end).Publisher(context.Background()))
		}},
	}
}

// over makes a subject of an operator.
func over(name string, wrap func(demand.Stream[int]) demand.Stream[int]) subject {
	return subject{name: name, once: true, wrap: wrap, build: func(n int, end error) demand.Stream[int] { return wrap(counting(n, end)) }}
}

func same(v int) int { return v }

func operators() []subject {
	type ints = demand.Stream[int]
	return []subject{
		over("map", func(s ints) ints { return demand.Map(s, same) }),
		over("trymap", func(s ints) ints { return demand.TryMap(s, func(v int) (int, error) { return v, nil }) }),
		over("filter", func(s ints) ints { return s.Filter(func(int) bool { return true }) }),
		over("flatmap", func(s ints) ints {
			return demand.FlatMap(s, func(v int) iter.Seq[int] { return func(yield func(int) bool) { yield(v) } })
		}),
		over("take", func(s ints) ints { return s.Take(1 << 20) }),
		over("scan", func(s ints) ints { return demand.Scan(s, -1, func(i, _ int) int { return i + 1 }) }),
		over("tap", func(s ints) ints { return s.Tap(func(int) {}) }),
		over("distinct", func(s ints) ints { return demand.Distinct(s, 8, same) }),
		over("batch", func(s ints) ints {
			batches := demand.Batch(s, demand.BatchConfig[int]{Count: 1, Within: time.Hour})
			return demand.Map(batches, func(b []int) int { return b[0] })
		}),
		over("throttle", func(s ints) ints { return s.Throttle(rate.New(1000, 1)) }),
		over("throttleby", func(s ints) ints {
			return s.ThrottleBy(demand.NewPace(pressure.PacerConfig{Least: 10, Most: 1000}))
		}),
		over("retry", func(s ints) ints {
			return s.Retry(demand.RetryConfig{If: func(error) bool { return false }})
		}),
		over("named", func(s ints) ints { return s.Named("renamed") }),
	}
}

func boundaries() []subject {
	type ints = demand.Stream[int]
	async := func(name string, opts ...demand.Option) subject {
		return over(name, func(s ints) ints { return s.Async(opts...) })
	}
	add := func(waiting, newer int) int { return waiting + newer }
	mixed := func(s subject) subject { s.mixed = true; return s }
	call := func(_ context.Context, v int) (int, error) { return v, nil }
	return []subject{
		async("async"),
		async("async window 1", demand.Window(1)),
		async("async window 3 refill 1", demand.Window(3), demand.Refill(1)),
		async("async cost", demand.Window(10), demand.Cost(func(v int) int64 { return int64(v) })),
		async("async drop newest", demand.Overflow(demand.DropNewest), demand.Window(1<<10)),
		async("async drop oldest", demand.Overflow(demand.DropOldest), demand.Window(1<<10)),
		async("async fail", demand.Overflow(demand.Fail), demand.Window(1<<10)),
		async("async conflate", demand.Conflate(same, add), demand.Window(2)),
		async("async spill", demand.Window(2), demand.Spill(func() (demand.Store[int], error) { return &memory{most: 4}, nil })),
		over("two asyncs", func(s ints) ints { return demand.Map(s.Async(demand.Window(2)), same).Async(demand.Window(3)) }),
		over("mapn ordered", func(s ints) ints { return demand.MapN(s, 3, call) }),
		mixed(over("mapn unordered", func(s ints) ints { return demand.MapN(s, 3, call, demand.InOrder(demand.Unordered)) })),
		mixed(over("mapn by key", func(s ints) ints { return demand.MapN(s, 3, call, demand.ByKey(same)) })),
		over("merge", func(s ints) ints { return demand.Merge([]ints{s, {}}) }),
		over("zip", func(s ints) ints {
			return demand.Zip(s, demand.From(upTo(1<<20)), func(a, _ int) int { return a })
		}),
		over("broadcast", func(s ints) ints { return demand.Broadcast(s, 1)[0] }),
		over("partition", func(s ints) ints { return demand.Partition(s, 1, func(int) int { return 0 })[0] }),
		over("timeout", func(s ints) ints { return s.Timeout(100 * time.Hour) }),
	}
}

func subjects() []subject {
	return append(append(sources(), operators()...), boundaries()...)
}

// each runs f for every subject, in a bubble of its own.
func each(t *testing.T, f func(t *testing.T, s subject)) {
	for _, s := range subjects() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, s) })
		})
	}
}

// memory is a store with room for most items.
type memory struct {
	items  []int
	most   int
	closed bool
}

func (m *memory) Put(v int) (bool, error) {
	if len(m.items) >= m.most {
		return false, nil
	}
	m.items = append(m.items, v)
	return true, nil
}

func (m *memory) Get() (int, error) {
	v := m.items[0]
	m.items = m.items[1:]
	return v, nil
}

func (m *memory) Len() int     { return len(m.items) }
func (m *memory) Close() error { m.closed = true; return nil }
