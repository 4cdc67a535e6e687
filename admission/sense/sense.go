// Package sense looks at the process and at the machine that it runs on: how
// long goroutines wait for a thread, what the garbage collector takes, how near
// memory is to its limits, and how often the kernel holds the process back.
//
// [Open] gives one user a view of the process's sampler, which the first user
// starts and the last stops; nothing runs before. [Probe] is one look, for those
// who keep time themselves.
//
// What a platform does not tell is [Unknown], and says nothing. Each kind of
// reading has its blind spots:
//
//   - Scheduler delay is what a goroutine waited between becoming runnable and
//     running, as the Go runtime saw it (one in eight is measured). It sees a
//     lack of threads inside this process. It does not see time stolen from the
//     process as a whole: while the kernel runs somebody else, the runtime does
//     not run either, a goroutine that a timer or the network would have woken
//     becomes runnable only afterwards, and its delay is about 0. Only one that
//     happened to wait already as the theft began shows it. It does not see
//     queues in a callee, nor requests that nobody has read from their sockets.
//     Goroutines that compute make each other wait on a process that is half idle
//     too, so it is no sign of overload. What admitted work waits is: [View.Yield].
//   - [Reading.Lateness] sees stolen time: the sampler's own timer rings late,
//     whoever had the processor. It cannot tell who had. [Reading.Throttled] and
//     [Reading.CPUStall] can, on Linux, with cgroup v2 and PSI.
//   - The runtime brings its CPU times up to date once per collection, so
//     [Reading.GC] is that of the last cycle.
package sense

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// Period is how often the process's sampler looks.
const Period = 10 * time.Millisecond

// A Reading is what was seen at one instant. A number that the platform does not
// tell is NaN: see [Unknown].
type Reading struct {
	At mono.Time

	// SchedulerDelay is what goroutines waited for a thread, in seconds: the
	// 99th percentile since the look before, smoothed (weight 0.3). 0 where none
	// waited.
	SchedulerDelay float64
	// Lateness is how late the sampler's timer rings, in seconds, smoothed
	// (weight 0.3). It is unknown in a [Probe] that is not told when it was due.
	Lateness float64
	// GC is the share of the processors' time, 0 to 1, that the garbage collector
	// took from work, idle time that it used not counted.
	GC float64
	// GCLimited is 1 while the runtime holds the collector back so that it does
	// not take more than half the time, at the price of passing the memory
	// limit; else 0.
	GCLimited float64
	// Heap is the live heap after the last collection, as a share of GOMEMLIMIT.
	// It is unknown where there is no such limit.
	Heap float64
	// Memory is the cgroup's memory as a share of its limit, caches included: it
	// is near 1 in health. It is unknown where there is no limit.
	Memory float64
	// Throttled is the share of time, 0 to 1, for which the cgroup's processor
	// quota was spent.
	Throttled float64
	// CPUStall and MemoryStall are the shares of time, 0 to 1, for which some
	// task waited for a processor or for memory: PSI's "some" of the cgroup, or
	// of the machine where the cgroup has none.
	CPUStall    float64
	MemoryStall float64
}

// Unknown reports whether x is a number that the platform did not tell.
func Unknown(x float64) bool { return math.IsNaN(x) }

var unknown = math.NaN()

// nothing is a reading of nothing.
func nothing() Reading {
	return Reading{
		SchedulerDelay: unknown, Lateness: unknown, GC: unknown, GCLimited: unknown, Heap: unknown,
		Memory: unknown, Throttled: unknown, CPUStall: unknown, MemoryStall: unknown,
	}
}

// smoothing is the weight of a new value in SchedulerDelay and Lateness.
const smoothing = 0.3

func smooth(old, x float64) float64 {
	if Unknown(old) {
		return x
	}
	return old + smoothing*(x-old)
}

// A counter turns a number that only grows into a share of time.
type counter struct {
	last uint64
	at   mono.Time
	set  bool
}

// share returns by how much the counter grew since the last value, in units of
// perSecond a second, 0 to 1. It is unknown at the first value, where no time has
// passed, and where the counter has gone back: it then begins anew.
func (c *counter) share(now mono.Time, v uint64, perSecond float64) float64 {
	old := *c
	*c = counter{v, now, true}
	passed := now.Sub(old.at).Seconds()
	if !old.set || v < old.last || passed <= 0 {
		return unknown
	}
	return min(1, float64(v-old.last)/perSecond/passed)
}
