package demand_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/demand"
)

// TestPolicies lets a source send 0 to 9 while the consumer holds 0 in its hand,
// and then reads the rest.
func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		name  string
		opts  []demand.Option
		want  []int
		drops demand.Drops
		err   error
	}{
		{"block", nil, numbers(10), demand.Drops{}, nil},
		{"drop newest", []demand.Option{demand.Overflow(demand.DropNewest)}, []int{0, 1, 2}, demand.Drops{Newest: 7}, nil},
		{"drop oldest", []demand.Option{demand.Overflow(demand.DropOldest)}, []int{0, 7, 8, 9}, demand.Drops{Oldest: 6}, nil},
		{"latest", []demand.Option{demand.Overflow(demand.Latest)}, []int{0, 9}, demand.Drops{Oldest: 8}, nil},
		{"fail", []demand.Option{demand.Overflow(demand.Fail)}, []int{0, 1, 2}, demand.Drops{}, demand.ErrOverflow},
		{
			"conflate by parity",
			[]demand.Option{demand.Conflate(func(v int) int { return v % 2 }, func(a, b int) int { return a*10 + b })},
			[]int{0, 13579, 2468},
			demand.Drops{Conflated: 7},
			nil,
		},
		{
			"spill",
			[]demand.Option{demand.Spill(func() (demand.Store[int], error) { return &memory{most: 100}, nil })},
			numbers(10),
			demand.Drops{Spilled: 6},
			nil,
		},
		{
			"spill with a full store",
			[]demand.Option{demand.Spill(func() (demand.Store[int], error) { return &memory{most: 2}, nil })},
			numbers(10),
			demand.Drops{},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var monitor demand.Monitor
				first, gate := make(chan int, 1), make(chan struct{})
				source := demand.From(func(yield func(int) bool) {
					for i := range 10 {
						if !yield(i) {
							return
						}
						if i == 0 {
							sleep() // until the consumer has it in hand
						}
					}
				})
				s := source.Async(append([]demand.Option{demand.Window(3)}, c.opts...)...)
				var got []int
				done := make(chan error)
				go func() {
					done <- s.Each(monitor.Watch(t.Context()), func(v int) error {
						if v == 0 {
							first <- v
							<-gate
						}
						got = append(got, v)
						return nil
					})
				}()
				<-first
				sleep()
				sleep()
				close(gate)
				if err := <-done; !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				drops := monitor.Snapshot().Stages[0].Drops
				if c.drops.Spilled == 0 {
					drops.Spilled = 0 // how many spill depends on who is faster
				}
				if drops != c.drops {
					t.Errorf("drops %+v, want %+v", drops, c.drops)
				}
			})
		})
	}
}

// TestOutstanding counts what has left the source and not been finished with.
func TestOutstanding(t *testing.T) {
	call := func(_ context.Context, v int) (int, error) { return v, nil }
	for _, c := range []struct {
		name string
		s    func(demand.Stream[int]) demand.Stream[int]
		most int64 // windows, and what each loop has in hand
	}{
		{"fused", func(s demand.Stream[int]) demand.Stream[int] { return demand.Map(s, same) }, 1},
		{"async 1", func(s demand.Stream[int]) demand.Stream[int] { return s.Async(demand.Window(1)) }, 1},
		{"async 7", func(s demand.Stream[int]) demand.Stream[int] { return s.Async(demand.Window(7)) }, 7},
		{"cost", func(s demand.Stream[int]) demand.Stream[int] {
			return s.Async(demand.Window(20), demand.Cost(func(int) int64 { return 5 }))
		}, 4},
		{"async 3, async 5", func(s demand.Stream[int]) demand.Stream[int] {
			return s.Async(demand.Window(3)).Async(demand.Window(5))
		}, 8},
		{"mapn", func(s demand.Stream[int]) demand.Stream[int] { return demand.MapN(s, 4, call, demand.Window(6)) }, 6},
		{"unordered", func(s demand.Stream[int]) demand.Stream[int] {
			return demand.MapN(s, 4, call, demand.InOrder(demand.Unordered))
		}, 8},
		{"merge", func(s demand.Stream[int]) demand.Stream[int] {
			return demand.Merge([]demand.Stream[int]{s}, demand.Window(9))
		}, 9},
		{"broadcast", func(s demand.Stream[int]) demand.Stream[int] { return demand.Broadcast(s, 1, demand.Window(2))[0] }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { outstanding(t, c.s, c.most) })
		})
	}
}

