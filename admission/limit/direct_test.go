package limit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// One row is one look, with so much work inside since the one before.
func TestDirect(t *testing.T) {
	var load float64
	law := limit.Direct(limit.Fixed(20), func() (float64, string) { return load, "the queue" })
	now := mono.Time(-1e9)
	for i, step := range []struct {
		load     float64
		inFlight int
		want     float64
	}{
		{0, 20, 20},
		{math.NaN(), 20, 20},
		{0.99, 20, 20},
		{1, 20, 20},   // at the bound: no more than is inside
		{1, 10, 10},   // that is less now
		{2, 10, 9.8},  // 2 % for one bound's worth above
		{100, 9, 4.5}, // by half at most
		{0, 2, 4.5},   // not in use: no reason to grow
		{0, 3, 5.5},   // in use
		{0, 5, 6.5},   // again
		{1000, 1, 1},  // never below 1
		{1000, 0, 1},  // nothing inside
		{0, 0, 2},     // nothing inside: it may try
	} {
		load = step.load
		if step.inFlight > 0 {
			law.(limit.Starter).Start(now.Add(-1), step.inFlight)
		}
		now = now.Add(10 * ms)
		law.(limit.Stepper).Step(now)
		if got := law.Limit(); math.Abs(got-step.want) > 1e-9 {
			t.Errorf("step %d: limit %g, want %g; %s", i, got, step.want, law.Explain())
		}
		if at, ok := law.Next(); ok != (step.want < 20) || ok && at != now.Add(10*ms) {
			t.Errorf("step %d: next %d, %v", i, at, ok)
		}
		if held := strings.Contains(law.Explain(), "the queue is at"); held != (step.want < 20) {
			t.Errorf("step %d: %s", i, law.Explain())
		}
	}
	for range 100 {
		now = now.Add(10 * ms)
		law.(limit.Starter).Start(now, 50)
		law.(limit.Stepper).Step(now)
	}
	load = 1
	now = now.Add(10 * ms)
	law.(limit.Starter).Start(now, 50)
	law.(limit.Stepper).Step(now)
	if law.Limit() != 20 || law.Explain() != "fixed at 20 by configuration" {
		t.Errorf("limit %g: %s", law.Limit(), law.Explain())
	}
}

// It looks no more often than replies come.
func TestDirectKeepsToTheRoundTrip(t *testing.T) {
	looks := 0
	law := limit.Direct(limit.Fixed(20), func() (float64, string) {
		looks++
		return 0, ""
	})
	now := mono.Time(0)
	for range 1000 {
		now = now.Add(ms)
		law.Observe(now, limit.Sample{Started: now.Add(-100 * ms), InFlightAtStart: 5, Outcome: penstock.OK, Cost: 1})
	}
	if looks != 10 {
		t.Errorf("%d looks in a second at replies of 100 ms", looks)
	}
}

// A law behind Direct is told everything, and moves as it would alone.
func TestDirectTellsItsLaw(t *testing.T) {
	alone := limit.Default()
	inside := limit.Direct(limit.Default(), func() (float64, string) { return math.NaN(), "" })
	now := mono.Time(0)
	for i := range 20000 {
		n := max(1, int(inside.Limit())-i%3)
		now = now.Add(2 * ms)
		for _, law := range []limit.Law{alone, inside} {
			law.(limit.Starter).Start(now, n)
			law.Observe(now.Add(ms), limit.Sample{Started: now, InFlightAtStart: n, Outcome: penstock.OK, Cost: 1})
			if at, ok := law.Next(); ok && at <= now {
				law.(limit.Stepper).Step(now)
			}
		}
		if a, b := alone.Limit(), inside.Limit(); a < b || b < min(a, 33) {
			t.Fatalf("sample %d: limit %g alone, %g inside", i, a, b)
		}
	}
	if alone.Limit() == 16 {
		t.Error("the law has not moved at all")
	}
}

