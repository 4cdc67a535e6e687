package sim

import (
	"math/bits"
	"time"
)

// A Histogram counts durations in buckets of 1/16 octave, 4.4 % wide. Quantiles
// are interpolated inside a bucket.
type Histogram struct {
	Counts [histogramBuckets]uint32
	N      uint64
}

const (
	histogramLowest  = 10 // the first octave begins at 2^10 ns, about a microsecond
	histogramOctaves = 46 // the last ends at 2^56 ns, two years
	histogramBuckets = 16 * histogramOctaves
)

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	h.Counts[histogramBucket(d)]++
	h.N++
}

func histogramBucket(d time.Duration) int {
	n := uint64(max(d, 1<<histogramLowest))
	exp := bits.Len64(n) - 1
	return min((exp-histogramLowest)*16+int(n>>(exp-4)&15), histogramBuckets-1)
}

// Merge adds another histogram's counts.
func (h *Histogram) Merge(o *Histogram) {
	if o.N == 0 {
		return
	}
	for i := range h.Counts {
		h.Counts[i] += o.Counts[i]
	}
	h.N += o.N
}

// Quantile returns the duration that a share p (0 to 1) of what was counted does
// not exceed. ok is false if nothing was counted.
func (h *Histogram) Quantile(p float64) (d time.Duration, ok bool) {
	if h.N == 0 {
		return 0, false
	}
	target := min(max(p, 0), 1) * float64(h.N)
	seen := 0.0
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		if seen+float64(n) >= target {
			low, high := histogramEdge(i), histogramEdge(i+1)
			return time.Duration(low + (high-low)*(target-seen)/float64(n)), true
		}
		seen += float64(n)
	}
	return time.Duration(histogramEdge(histogramBuckets)), true
}

// histogramEdge is the lower end of bucket i.
func histogramEdge(i int) float64 {
	return float64(uint64(16+i%16) << (i/16 + histogramLowest) >> 4)
}
