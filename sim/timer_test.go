package sim_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// Timers and plain events fire in one order, by instant and then by scheduling,
// and a cancelled timer never fires: as a list that is searched says.
func timersAgainstList(t *rapid.T) {
	type item struct {
		at    mono.Time
		seq   uint64
		timer sim.Timer
		plain bool
	}
	var loop sim.Loop
	var list []item
	var fired []uint64
	n := uint64(0)
	note := sim.HandlerFunc(func(_ mono.Time, arg uint64) { fired = append(fired, arg) })
	for range rapid.IntRange(1, 200).Draw(t, "steps") {
		switch rapid.IntRange(0, 4).Draw(t, "step") {
		case 0, 1:
			at := mono.Time(rapid.Int64Range(0, 50).Draw(t, "at"))
			it := item{at: max(at, loop.Now()), seq: n}
			it.timer = loop.Set(at, note, n)
			list = append(list, it)
			n++
		case 2:
			at := mono.Time(rapid.Int64Range(0, 50).Draw(t, "at"))
			list = append(list, item{at: max(at, loop.Now()), seq: n, plain: true})
			loop.At(at, note, n)
			n++
		case 3:
			if len(list) == 0 {
				continue
			}
			i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
			if it := list[i]; !it.plain {
				if !loop.Cancel(it.timer) || loop.Cancel(it.timer) {
					t.Fatalf("timer %d: cancelled never, or twice", it.seq)
				}
				list = slices.Delete(list, i, i+1)
			}
		case 4:
			end := loop.Now() + mono.Time(rapid.Int64Range(0, 10).Draw(t, "for"))
			fired = fired[:0]
			loop.Run(end)
			var due []item
			for _, it := range list {
				if it.at <= end {
					due = append(due, it)
					if !it.plain && loop.Cancel(it.timer) {
						t.Fatalf("timer %d has fired and can be cancelled", it.seq)
					}
				}
			}
			list = slices.DeleteFunc(list, func(it item) bool { return it.at <= end })
			slices.SortFunc(due, func(a, b item) int {
				if a.at != b.at {
					return int(a.at - b.at)
				}
				return int(a.seq) - int(b.seq)
			})
			want := make([]uint64, 0, len(due))
			for _, it := range due {
				want = append(want, it.seq)
			}
			if !slices.Equal(fired, want) {
				t.Fatalf("fired %v, want %v", fired, want)
			}
		}
		if loop.Pending() != len(list) {
			t.Fatalf("%d pending, want %d", loop.Pending(), len(list))
		}
	}
	if loop.Cancel(sim.Timer{}) {
		t.Fatal("the zero timer was cancelled")
	}
}

func TestTimersAgainstList(t *testing.T) { rapid.Check(t, timersAgainstList) }
func FuzzTimersAgainstList(f *testing.F) { f.Fuzz(rapid.MakeFuzz(timersAgainstList)) }
