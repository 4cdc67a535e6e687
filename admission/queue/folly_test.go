package queue_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

func TestFailAtScale(t *testing.T) {
	const ms = time.Millisecond
	var f queue.FailAtScale
	for i, step := range []struct {
		at      time.Duration
		waiting int
		want    time.Duration
	}{
		{-500 * ms, 7, 100 * ms}, // the first: nothing is known against it
		{-401 * ms, 7, 100 * ms},
		{-400 * ms, 7, 100 * ms}, // has been empty 100 ms ago
		{-399 * ms, 7, 5 * ms},   // has not
		{0, 1, 5 * ms},
		{1 * ms, 0, 100 * ms}, // empty now
		{101 * ms, 3, 100 * ms},
		{102 * ms, 3, 5 * ms},
	} {
		if got := f.Bound(mono.Time(step.at), step.waiting); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	f.Empty(mono.Time(200 * ms))
	if got := f.Bound(mono.Time(250*ms), 9); got != 100*ms {
		t.Errorf("empty 50 ms ago: %v", got)
	}
	odd := queue.FailAtScale{Target: time.Second, Interval: 10 * ms}
	odd.Empty(0)
	if got := odd.Bound(mono.Time(time.Second), 9); got != 10*ms {
		t.Errorf("a standing queue may wait %v, an empty one 10 ms", got)
	}
}

func TestFolly(t *testing.T) {
	const ms = time.Millisecond
	var f queue.Folly
	for i, step := range []struct {
		at, sojourn time.Duration
		drop        bool
	}{
		{-200 * ms, 60 * ms, false}, // opens an interval
		{-150 * ms, 6 * ms, false},  // the shortest, above target
		{-99 * ms, 80 * ms, false},  // opens the next, in overload
		{-98 * ms, 10 * ms, false},  // twice target, not more
		{-98 * ms, 10*ms + 1, true},
		{-50 * ms, 5 * ms, false}, // at target: this interval is none of overload
		{-10 * ms, 60 * ms, true}, // which the next will know
		{2 * ms, 60 * ms, false},
		{3 * ms, time.Hour, false},
	} {
		if got := f.Drop(mono.Time(step.at), step.sojourn); got != step.drop {
			t.Errorf("step %d: Drop(%v, %v) = %v", i, step.at, step.sojourn, got)
		}
	}
	if f.Overloaded() {
		t.Error("still in overload")
	}
}

// Property: a unit is dropped only if no wait of the interval before was within
// target, and only if it waited for more than two targets.
func follyAgainstHistory(t *rapid.T) {
	const target, interval = 5 * time.Millisecond, 100 * time.Millisecond
	var f queue.Folly
	now := mono.Time(rapid.Int64Range(-1e12, 1e12).Draw(t, "origin"))
	var intervals [][]time.Duration // waits by interval, each opened by its first
	var opened mono.Time
	for range rapid.IntRange(1, 200).Draw(t, "units") {
		now = now.Add(time.Duration(rapid.Int64Range(0, 60e6).Draw(t, "gap")))
		sojourn := time.Duration(rapid.Int64Range(0, 30e6).Draw(t, "sojourn"))
		if len(intervals) == 0 || now.Sub(opened) > interval {
			intervals, opened = append(intervals, nil), now
		}
		n := len(intervals)
		first := len(intervals[n-1]) == 0
		intervals[n-1] = append(intervals[n-1], sojourn)
		want := !first && n > 1 && sojourn > 2*target
		if n > 1 {
			for _, s := range intervals[n-2] {
				want = want && s > target
			}
		}
		if got := f.Drop(now, sojourn); got != want {
			t.Fatalf("unit of %v in interval %d: dropped %v, want %v", sojourn, n, got, want)
		}
	}
}

func TestFollyAgainstHistory(t *testing.T) { rapid.Check(t, follyAgainstHistory) }
func FuzzFollyAgainstHistory(f *testing.F) { f.Fuzz(rapid.MakeFuzz(follyAgainstHistory)) }

// At twice the capacity, with callers that do not slow down, either rule alone
// keeps a service working for those who still wait, where CoDel alone
// (TestCoDelNeedsABound) does not.
func TestRulesForCallersThatDoNotSlowDown(t *testing.T) {
	const (
		service  = time.Millisecond
		deadline = 50 * time.Millisecond
		length   = 5000
	)
	run := func(bound func(now mono.Time, waiting int) time.Duration, drop func(mono.Time, time.Duration) bool) float64 {
		room := queue.New(queue.Config{Length: 1 << 16, Order: queue.FIFO})
		good := 0
		for i := range length {
			now := mono.Time(0).Add(time.Duration(i) * service)
			for range 2 {
				room.Push(queue.Item{Cost: 1, Arrived: now, Expires: now.Add(bound(now, room.Len()))})
			}
			for {
				_, h, ok := room.Expired(now)
				if !ok {
					break
				}
				room.Remove(h)
			}
			for {
				it, h, ok := room.Peek()
				if !ok {
					break
				}
				room.Take(h)
				waited := now.Sub(it.Arrived)
				if drop(now, waited) {
					continue
				}
				if waited+service <= deadline {
					good++
				}
				break
			}
		}
		return float64(good) / length
	}
	keep := func(mono.Time, time.Duration) bool { return false }
	var f queue.FailAtScale
	if got := run(f.Bound, keep); got < 0.97 {
		t.Errorf("Fail at Scale: a goodput of %.3f", got)
	}
	var folly queue.Folly
	if got := run(func(mono.Time, int) time.Duration { return time.Hour }, folly.Drop); got < 0.9 {
		t.Errorf("folly: a goodput of %.3f", got)
	}
}
