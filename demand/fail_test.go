package demand_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/mono"
)

// TestImpossibleOperators fail when they are run, with the stage's name.
func TestImpossibleOperators(t *testing.T) {
	one := demand.Of(1)
	call := func(_ context.Context, v int) (int, error) { return v, nil }
	nilCost := demand.Cost[int](nil)
	for name, s := range map[string]demand.Stream[int]{
		"map":       demand.Map[int, int](one, nil),
		"trymap":    demand.TryMap[int, int](one, nil),
		"filter":    one.Filter(nil),
		"flatmap":   demand.FlatMap[int, int](one, nil),
		"take":      one.Take(-1),
		"scan":      demand.Scan[int, int](one, 0, nil),
		"tap":       one.Tap(nil),
		"distinct":  demand.Distinct(one, 0, same),
		"from":      demand.From[int](nil),
		"from2":     demand.From2[int](nil),
		"func":      demand.Func[int](nil),
		"channel":   demand.Channel[int](nil),
		"publisher": demand.FromPublisher[int](nil),
		"zip":       demand.Zip[int, int, int](one, one, nil),
		"mapn":      demand.MapN[int, int](one, 1, nil),
		"partition": demand.Partition(one, 1, nil)[0],
		"broadcast": demand.Broadcast(one, 0)[0],
		"throttle":  one.Throttle(nil),
		"retry":     one.Retry(demand.RetryConfig{Attempts: -1}),
		"timeout":   one.Timeout(0),
	} {
		if _, err := s.Collect(t.Context(), 1); !errors.Is(err, demand.ErrConfig) || !strings.Contains(err.Error(), "stage "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, opts := range map[string][]demand.Option{
		"window 0":       {demand.Window(0)},
		"window -1":      {demand.Window(-1)},
		"window 2^63-1":  {demand.Window(demand.Unbounded)},
		"refill 0":       {demand.Refill(0)},
		"refill 1.1":     {demand.Refill(1.1)},
		"cost nil":       {nilCost},
		"cost of others": {demand.Cost(func(string) int64 { return 1 })},
		"conflate nil":   {demand.Conflate[int, int](nil, nil)},
		"spill nil":      {demand.Spill[int](nil)},
		"policy 99":      {demand.Overflow(99)},
	} {
		for _, s := range []demand.Stream[int]{one.Async(opts...), demand.Merge([]demand.Stream[int]{one}, opts...), demand.MapN(one, 1, call, opts...)} {
			if _, err := s.Collect(t.Context(), 1); !errors.Is(err, demand.ErrConfig) {
				t.Errorf("%s, %s: %v", s.Name(), name, err)
			}
		}
	}
	if got := demand.MapN(one, 0, call); !errors.Is(got.Each(t.Context(), func(int) error { return nil }), demand.ErrConfig) {
		t.Error("MapN of 0")
	}
}

// TestPanics become errors of the stage whose function panicked.
func TestPanics(t *testing.T) {
	type ints = demand.Stream[int]
	boom := func(v int) int {
		if v == 3 {
			panic(errEnd)
		}
		return v
	}
	source := func() ints { return counting(9, nil) }
	for name, s := range map[string]ints{
		"func": demand.Func(func(context.Context) (int, error) { panic(errEnd) }),
		"from": demand.From(func(yield func(int) bool) { yield(0); panic(errEnd) }),
		"map":  demand.Map(demand.Map(source(), same).Named("first"), boom),
		"mid":  demand.Map(demand.Map(demand.Map(source(), same), boom).Named("mid"), same).Async(),
		"filter": source().Filter(func(v int) bool {
			return boom(v) >= 0
		}),
		"flatmap": demand.FlatMap(source(), func(v int) iter.Seq[int] {
			return func(yield func(int) bool) { yield(v); boom(v) }
		}),
		"scan":     demand.Scan(source(), 0, func(_, v int) int { return boom(v) }),
		"distinct": demand.Distinct(source(), 5, boom),
		"async":    source().Async(demand.Window(100), demand.Cost(func(v int) int64 { return int64(boom(v)) })),
		"conflated": source().Async(demand.Window(1), demand.Conflate(same, func(_, v int) int {
			return boom(v)
		}), demand.Conflate(func(int) int { return 0 }, func(_, _ int) int { panic(errEnd) })).Named("conflated"),
		"mapn": demand.MapN(source(), 2, func(_ context.Context, v int) (int, error) { return boom(v), nil }),
		"zip":  demand.Zip(source(), source(), func(a, _ int) int { return boom(a) }),
		"partition": demand.Partition(source(), 1, func(v int) int {
			return boom(v) - v
		})[0],
		"out of range": demand.Partition(source(), 1, func(v int) int { return 7 })[0].Named("out of range"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := s.Tap(func(int) { sleep() })
				_, err := slow.Collect(t.Context(), 99)
				e, ok := errors.AsType[*demand.StageError](err)
				if name == "out of range" && ok {
					return
				}
				if !ok || e.Stage != name || !errors.Is(err, errEnd) {
					t.Errorf("got %v", err)
				}
				if _, ok := errors.AsType[*demand.PanicError](err); !ok {
					t.Errorf("%v does not say that it was a panic", err)
				}
			})
		})
	}
}

