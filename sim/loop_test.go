package sim_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

type scheduled struct {
	at  mono.Time
	seq uint64
}

// A loop fires what a sorted list says: by instant, and in the order of
// scheduling where instants are equal; also what is scheduled meanwhile.
func loopAgainstList(t *rapid.T) {
	var loop sim.Loop
	var list, fired []scheduled
	n := uint64(0)
	var schedule func(budget int)
	schedule = func(budget int) {
		for range budget {
			at := mono.Time(rapid.Int64Range(-5, 30).Draw(t, "at"))
			e := scheduled{max(at, loop.Now()), n}
			n++
			list = append(list, e)
			more := rapid.IntRange(0, 5).Draw(t, "more")
			loop.At(at, sim.HandlerFunc(func(now mono.Time, arg uint64) {
				if now != loop.Now() || now != e.at || arg != e.seq {
					t.Fatalf("event %d fires at %d with %d, was due at %d", e.seq, now, arg, e.at)
				}
				fired = append(fired, scheduled{now, arg})
				if n < 300 && more > 3 {
					schedule(more - 3)
				}
			}), e.seq)
		}
	}
	schedule(rapid.IntRange(0, 100).Draw(t, "events"))
	end := mono.Time(rapid.Int64Range(0, 40).Draw(t, "end"))
	loop.Run(end)
	if loop.Now() != end {
		t.Fatalf("now is %d after a run until %d", loop.Now(), end)
	}
	slices.SortFunc(list, func(a, b scheduled) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	list = slices.DeleteFunc(list, func(e scheduled) bool { return e.at > end })
	if !slices.Equal(fired, list) || loop.Fired() != uint64(len(list)) {
		t.Fatalf("fired %v, want %v", fired, list)
	}
}

func TestLoopAgainstList(t *testing.T) { rapid.Check(t, loopAgainstList) }

func FuzzLoopAgainstList(f *testing.F) { f.Fuzz(rapid.MakeFuzz(loopAgainstList)) }

func TestAfter(t *testing.T) {
	var loop sim.Loop
	var fired []uint64
	note := sim.HandlerFunc(func(_ mono.Time, arg uint64) { fired = append(fired, arg) })
	loop.Run(100)
	loop.After(5, note, 2)
	loop.After(-7, note, 1) // now
	loop.At(20, note, 3)    // has passed: now, after what was scheduled before
	loop.Run(50)            // goes nowhere, but what is due at 100 is later than 50
	if loop.Now() != 100 || len(fired) != 0 {
		t.Errorf("now %d, fired %v", loop.Now(), fired)
	}
	loop.Run(105)
	if !slices.Equal(fired, []uint64{1, 3, 2}) {
		t.Errorf("fired %v, want 1, 3, 2", fired)
	}
}

// steady keeps so many events in the queue.
type steady struct {
	loop *sim.Loop
	rng  uint64
}

func (s *steady) Fire(now mono.Time, arg uint64) {
	s.rng = s.rng*6364136223846793005 + 1442695040888963407
	s.loop.At(now.Add(time.Duration(1+s.rng>>54)), s, arg)
}

func fillLoop(events int) (*sim.Loop, *steady) {
	var loop sim.Loop
	s := &steady{loop: &loop}
	for i := range events {
		loop.At(mono.Time(i), s, uint64(i))
	}
	return &loop, s
}

func TestEventsAllocateNothing(t *testing.T) {
	loop, _ := fillLoop(1000)
	loop.Run(10_000)
	was := loop.Fired()
	if n := testing.AllocsPerRun(10, func() { loop.Run(loop.Now().Add(1000)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if loop.Fired() == was {
		t.Error("nothing fired")
	}
}

func BenchmarkLoop(b *testing.B) {
	for _, events := range []int{16, 1000, 100_000} {
		b.Run(fmt.Sprintf("queued=%d", events), func(b *testing.B) {
			loop, _ := fillLoop(events)
			b.ReportAllocs()
			was := loop.Fired()
			for b.Loop() {
				loop.Run(loop.Now() + 1)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(loop.Fired()-was), "ns/event")
		})
	}
}

func ExampleLoop() {
	var loop sim.Loop
	loop.After(time.Second, sim.HandlerFunc(func(now mono.Time, arg uint64) {
		fmt.Println(time.Duration(now), arg)
	}), 42)
	loop.Run(mono.Time(time.Minute))
	fmt.Println(time.Duration(loop.Now()))
	// Output:
	// 1s 42
	// 1m0s
}
