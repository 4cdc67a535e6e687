package load

import (
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/penstock-go/penstock/mono"
)

// Bounds of what a recorder tells apart. What exceeds them is counted under
// "other".
const (
	maxReasons  = 32
	maxStatuses = 100
	other       = "other"
	unstated    = "unstated" // a refusal without a reason
)

// longest is the largest latency that a histogram holds; deadlines are shorter.
const longest = 2 * time.Hour

// recorder counts. Requests that were meant to be sent during the warm-up are
// left out of everything but the live counts.
type recorder struct {
	from     mono.Time // the warm-up's end
	interval time.Duration

	mu     sync.Mutex
	totals counts
	live   counts
	bytes  int64
	opened uint64 // connections, warm-up included

	errors          [errorKinds]uint64
	statuses        map[string]uint64
	refusedByStatus map[string]uint64
	refusedByReason map[string]uint64

	good, refusals, lags timings
	recent               timings // good, since the last second of progress

	series  []Interval
	current int     // the row that window belongs to
	window  timings // good, in the current row
}

// counts are requests by fate.
type counts struct {
	offered, first uint64
	fate           [fates]uint64
}

func (c *counts) offer(j job) {
	c.offered++
	if j.attempt == 1 {
		c.first++
	}
}

func newRecorder(c Config, start mono.Time) *recorder {
	return &recorder{
		from: start.Add(c.Warmup), interval: c.Interval,
		statuses: map[string]uint64{}, refusedByStatus: map[string]uint64{}, refusedByReason: map[string]uint64{},
		series: []Interval{}, good: newTimings(3), refusals: newTimings(3), lags: newTimings(3), recent: newTimings(2), window: newTimings(2),
	}
}

// row returns the row of the series that an instant belongs to. Rows are
// bounded by Config's check; an instant beyond the last one belongs to it.
func (r *recorder) row(at mono.Time) (i int, row *Interval) {
	i = min(int(max(at.Sub(r.from), 0)/r.interval), MaxIntervals-1)
	for len(r.series) <= i {
		r.series = append(r.series, Interval{At: r.interval * time.Duration(len(r.series))})
	}
	return i, &r.series[i]
}

func (r *recorder) offered(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.offer(j)
	if j.intended < r.from {
		return
	}
	r.totals.offer(j)
	_, row := r.row(j.intended)
	row.Offered++
	if j.attempt == 1 {
		row.FirstOffered++
	}
}

func (r *recorder) notSent(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.fate[NotSent]++
	if j.intended < r.from {
		return
	}
	r.totals.fate[NotSent]++
	_, row := r.row(j.intended)
	row.NotSent++
}

// lag records how late the generator itself was.
func (r *recorder) lag(j job, now mono.Time) {
	if j.intended < r.from {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lags.record(now.Sub(j.intended))
}

func (r *recorder) connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened++
}

// finished records how an attempt ended.
func (r *recorder) finished(j job, res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	latency := res.done.Sub(j.intended)
	r.live.fate[res.fate]++
	if res.fate == Good {
		r.recent.record(latency)
	}
	if j.intended < r.from {
		return
	}
	r.totals.fate[res.fate]++
	r.bytes += res.bytes
	if res.status != 0 {
		bump(r.statuses, strconv.Itoa(res.status), maxStatuses)
	}
	i, row := r.row(res.done)
	switch res.fate {
	case Good:
		if i > r.current {
			r.closeRow()
			r.current = i
		}
		row.Good++
		r.good.record(latency)
		r.window.record(latency)
	case Late:
		row.Late++
	case Refused:
		row.Refused++
		r.refusals.record(latency)
		bump(r.refusedByStatus, strconv.Itoa(res.status), maxStatuses)
		bump(r.refusedByReason, orDefault(res.reason, unstated), maxReasons)
	case Failed:
		row.Errors++
		r.errors[res.kind]++
	case Unfinished:
		row.Unfinished++
	case NotSent: // counted by notSent
	}
}

// closeRow writes the window's quantiles into its row.
func (r *recorder) closeRow() {
	if r.current < len(r.series) {
		row := &r.series[r.current]
		row.P50, row.P99 = r.window.at(50), r.window.at(99)
	}
	r.window.reset()
}

// bump counts under a key, of which there are at most bound besides "other".
func bump(m map[string]uint64, key string, bound int) {
	if _, known := m[key]; !known && len(m) >= bound {
		key = other
	}
	m[key]++
}

// timings is a histogram of durations, to the microsecond, with an exact
// maximum.
type timings struct {
	h   *hdrhistogram.Histogram
	max time.Duration
}

// newTimings keeps the given number of significant decimal digits.
func newTimings(digits int) timings {
	return timings{h: hdrhistogram.New(1, longest.Microseconds(), digits)}
}

func (t *timings) record(d time.Duration) {
	d = min(max(d, 0), longest)
	t.max = max(t.max, d)
	_ = t.h.RecordValue(d.Microseconds()) // in range
}

// at returns a percentile, 0 if nothing was recorded.
func (t *timings) at(percentile float64) time.Duration {
	us := t.h.ValueAtPercentile(percentile)
	return min(time.Duration(us)*time.Microsecond, t.max)
}

func (t *timings) latency() Latency {
	return Latency{P50: t.at(50), P90: t.at(90), P99: t.at(99), P999: t.at(99.9), Max: t.max}
}

func (t *timings) reset() {
	t.h.Reset()
	t.max = 0
}