// TestConsumersPanic is the consumer's own: it passes through, and all is
// stopped behind it.
func TestConsumersPanic(t *testing.T) {
	defer func() {
		if v := recover(); v != "mine" {
			t.Errorf("recovered %v", v)
		}
	}()
	for _, err := range demand.Map(counting(9, nil).Async(), same).All(t.Context()) {
		if err == nil {
			panic("mine")
		}
	}
}

func TestGoexit(t *testing.T) {
	leave := func(v int) int { runtime.Goexit(); return v }
	for name, s := range map[string]demand.Stream[int]{
		"async": demand.Map(demand.Of(1), leave).Async(),
		"mapn":  demand.MapN(demand.Of(1), 2, func(_ context.Context, v int) (int, error) { return leave(v), nil }),
	} {
		if _, err := s.Collect(t.Context(), 1); !errors.Is(err, demand.ErrExited) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCancel ends every subject with the cause, whatever it waits for.
func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		err := s.build(50, nil).Each(ctx, func(int) error {
			if n++; n == 2 {
				cancel(errEnd)
				synctest.Wait()
			}
			return nil
		})
		if !errors.Is(err, errEnd) {
			t.Errorf("got %v after %d items", err, n)
		}
	})
}

// TestCancelWhileNothingComes ends subjects whose source is silent.
func TestCancelWhileNothingComes(t *testing.T) {
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errEnd)
				defer cancel()
				silent := demand.Channel(make(chan int))
				if _, err := w.wrap(silent).Collect(ctx, 9); !errors.Is(err, errEnd) {
					t.Error(err)
				}
			})
		})
	}
}

func TestErrorOnceWithName(t *testing.T) {
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs []error
				items := 0
				for _, err := range w.wrap(counting(3, errEnd).Named("broken")).All(t.Context()) {
					if err != nil {
						errs = append(errs, err)
					} else {
						items++
					}
				}
				if len(errs) != 1 || items != 3 {
					t.Fatalf("%d items, errors %v", items, errs)
				}
				e, ok := errors.AsType[*demand.StageError](errs[0])
				if !ok || e.Stage != "broken" && w.name != "named" || !errors.Is(e, errEnd) {
					t.Errorf("got %v", errs[0])
				}
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		go func() {
			for i := range 3 {
				sleep()
				ch <- i
			}
		}()
		start := mono.Now()
		got, err := demand.Channel(ch).Timeout(5*time.Second).Collect(t.Context(), 9)
		if len(got) != 3 || !errors.Is(err, demand.ErrTimeout) || mono.Now().Sub(start) != 8*time.Second {
			t.Errorf("%v, %v after %v", got, err, mono.Now().Sub(start))
		}
	})
}

func TestBatchWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		go func() {
			for i := range 5 {
				ch <- i
				if i%2 == 1 {
					time.Sleep(10 * time.Second)
				}
			}
			close(ch)
		}()
		batches := demand.Batch(demand.Channel(ch).Async(), demand.BatchConfig[int]{Count: 100, Within: 3 * time.Second})
		var at []time.Duration
		var sizes []int
		start := mono.Now()
		for b, err := range batches.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, mono.Now().Sub(start))
			sizes = append(sizes, len(b))
		}
		want := []time.Duration{3 * time.Second, 13 * time.Second, 20 * time.Second}
		for i := range want {
			if len(at) != 3 || at[i] != want[i] || sizes[i] != []int{2, 2, 1}[i] {
				t.Fatalf("batches of %v at %v, want 2, 2, 1 at %v", sizes, at, want)
			}
		}
	})
}

