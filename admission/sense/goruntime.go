package sense

import (
	"math"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A scheduler differences the runtime's histogram of scheduling latencies.
type scheduler struct {
	read []metrics.Sample
	last []uint64
}

func newScheduler() scheduler {
	return scheduler{read: []metrics.Sample{{Name: "/sched/latencies:seconds"}}}
}

// percentile is the share of waits that SchedulerDelay is above.
const percentile = 0.99

// delay returns the 99th percentile of the waits since the last call, in
// seconds.
func (s *scheduler) delay() float64 {
	metrics.Read(s.read)
	if s.read[0].Value.Kind() != metrics.KindFloat64Histogram {
		return unknown
	}
	return s.difference(s.read[0].Value.Float64Histogram())
}

// difference is delay for a histogram that has been read. Where a count has gone
// back, or the buckets have changed, the histogram begins anew.
func (s *scheduler) difference(h *metrics.Float64Histogram) float64 {
	if len(s.last) != len(h.Counts) {
		s.last = append(s.last[:0], h.Counts...)
		return unknown
	}
	var total uint64
	back := false
	for i, n := range h.Counts {
		if n < s.last[i] {
			back = true
			break
		}
		total += n - s.last[i]
	}
	delay := 0.0
	switch {
	case back:
		delay = unknown
	case total > 0:
		delay = quantile(h, s.last, total)
	}
	copy(s.last, h.Counts)
	return delay
}

// quantile returns the upper edge of the bucket that holds the percentile of
// what came since last, or the lower one of a bucket without an upper.
func quantile(h *metrics.Float64Histogram, last []uint64, total uint64) float64 {
	above := total - uint64(math.Ceil(percentile*float64(total)))
	for i, n := range slices.Backward(h.Counts) {
		n -= last[i]
		if n <= above {
			above -= n
			continue
		}
		if edge := h.Buckets[i+1]; !math.IsInf(edge, 1) {
			return max(0, edge)
		}
		return max(0, h.Buckets[i])
	}
	return 0
}

// A collector follows the garbage collector and the heap.
type collector struct {
	read []metrics.Sample

	gc, total float64 // CPU seconds at the last change
	at        mono.Time
	set       bool
	spent     float64       // GC's seconds over the last change
	over      float64       // of so many
	length    time.Duration // that took so long
}

// The places of a collector's samples.
const (
	gcTotal = iota
	gcIdle
	cpuTotal
	heapLive
	heapLimit
	limiterCycle
	cycles
)

func newCollector() collector {
	return collector{read: []metrics.Sample{
		gcTotal:      {Name: "/cpu/classes/gc/total:cpu-seconds"},
		gcIdle:       {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		cpuTotal:     {Name: "/cpu/classes/total:cpu-seconds"},
		heapLive:     {Name: "/gc/heap/live:bytes"},
		heapLimit:    {Name: "/gc/gomemlimit:bytes"},
		limiterCycle: {Name: "/gc/limiter/last-enabled:gc-cycle"},
		cycles:       {Name: "/gc/cycles/total:gc-cycles"},
	}}
}

func (c *collector) look(now mono.Time, r *Reading) {
	metrics.Read(c.read)
	r.GC = c.share(now, c.seconds(gcTotal)-c.seconds(gcIdle), c.seconds(cpuTotal))
	r.Heap, r.GCLimited = unknown, unknown
	if live, ok := c.number(heapLive); ok {
		r.Heap = shareOf(live, c.limit())
	}
	last, ok := c.number(limiterCycle)
	if n, both := c.number(cycles); ok && both {
		r.GCLimited = 0
		if last > 0 && last >= n { // in the last cycle, or the one under way
			r.GCLimited = 1
		}
	}
}

// limit is GOMEMLIMIT, 0 if there is none.
func (c *collector) limit() uint64 {
	n, _ := c.number(heapLimit)
	if n >= math.MaxInt64 {
		return 0
	}
	return n
}

func (c *collector) number(i int) (uint64, bool) {
	if v := c.read[i].Value; v.Kind() == metrics.KindUint64 {
		return v.Uint64(), true
	}
	return 0, false
}

func (c *collector) seconds(i int) float64 {
	if v := c.read[i].Value; v.Kind() == metrics.KindFloat64 {
		return v.Float64()
	}
	return unknown
}

// share returns the collector's share of the CPU time, from sums that move only
// at the end of a cycle. Once more time has passed than between the last two
// moves, the share falls as 1/time.
func (c *collector) share(now mono.Time, gc, total float64) float64 {
	switch {
	case Unknown(gc) || Unknown(total):
		c.set = false
		return unknown
	case !c.set || gc < c.gc || total < c.total:
		c.gc, c.total, c.at, c.set = gc, total, now, true
		c.spent, c.over, c.length = 0, 0, 0
		return unknown
	case total > c.total:
		c.spent, c.over, c.length = gc-c.gc, total-c.total, now.Sub(c.at)
		c.gc, c.total, c.at = gc, total, now
	}
	if c.over == 0 {
		return unknown // no cycle has ended yet
	}
	stretch := 1.0
	if since := now.Sub(c.at); c.length > 0 && since > c.length {
		stretch = float64(since) / float64(c.length)
	}
	return min(1, max(0, c.spent/c.over/stretch))
}

// shareOf returns n/of; it is unknown if of is 0.
func shareOf(n, of uint64) float64 {
	if of == 0 {
		return unknown
	}
	return float64(n) / float64(of)
}
