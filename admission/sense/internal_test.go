package sense

import (
	"math"
	"runtime/metrics"
	"testing"

	"github.com/penstock-go/penstock/mono"
)

// The histogram's differences: counts of three buckets, look by look.
func TestSchedulerDifferences(t *testing.T) {
	s := newScheduler()
	buckets := []float64{math.Inf(-1), 1, 2, math.Inf(1)}
	for i, step := range []struct {
		counts []uint64
		want   float64
	}{
		{[]uint64{10, 0, 0}, unknown}, // nothing to compare with
		{[]uint64{10, 0, 0}, 0},       // nobody waited
		{[]uint64{20, 0, 0}, 1},
		{[]uint64{119, 1, 0}, 1},       // 1 of 100 above
		{[]uint64{217, 3, 0}, 2},       // 2 of 100 above
		{[]uint64{217, 3, 5}, 2},       // the last bucket has no upper edge
		{[]uint64{216, 3, 5}, unknown}, // back
		{[]uint64{216, 4, 5}, 2},
	} {
		got := s.difference(&metrics.Float64Histogram{Counts: step.counts, Buckets: buckets})
		if got != step.want && !(Unknown(got) && Unknown(step.want)) {
			t.Errorf("step %d: %g, want %g", i, got, step.want)
		}
	}
	if got := s.difference(&metrics.Float64Histogram{Counts: []uint64{1}, Buckets: []float64{0, 1}}); !Unknown(got) {
		t.Errorf("other buckets: %g", got)
	}
}

// The collector's share over the last cycle, fading while none ends.
func TestCollectorShare(t *testing.T) {
	var c collector
	const s = 1e9
	for i, step := range []struct {
		at        float64
		gc, total float64
		want      float64
	}{
		{-3, 1, 10, unknown},  // nothing to compare with
		{-2, 1, 10, unknown},  // no cycle has ended
		{-1, 1.5, 12, .25},    // .5 of 2 CPU seconds, over 2 s
		{0, 1.5, 12, .25},     // a cycle may last as long as the last did
		{3, 1.5, 12, .125},    // twice as long
		{7, 1.5, 12, .0625},   // four times
		{8, 11.5, 22, 1},      // all of it
		{9, 0.5, 30, unknown}, // back: begins anew
		{10, 0.5, 30, unknown},
		{11, 0.5, 32, 0},
		{12, unknown, 33, unknown}, // not told
		{13, 9, 99, unknown},
	} {
		got := c.share(mono.Time(step.at*s), step.gc, step.total)
		if math.Abs(got-step.want) > 1e-12 || Unknown(got) != Unknown(step.want) {
			t.Errorf("step %d: %g, want %g", i, got, step.want)
		}
	}
}