func TestBatchBytes(t *testing.T) {
	size := func(v int) int64 { return int64(v) }
	s := demand.Batch(demand.Of(4, 4, 4, 20, 1, 1), demand.BatchConfig[int]{Bytes: 10, Size: size})
	got, err := s.Collect(t.Context(), 9)
	if want := [][]int{{4, 4}, {4}, {20}, {1, 1}}; err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v; want %v", got, err, want)
	}
	for _, cfg := range []demand.BatchConfig[int]{{}, {Count: -1}, {Bytes: 1}, {Size: size}, {Count: 1, Within: -1}} {
		if _, err := demand.Batch(demand.Of(1), cfg).Collect(t.Context(), 1); !errors.Is(err, demand.ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestTicksHonourDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := mono.Now()
		var at []time.Duration
		for now, err := range demand.Ticks(time.Second).All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, now.Sub(start))
			if len(at) == 2 {
				time.Sleep(4500 * time.Millisecond) // nobody wants ticks meanwhile
			}
			if len(at) == 4 {
				break
			}
		}
		want := []time.Duration{time.Second, 2 * time.Second, 7 * time.Second, 8 * time.Second}
		for i := range want {
			if at[i] != want[i] {
				t.Fatalf("ticks at %v, want %v", at, want)
			}
		}
	})
}

func TestRetryBudget(t *testing.T) {
	runs := 0
	s := demand.From2(func(yield func(int, error) bool) {
		runs++
		yield(0, errEnd)
	})
	// Nothing passes, so the budget has one spare retry, whatever Attempts says.
	if _, err := s.Retry(demand.RetryConfig{Attempts: 100}).Collect(t.Context(), 1); !errors.Is(err, errEnd) || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
	calls := 0
	f := demand.Retrying(func(_ context.Context, v int) (int, error) {
		if calls++; calls%2 == 1 {
			return 0, errEnd
		}
		return v, nil
	}, demand.RetryConfig{Share: 1})
	if got, err := demand.MapN(demand.Of(1, 2, 3), 1, f).Collect(t.Context(), 9); len(got) != 3 || err != nil || calls != 6 {
		t.Errorf("%v, %v after %d calls", got, err, calls)
	}
}

func TestCollectBound(t *testing.T) {
	got, err := demand.Of(1, 2, 3).Collect(t.Context(), 2)
	if len(got) != 2 || !errors.Is(err, demand.ErrBound) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want int
		err  error
	}{
		{"", 5, 0, nil},
		{"a\nb", 5, 2, nil},
		{"a\r\n\n", 5, 2, nil},
		{"12345\n12345\r\n", 5, 2, nil},
		{"123456\n", 5, 0, demand.ErrBound},
		{"ok\n" + strings.Repeat("x", 100), 5, 1, demand.ErrBound},
		{strings.Repeat("x", 40), 40, 1, nil},
	} {
		got, err := demand.Lines(strings.NewReader(c.text), c.most).Collect(t.Context(), 9)
		if len(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
		for _, line := range got {
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("%q: %q", c.text, line)
			}
		}
	}
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m demand.Monitor
		slow := demand.Map(counting(10, nil).Named("src"), func(v int) int { sleep(); return v }).Named("work")
		err := slow.Async(demand.Window(2)).Named("hop").Each(m.Watch(t.Context()), func(int) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		stages := m.Snapshot().Stages
		if len(stages) != 2 || stages[0].Name != "hop>each" || stages[1].Name != "src>work" {
			t.Fatalf("%+v", stages)
		}
		for _, s := range stages {
			if sum := s.Busy + s.Blocked + s.Starved + s.Idle; sum < 0.999 || sum > 1.001 || !s.Over {
				t.Errorf("%+v: shares sum to %v", s, sum)
			}
		}
		if stages[0].Starved < 0.99 || stages[1].Busy < 0.99 || stages[0].Items != 10 || stages[0].Outstanding != 0 {
			t.Errorf("%+v", stages)
		}
	})
}

func TestStoreFails(t *testing.T) {
	for name, open := range map[string]func() (demand.Store[int], error){
		"open": func() (demand.Store[int], error) { return nil, errEnd },
		"put":  func() (demand.Store[int], error) { return &brokenStore{put: errEnd}, nil },
		"get":  func() (demand.Store[int], error) { return &brokenStore{get: errEnd}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := counting(9, nil).Async(demand.Window(2), demand.Spill(open)).Tap(func(int) { sleep() })
				got, err := s.Collect(t.Context(), 9)
				if !errors.Is(err, errEnd) || len(got) < 2 {
					t.Errorf("%v, %v", got, err)
				}
			})
		})
	}
}

// brokenStore fails as it is told.
type brokenStore struct {
	memory
	put, get error
}

func (b *brokenStore) Put(v int) (bool, error) {
	b.most = 100
	if b.put != nil {
		return false, b.put
	}
	return b.memory.Put(v)
}

func (b *brokenStore) Get() (int, error) { return 0, b.get }
