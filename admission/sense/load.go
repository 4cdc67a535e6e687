package sense

import "time"

// The bounds of what a process bears. Each is well above what a healthy busy
// process shows, and below where goodput falls.
const (
	lateMost    = 20 * time.Millisecond // lateness: Go lets a goroutine compute for 10 ms before a timer gets a thread
	gcMost      = 0.25                  // share of time: Go's own goal for the concurrent part
	heapMost    = 0.7                   // of GOMEMLIMIT; beyond, collections follow one another
	throttled   = 0.25                  // share of time
	memoryStall = 0.1                   // share of time
	limitedLoad = 2                     // while the collector is held back
)

// Load returns how near the process is to what it bears, as a multiple of the
// bound that is nearest (1 is at it), and what that is; 0 if nothing is known.
// The bounds are lateness 20 ms, GC 25 %, live heap 70 % of GOMEMLIMIT, throttled
// 25 % and memory stalled 10 % of the time.
//
// Memory and CPUStall do not count: caches fill any memory there is, and on a
// machine that is used well some task always waits for a processor. Nor does
// SchedulerDelay: goroutines that compute for 2 ms make others wait for as long on
// a process that is half idle. What admitted work waits does, which
// [View.Yield] measures.
func (r Reading) Load() (load float64, why string) {
	for _, s := range [...]struct {
		load float64
		what string
	}{
		{r.Lateness / lateMost.Seconds(), "the lateness of timers"},
		{r.GC / gcMost, "the garbage collector's share of the time"},
		{r.GCLimited * limitedLoad, "the garbage collector's own limiter"},
		{r.Heap / heapMost, "the live heap's share of GOMEMLIMIT"},
		{r.Throttled / throttled, "the time for which the kernel holds the process back"},
		{r.MemoryStall / memoryStall, "the time stalled for memory"},
	} {
		if s.load > load { // not so where it is unknown
			load, why = s.load, s.what
		}
	}
	return load, why
}

// Load is that of the latest reading: see [Reading.Load].
func (v *View) Load() (load float64, why string) { return v.Latest().Load() }
