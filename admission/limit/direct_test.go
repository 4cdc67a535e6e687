package limit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// One row is one look, with so much work inside since the one before.
func TestDirect(t *testing.T) {
	var load float64
	law := limit.Direct(limit.Fixed(20), func(time.Duration) (float64, string) { return load, "the queue" })
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

// It looks no more often than replies come, and tells how long they take.
func TestDirectKeepsToTheRoundTrip(t *testing.T) {
	looks := 0
	var service time.Duration
	law := limit.Direct(limit.Fixed(20), func(d time.Duration) (float64, string) {
		looks, service = looks+1, d
		return 0, ""
	})
	now := mono.Time(0)
	for range 1000 {
		now = now.Add(ms)
		law.Observe(now, limit.Sample{Started: now.Add(-100 * ms), InFlightAtStart: 5, Outcome: penstock.OK, Cost: 1})
	}
	if looks != 10 || service != 100*ms {
		t.Errorf("%d looks in a second at replies of 100 ms, told %v", looks, service)
	}
}

// A law behind Direct is told everything, and moves as it would alone.
func TestDirectTellsItsLaw(t *testing.T) {
	alone := limit.Default()
	inside := limit.Direct(limit.Default(), func(time.Duration) (float64, string) { return math.NaN(), "" })
	now := mono.Time(0)
	for i := range 20000 {
		n := 1 + i%20
		now = now.Add(100 * time.Microsecond)
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