// outstanding runs a source and a consumer that are by turns the slower one, and
// looks in between, while nothing can move, at what is under way: never more than
// most, and at times as much.
func outstanding(t *testing.T, through func(demand.Stream[int]) demand.Stream[int], most int64) {
	const items, phase = 600, 100 // one of the two is slow for a phase
	var made, done atomic.Int64
	source := demand.Func(func(context.Context) (int, error) {
		if n := made.Load(); n/phase%2 == 1 {
			time.Sleep(time.Duration(n%7) * time.Millisecond)
		}
		return int(made.Add(1)), nil
	})
	over := make(chan error, 1)
	go func() {
		over <- through(source).Take(items).Each(t.Context(), func(int) error {
			if n := done.Load(); n/phase%2 == 0 {
				time.Sleep(time.Duration(n%5) * time.Millisecond)
			}
			done.Add(1)
			return nil
		})
	}()
	peak := int64(0)
	for {
		time.Sleep(500 * time.Microsecond) // half-way between what the others sleep
		synctest.Wait()
		peak = max(peak, made.Load()-done.Load())
		select {
		case err := <-over:
			if err != nil || done.Load() != items || peak != most {
				t.Errorf("%d items, %v; at most %d were outstanding, want %d", done.Load(), err, peak, most)
			}
			return
		default:
		}
	}
}

// TestBlockPacesTheSource stops the consumer, and looks how far the source goes.
func TestBlockPacesTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		s := demand.Func(func(context.Context) (int, error) { made++; return made, nil })
		p := &probe{ask: 10}
		r := s.Async(demand.Window(8)).Subscribe(t.Context(), p)
		settle()
		if made <= 10 || made > 10+8 {
			t.Errorf("the source made %d: ten, and at most a window of 8", made)
		}
		r.Cancel()
		<-r.Done()
	})
}

// TestOneOfEightIsSlow is MapN with a call that takes 100 times as long.
func TestOneOfEightIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast, slow := 0, 0
		call := func(ctx context.Context, v int) (int, error) {
			if v == 0 {
				for range 100 {
					sleep()
				}
			} else {
				sleep()
			}
			return v, nil
		}
		s := demand.MapN(demand.From(upTo(1+7*99)), 8, call, demand.InOrder(demand.Unordered))
		for v, err := range s.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if v == 0 {
				slow = fast
			} else {
				fast++
			}
		}
		// Seven others, one each second.
		if fast != 7*99 || slow != 7*99 {
			t.Errorf("%d others finished, %d of them before the slow one", fast, slow)
		}
	})
}

func TestByKeyKeepsTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := func(ctx context.Context, v int) (int, error) {
			if v%3 == 0 {
				sleep()
			}
			return v, nil
		}
		s := demand.MapN(demand.From(upTo(60)), 4, call, demand.ByKey(func(v int) int { return v % 3 }), demand.Window(30))
		last := map[int]int{0: -3, 1: -2, 2: -1}
		overtaken := 0
		for v, err := range s.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if v != last[v%3]+3 {
				t.Errorf("%d after %d", v, last[v%3])
			}
			last[v%3] = v
			if v > last[0]+3 {
				overtaken++
			}
		}
		if overtaken == 0 {
			t.Error("no other key overtook the slow one")
		}
	})
}

func TestBroadcastWithDropsGoesOnForTheFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts := demand.Broadcast(counting(100, nil), 2, demand.Overflow(demand.DropNewest), demand.Window(200))
		slow, fast := &probe{}, &probe{ask: demand.Unbounded}
		a := parts[0].Subscribe(t.Context(), slow)
		parts[1].Subscribe(t.Context(), fast)
		settle()
		fast.want(t, subject{}, 100, 0, 1)
		slow.want(t, subject{}, 0, 0, 0)
		a.Cancel()
		<-a.Done()
	})
}

func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts := demand.Partition(counting(30, nil), 3, func(v int) int { return v % 3 })
		for i, part := range parts {
			go func() {
				got, err := part.Collect(context.Background(), 100)
				for j, v := range got {
					if v != 3*j+i {
						t.Errorf("part %d has %v", i, got)
					}
				}
				if len(got) != 10 || err != nil {
					t.Errorf("part %d: %d items, %v", i, len(got), err)
				}
			}()
		}
	})
}

func TestBranchRunsOnce(t *testing.T) {
	s := demand.Broadcast(demand.Of(1), 1)[0]
	for i, want := range []error{nil, demand.ErrUsed} {
		if _, err := s.Collect(t.Context(), 9); !errors.Is(err, want) {
			t.Errorf("run %d: %v", i+1, err)
		}
	}
}

func ExampleConflate() {
	type price struct {
		symbol string
		cents  int
	}
	source := demand.Of(price{"A", 1}, price{"A", 2}, price{"A", 3})
	latest := source.Async(demand.Conflate(
		func(p price) string { return p.symbol },
		func(_, newer price) price { return newer },
	))
	last := 0
	for p, err := range latest.All(context.Background()) {
		if err != nil {
			panic(err)
		}
		last = p.cents
	}
	fmt.Println(last)
	// Output: 3
}
