package sim

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/penstock-go/penstock"
)

// A Report is what happened in a world so far.
type Report struct {
	Seed   uint64
	Until  time.Duration // how far the world got
	Events uint64        // fired
	// Stopped says why the world ended early; empty if it did not.
	Stopped string
	Window  time.Duration
	// Parts are the sources, stages, machines, caches, links, lines, stations,
	// bottlenecks and reservoirs, in the order of the plan; a stage's machines
	// (where it has several) follow it, as a line's stations do.
	Parts []*Part
}

// PartKind says what a Part is.
type PartKind uint8

// The kinds of parts.
const (
	SourcePart PartKind = iota
	StagePart
	MachinePart
	CachePart
	LinkPart
	LinePart
	StationPart
	BottleneckPart
	ReservoirPart
)

// A Part is what happened to one part of the world.
type Part struct {
	Name    string
	Kind    PartKind
	Windows []Window // Report.Window long each, the last may be cut short
	// Latencies are of good work, by when it ended: LatencyWindows windows each.
	Latencies []Histogram
	Total     Window
	Open      int // in flight at the end
	// Felt is when the part first felt that it, or what follows it, was full: it
	// refused, was blocked, or its level reached 0.8. FeltSet says whether it did.
	// What was before the plan's first event does not count.
	Felt    time.Duration
	FeltSet bool
	Deaths  int // of a stage's or machine's processes
	// PerFlow is what each flow of a bottleneck has delivered.
	PerFlow []uint64
}

// LatencyWindows is how many windows share one histogram of latencies.
const LatencyWindows = 10

// A Window is what happened to a part in one stretch of time. Windows add up:
// see [Window.Add].
//
// Counts are by the instant of what they count: Offered when work asks, Good when
// it is answered. Over a whole run, Offered = Good + Late + Refused + Failed +
// what is still in flight.
type Window struct {
	Length time.Duration

	Offered uint64 // asked: attempts, retries and refreshes among them
	First   uint64 // of them, first attempts: a source's do not count refreshes
	Good    uint64 // answered in time
	// Late was given up by its caller, or answered after its deadline. A source
	// counts it when it gives up, a stage when it is rid of the work.
	Late    uint64
	Refused uint64
	Failed  uint64 // the process died, or what it needed failed
	// Wasted is service that ended for a caller that had left.
	Wasted uint64
	// Satisfied and GaveUp are what came of a source's requests in the end, after
	// all retries.
	Satisfied, GaveUp uint64

	RefusedBy [penstock.Reasons]uint64
	RefusedOf [penstock.Criticalities]uint64

	// Integrals over time of what is in a part: in work x nanoseconds.
	InFlight int64 // all that is inside
	Waiting  int64 // of it, in a waiting room or queue
	// Integrals over time of what the servers do: in servers x nanoseconds.
	Busy, Blocked, Starved, Idle, Down int64

	Hits uint64 // a cache's: answered from memory

	Begun      uint64        // began service
	Delay      time.Duration // sum of their waits in this part
	MaxWaiting int           // most that waited at once

	// Level and Limit are sampled at the ends of windows: sums over Samples.
	Samples      int
	Level, Limit float64

	// Amount is a plain total where work does not fit: duplicates of a
	// bottleneck's packets, units of water spilled.
	Amount float64
	// Held is an integral too: units of water x seconds.
	Held float64
}

// Add adds another window of the same part.
func (w *Window) Add(o *Window) {
	w.Length += o.Length
	w.Offered += o.Offered
	w.First += o.First
	w.Good += o.Good
	w.Late += o.Late
	w.Refused += o.Refused
	w.Failed += o.Failed
	w.Wasted += o.Wasted
	w.Satisfied += o.Satisfied
	w.GaveUp += o.GaveUp
	for i := range w.RefusedBy {
		w.RefusedBy[i] += o.RefusedBy[i]
	}
	for i := range w.RefusedOf {
		w.RefusedOf[i] += o.RefusedOf[i]
	}
	w.Hits += o.Hits
	w.InFlight += o.InFlight
	w.Waiting += o.Waiting
	w.Busy += o.Busy
	w.Blocked += o.Blocked
	w.Starved += o.Starved
	w.Idle += o.Idle
	w.Down += o.Down
	w.Begun += o.Begun
	w.Delay += o.Delay
	w.MaxWaiting = max(w.MaxWaiting, o.MaxWaiting)
	w.Samples += o.Samples
	w.Level += o.Level
	w.Limit += o.Limit
	w.Amount += o.Amount
	w.Held += o.Held
}

// PerSecond is a count of the window as a rate.
func (w *Window) PerSecond(count uint64) float64 {
	if w.Length <= 0 {
		return 0
	}
	return float64(count) / w.Length.Seconds()
}

// Mean is the mean over time of what one of the window's integrals is of.
func (w *Window) Mean(integral int64) float64 {
	if w.Length <= 0 {
		return 0
	}
	return float64(integral) / float64(w.Length)
}

// Part returns the part with the given name.
func (r *Report) Part(name string) (*Part, bool) {
	for _, p := range r.Parts {
		if p.Name == name {
			return p, true
		}
	}
	return nil, false
}

// Between adds up a part's windows that lie between two instants, from the first
// that begins at or after from to the last that ends at or before to.
func (r *Report) Between(p *Part, from, to time.Duration) Window {
	var sum Window
	first, end := r.span(p, from, to)
	for i := first; i < end; i++ {
		sum.Add(&p.Windows[i])
	}
	return sum
}

func (r *Report) span(p *Part, from, to time.Duration) (first, end int) {
	w := r.Window
	return int(max(0, from+w-1) / w), min(int(max(0, to)/w), len(p.Windows))
}

// Hash is a digest of everything in the report: equal seeds give equal hashes.
func (r *Report) Hash() uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, r.Seed, r.Until, r.Events, r.Stopped, r.Window)
	for _, p := range r.Parts {
		_, _ = fmt.Fprintf(h, "%v\n", *p)
	}
	return h.Sum64()
}
