package rival_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/rival"
)

func TestPriorityOf(t *testing.T) {
	for _, row := range []struct {
		work penstock.Work
		want int
	}{
		{penstock.Work{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(0)}, 0},
		{penstock.Work{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(127), Attempt: 3}, 127},
		{penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(5)}, 133},
		{penstock.Work{}, 128},
		{penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(127)}, rival.Priorities - 1},
	} {
		if got := rival.PriorityOf(row.work); got != row.want {
			t.Errorf("%+v: priority %d; want %d", row.work, got, row.want)
		}
	}
}

// window offers so many requests of each of some priorities within one window,
// of which each waits for that long, and returns the level after it.
func window(d *rival.Dagor, now mono.Time, asks map[int]int, waited time.Duration) int {
	for p, n := range asks {
		for range n {
			d.Admit(now, rival.Ask{Priority: p})
			d.Started(now, waited)
		}
	}
	return d.Level(now.Add(rival.DagorWindow))
}

// TestDagorLevel follows the level through windows of 1 s: 5 % less of what was
// admitted after overload, 1 % more of what arrived after any other.
func TestDagorLevel(t *testing.T) {
	d := rival.NewDagor(rival.DagorConfig{}, 0)
	asks := map[int]int{100: 900, 200: 50, 300: 30, 400: 20}
	d.Level(0)
	now := mono.Time(0)
	for i, row := range []struct {
		waited time.Duration
		want   int
	}{
		{20 * ms, rival.Priorities - 1}, // not above the threshold
		{21 * ms, 299},                  // 1000 entered: 950 are to, and 400 and 300 make 50
		{21 * ms, 199},                  // 950 entered: 902.5 are to
		{21 * ms, 99},
		{0, 100}, // nothing entered, 1000 arrived: 10 more are to
		{0, 200}, // as the whole of a priority enters, so do all of 900
		{0, 300},
		{0, 400},
		{0, rival.Priorities - 1}, // nothing is left to add
	} {
		got := window(d, now, asks, row.waited)
		now = now.Add(rival.DagorWindow)
		if got != row.want {
			t.Fatalf("window %d, waits of %v: level %d; want %d", i, row.waited, got, row.want)
		}
	}
}

// A window ends with its 2000th request too, and silence changes nothing.
func TestDagorWindow(t *testing.T) {
	d := rival.NewDagor(rival.DagorConfig{Threshold: ms}, 0)
	d.Level(0)
	for i := range rival.DagorRequests {
		if got := d.Level(0); got != rival.Priorities-1 {
			t.Fatalf("level %d after %d requests", got, i)
		}
		d.Admit(0, rival.Ask{Priority: i % 100})
		d.Started(0, 2*ms)
	}
	level := d.Level(0)
	if level != 94 {
		t.Errorf("level %d after a full window; want 94", level)
	}
	if got := d.Level(mono.Time(time.Hour)); got != level {
		t.Errorf("an hour of silence moved the level to %d", got)
	}
}

// Callers refuse what a callee would, by the level that it told last.
func TestDagorCallers(t *testing.T) {
	d := rival.NewDagor(rival.DagorConfig{}, 2)
	d.Heard(1, 50)
	for _, row := range []struct {
		callee, priority int
		want             bool
	}{{0, rival.Priorities - 1, true}, {1, 50, true}, {1, 51, false}} {
		if got := d.Sends(row.callee, rival.Ask{Priority: row.priority}); got != row.want {
			t.Errorf("priority %d to callee %d: %v; want %v", row.priority, row.callee, got, row.want)
		}
	}
	if said, told := d.Says(0, rival.Ask{}); said != rival.Priorities-1 || !told {
		t.Errorf("it tells %d, %v: not its own level", said, told)
	}
}

// The level is the first on its walk at which enough is gone, or added.
func dagorWalk(t *rapid.T) {
	d := rival.NewDagor(rival.DagorConfig{}, 0)
	d.Level(0)
	level := rival.Priorities - 1
	now := mono.Time(0)
	for range rapid.IntRange(1, 6).Draw(t, "windows") {
		asks := rapid.MapOfN(rapid.IntRange(0, rival.Priorities-1), rapid.IntRange(1, 20), 0, 40).Draw(t, "asks")
		upTo := func(level int) (n int) {
			for p, k := range asks {
				if p <= level {
					n += k
				}
			}
			return n
		}
		waited := rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "waited")
		got := window(d, now, asks, waited)
		now = now.Add(rival.DagorWindow)
		admitted, all := float64(upTo(level)), float64(upTo(rival.Priorities-1))
		want := level
		if waited > 0 && all > 0 {
			for want > 0 && float64(upTo(want)) > 0.95*admitted {
				want--
			}
		} else {
			for want < rival.Priorities-1 && float64(upTo(want)) < admitted+0.01*all {
				want++
			}
		}
		if got != want {
			t.Fatalf("level %d after %d; want %d", got, level, want)
		}
		level = got
	}
}

func TestDagorWalk(t *testing.T) { rapid.Check(t, dagorWalk) }
func FuzzDagorWalk(f *testing.F) { f.Fuzz(rapid.MakeFuzz(dagorWalk)) }
