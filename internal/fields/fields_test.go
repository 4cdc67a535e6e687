package fields_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/internal/fields"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

const ms = time.Millisecond

// The value of Penstock-Work is what package pressure writes, made once for first
// attempts, and has no room for more.
func works(t *rapid.T) {
	w := penstock.Work{
		Criticality: penstock.Criticality(rapid.Uint8().Draw(t, "criticality")),
		Cohort:      penstock.Cohort(rapid.Uint8().Draw(t, "cohort")),
		Attempt:     rapid.IntRange(-1, 3).Draw(t, "attempt"),
	}
	got, again := fields.Work(&w), fields.Work(&w)
	want := string(pressure.AppendWork(nil, w))
	if want == "" {
		if got != nil {
			t.Fatalf("%+v is said as %q; want nothing", w, got)
		}
		return
	}
	if len(got) != 1 || cap(got) != 1 || got[0] != want || again[0] != want {
		t.Fatalf("%+v is said as %q and %q; want %q, and no room for more", w, got, again, want)
	}
}

func TestWorks(t *testing.T) { rapid.Check(t, works) }
func FuzzWorks(f *testing.F) { f.Fuzz(rapid.MakeFuzz(works)) }

func drawSignal(t *rapid.T) pressure.Signal {
	return pressure.Signal{
		Level: rapid.Float64Range(0, 1).Draw(t, "level"),
		Price: penstock.Price(rapid.Uint16Range(0, 1024).Draw(t, "price")),
		Delay: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "delay")),
		Retry: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "retry")),
	}
}

// Whatever is told in whatever order, the field says it, merged with the path; and
// a load is told at most once in 10 ms, and with the first answer after them. It
// speaks of the server alone, and of what a meter of single counts says to within
// the 10 ms for which counts are put together.
func tellings(t *rapid.T) {
	teller := fields.NewTeller(pressure.AppendLoad)
	now := mono.Time(rapid.Int64Range(-1e15, 1e15).Draw(t, "origin"))
	last := mono.Time(math.MinInt64 / 2)
	var meter pressure.Meter
	signals := []pressure.Signal{drawSignal(t), drawSignal(t), {}}
	for i := range rapid.IntRange(1, 30).Draw(t, "answers") {
		own := rapid.SampledFrom(signals).Draw(t, "own")
		path := rapid.SampledFrom(signals).Draw(t, "path")
		now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*ms)).Draw(t, "passed")))
		said, load := teller.Tell(now, own, path)
		if want := string(pressure.AppendHeader(nil, pressure.Merge(own, path))); len(said) != 1 || cap(said) != 1 || said[0] != want {
			t.Fatalf("%+v and %+v are told as %q; want %q, and no room for more", own, path, said, want)
		}
		due := i == 0 || now.Sub(last) >= pressure.LoadEvery
		if due != (load != nil) {
			t.Fatalf("answer %d, %v after the last load: %q", i, now.Sub(last), load)
		}
		if due {
			last = now
			told, ok := pressure.ParseLoad(load[0])
			rps, eps := meter.Rates(now)
			if !ok || math.Abs(told.Level-own.Level) > 0.001 || math.Abs(told.RPS-rps) > 0.001+rps/50 || math.Abs(told.EPS-eps) > 0.001+eps/50 {
				t.Fatalf("load %q; want level %v, %v/s, of them %v/s failed", load, own.Level, rps, eps)
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "finished") {
			failed := rapid.Bool().Draw(t, "failed")
			teller.Count(now, failed)
			meter.Count(now, failed)
		}
	}
}

func TestTellings(t *testing.T) { rapid.Check(t, tellings) }
func FuzzTellings(f *testing.F) { f.Fuzz(rapid.MakeFuzz(tellings)) }

// A clock that jumps back does not silence the load.
func TestLoadAfterClockJump(t *testing.T) {
	teller := fields.NewTeller(pressure.AppendLoad)
	for i, at := range []mono.Time{mono.Time(time.Hour), 0, 0} {
		if _, load := teller.Tell(at, pressure.Signal{}, pressure.Signal{}); (load != nil) != (i < 2) {
			t.Errorf("answer %d: load %q; want one before and one after the jump", i, load)
		}
	}
}

// Of all who answer at once one tells the load, and nothing that was counted is
// lost.
func TestTellConcurrently(t *testing.T) {
	teller := fields.NewTeller(pressure.AppendLoad)
	const goroutines, answers = 8, 1000
	var wg sync.WaitGroup
	loads := make([]int, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for range answers {
				said, load := teller.Tell(0, pressure.Signal{Level: 0.25}, pressure.Signal{})
				if said[0] != "level=0.25" {
					t.Errorf("told %q", said)
				}
				loads[g] += len(load)
				teller.Count(0, true)
			}
		})
	}
	wg.Wait()
	told := 0
	for _, n := range loads {
		told += n
	}
	const perSecond = goroutines * answers / 2 // by a meter that remembers 2 s
	if l := teller.Load(0, pressure.Signal{}); told != 1 || l.RPS != perSecond || l.EPS != perSecond {
		t.Errorf("%d loads, and at last %+v; want 1 and %d/s", told, l, perSecond)
	}
}

func TestNoAllocations(t *testing.T) {
	teller := fields.NewTeller(pressure.AppendLoad)
	work := penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(3)}
	if n := testing.AllocsPerRun(100, func() {
		fields.Work(&work)
		teller.Tell(0, pressure.Signal{Level: 0.5}, pressure.Signal{})
		teller.Count(0, false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
