package admission

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
)

// A bucket holds d, and its top is at most 6.25 % above.
func TestSketchBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(1); d < 15*time.Hour; d += 1 + d/50 {
		b := bucketOf(d)
		top := bucketTop(b)
		if b < last || top < d || float64(top) > float64(d)*(1+1.0/16)+1 {
			t.Fatalf("%v is in bucket %d (after %d), whose top is %v", d, b, last, top)
		}
		last = b
	}
	for _, d := range []time.Duration{math.MinInt64, -1, 0} {
		if bucketOf(d) != 0 {
			t.Errorf("%v is in bucket %d", d, bucketOf(d))
		}
	}
	if b := bucketOf(math.MaxInt64); b != sketchBuckets-1 || bucketTop(b) < 19*time.Hour {
		t.Errorf("the longest time is in bucket %d, whose top is %v", b, bucketTop(b))
	}
}

// Quantiles are those of a sorted list, to within a bucket.
func sketchAgainstList(t *rapid.T) {
	var s sketch
	list := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Minute)), 1, 100).Draw(t, "durations")
	for _, d := range list {
		s.add(time.Duration(d), time.Duration(d))
	}
	slices.Sort(list)
	got := s.summary()
	if int(got.n) != len(list) {
		t.Fatalf("%d of %d", got.n, len(list))
	}
	for _, q := range []struct {
		p   float64
		got time.Duration
	}{{0.5, got.P50}, {0.9, got.P90}, {0.99, got.P99}} {
		want := list[int(math.Ceil(q.p*float64(len(list)))-1)]
		if q.got < time.Duration(want) || float64(q.got) > float64(want)*(1+1.0/16)+1 {
			t.Fatalf("p%g is %d, the list has %d", 100*q.p, q.got, want)
		}
	}
	var sum int64
	for _, d := range list {
		sum += d
	}
	if mean := sum / int64(len(list)); int64(got.mean) != mean {
		t.Fatalf("mean %d, want %d", got.mean, mean)
	}
}

func TestSketchAgainstList(t *testing.T) { rapid.Check(t, sketchAgainstList) }

func TestSketchForgets(t *testing.T) {
	var s sketch
	now := mono.Time(-1e9)
	fed := uint32(0)
	feed := func(d time.Duration, n int, gap time.Duration) {
		for range n {
			now = now.Add(gap)
			s.turn(now)
			s.add(d, d)
			if fed++; gap < sketchTurn && s.summary().n < min(fed, sketchTurnSize) {
				t.Fatalf("remembers %d of %d", s.summary().n, fed)
			}
		}
	}
	if sum := s.summary(); sum != (summary{}) {
		t.Errorf("nothing: %+v", sum)
	}
	feed(time.Second, 1000, time.Millisecond)
	if sum := s.summary(); sum.P50 < time.Second || sum.P99 > 1100*time.Millisecond {
		t.Errorf("%+v", sum)
	}
	feed(time.Millisecond, 600, time.Millisecond) // two turns of 250 ms
	if sum := s.summary(); sum.P99 > 2*time.Millisecond {
		t.Errorf("after 600 of a thousandth: %+v", sum)
	}
	now = now.Add(time.Hour)
	if sum := s.summary(); sum.P50 < time.Millisecond {
		t.Errorf("a lull forgets: %+v", sum)
	}
	feed(time.Second, 3, 6*time.Second) // few, but a turn lasts 5 s at most
	if sum := s.summary(); sum.P50 < time.Second {
		t.Errorf("after three slow ones in 18 s: %+v", sum)
	}
}

func TestSummaryMerge(t *testing.T) {
	var a, b, all sketch
	for i := range 300 {
		a.add(time.Millisecond, time.Millisecond)
		all.add(time.Millisecond, time.Millisecond)
		if i%3 == 0 {
			b.add(5*time.Millisecond, 5*time.Millisecond)
			all.add(5*time.Millisecond, 5*time.Millisecond)
		}
	}
	var sum summary
	sum.merge(summary{})
	sum.merge(a.summary())
	sum.merge(summary{})
	sum.merge(b.summary())
	want := all.summary()
	if sum.n != want.n || math.Abs(float64(sum.mean-want.mean)) > 1 {
		t.Errorf("merged %+v, want the mean %v of %d", sum, want.mean, want.n)
	}
	if p := sum.P50; p < a.summary().P50 || p > b.summary().P50 {
		t.Errorf("a median of %v between %v and %v", p, a.summary().P50, b.summary().P50)
	}
}

func TestSecondsSaturate(t *testing.T) {
	for s, want := range map[float64]time.Duration{0: 0, 1.5: 1500 * time.Millisecond, 1e30: 1 << 62, math.Inf(1): 1 << 62} {
		if got := seconds(s); got != want {
			t.Errorf("seconds(%g) = %v, want %v", s, got, want)
		}
	}
}