// Work that waits for its turn inside: one row is a second of replies that took
// 20 ms each, of which they waited so many.
func TestDirectSeesTurns(t *testing.T) {
	law := limit.Direct(limit.Fixed(20), func() (float64, string) { return 0, "" })
	now := mono.Time(-5e9)
	for i, step := range []struct {
		waited   time.Duration
		inFlight int
		outcome  penstock.Outcome
		least    float64
		most     float64
	}{
		{0, 20, penstock.OK, 20, 20},
		{10 * ms, 20, penstock.OK, 11, 12},      // 10 run, and half a root more
		{0, 20, penstock.Dropped, 11, 12},       // says nothing, where it says nothing of the queue
		{10 * ms, 20, penstock.Ignored, 11, 12}, // left before its turn
		{15 * ms, 8, penstock.OK, 4, 4.1},       // 2 run, but half of what is inside must do at first
		{15 * ms, 4, penstock.OK, 1.9, 2.1},     // half again
		{19 * ms, 2, penstock.OK, 1.4, 1.6},     // never below 1, and half
		{time.Hour, 2, penstock.OK, 1.4, 1.6},   // cannot have waited longer than it took
		{5 * ms, 2, penstock.OK, 2.05, 2.15},    // 1.5 run: a little more
		{0, 2, penstock.OK, 20, 20},             // nobody waits: the law alone
		{10 * ms, 0, penstock.OK, 20, 20},       // nothing inside: nothing to hold
	} {
		for range 100 {
			now = now.Add(10 * ms)
			law.Observe(now, limit.Sample{
				Started: now.Add(-20 * ms), InFlightAtStart: step.inFlight, Outcome: step.outcome, Cost: 1,
				QueueDelay: step.waited, HasDelay: step.waited > 0,
			})
		}
		if got := law.Limit(); got < step.least || got > step.most {
			t.Errorf("step %d: limit %g, want %g to %g; %s", i, got, step.least, step.most, law.Explain())
		}
		if held := strings.Contains(law.Explain(), "wait"); held != (step.most < 20) {
			t.Errorf("step %d: %s", i, law.Explain())
		}
	}
}

// A report that was not made counts for nothing, whatever stands in its place; one
// that was made does not reach the law, which would take it for its own.
func TestDirectKeepsReports(t *testing.T) {
	law := limit.Direct(limit.Default(), func() (float64, string) { return 0, "" })
	now := mono.Time(0)
	for i := range 200 {
		now = now.Add(10 * ms)
		law.Observe(now, limit.Sample{
			Started: now.Add(-20 * ms), InFlightAtStart: 10, Cost: 1, QueueDelay: 10 * ms, HasDelay: i >= 100,
		})
		if i == 99 && strings.Contains(law.Explain(), "seen directly") {
			t.Errorf("nothing was reported: %s", law.Explain())
		}
	}
	if got := law.Explain(); !strings.Contains(got, "seen directly") || strings.Contains(got, "aimed at") {
		t.Error(got)
	}
}

// Whatever it is told, the limit is one that a gate can use.
func TestDirectBounds(t *testing.T) { rapid.Check(t, directBounds) }
func FuzzDirectBounds(f *testing.F) { f.Fuzz(rapid.MakeFuzz(directBounds)) }

func directBounds(t *rapid.T) {
	load := 0.0
	law := limit.Direct(limit.Default(), func() (float64, string) { return load, "it" })
	now := mono.Time(0)
	for range rapid.IntRange(1, 300).Draw(t, "samples") {
		load = rapid.SampledFrom([]float64{0, 0.5, 1, 3, 1e9, math.Inf(1), math.NaN()}).Draw(t, "load")
		now = now.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "passed")))
		law.(limit.Starter).Start(now, 1)
		law.Observe(now, limit.Sample{
			Started: now.Add(-time.Duration(rapid.Int64Range(-1e6, 1e10).Draw(t, "took"))), InFlightAtStart: rapid.IntRange(0, 1000).Draw(t, "inside"),
			QueueDelay: time.Duration(rapid.Int64Range(-1e9, 1e18).Draw(t, "waited")), HasDelay: rapid.Bool().Draw(t, "reports"),
			Outcome: rapid.SampledFrom([]penstock.Outcome{penstock.OK, penstock.Dropped, penstock.Ignored}).Draw(t, "outcome"), Cost: 1,
		})
		if got := law.Limit(); !(got >= 1 && got < 1e6) {
			t.Fatalf("limit %g: %s", got, law.Explain())
		}
		if at, ok := law.Next(); ok && at <= now {
			law.(limit.Stepper).Step(now)
			if again, ok := law.Next(); ok && again <= now {
				t.Fatalf("asks to be stepped again at once: %s", law.Explain())
			}
		}
	}
}
