package queue

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// FailAtScale bounds the wait of each arrival by whether the queue has been empty
// of late: Interval while it has, and only Target while it has not, so that a
// burst may wait and a standing queue may not. It is "controlled delay" of B.
// Maurer, "Fail at scale", ACM Queue 13(8), 2015, with its M = 5 ms and N = 100
// ms where none are given. The zero FailAtScale is ready to use, and takes the
// queue to have been empty just before it is first asked.
//
// Its numbers suit work of about a millisecond: Target should be at least half
// of the mean service time, or work is refused for the common unevenness of
// arrivals; at 95 % of capacity 5 ms refuse about 3 % of work of 10 ms.
type FailAtScale struct {
	Target   time.Duration // a standing queue's bound; 0 means DefaultTarget
	Interval time.Duration // an empty queue's bound, and what "of late" means; 0 means DefaultInterval

	empty mono.Time // latest instant at which nothing waited
	begun bool
}

// Bound returns how long a unit that arrives now may wait. waiting is how many
// wait already.
func (f *FailAtScale) Bound(now mono.Time, waiting int) time.Duration {
	interval := positive(f.Interval, DefaultInterval)
	if !f.begun || waiting == 0 {
		f.Empty(now)
	}
	if now.Sub(f.empty) > interval {
		return min(positive(f.Target, DefaultTarget), interval)
	}
	return interval
}

// Empty tells that nothing waits now.
func (f *FailAtScale) Empty(now mono.Time) { f.empty, f.begun = now, true }

// sloughTargets is how many targets a unit must have waited for Folly to drop
// it, as in folly.
const sloughTargets = 2

// Folly judges a queue by the shortest wait of an interval: where even that was
// above Target, the next interval drops what has waited for more than twice
// Target. Unlike [CoDel] it drops as much as is too much at once, which is what a
// service needs whose callers do not slow down. It is the Codel of
// facebook/folly and Thrift. The zero Folly is ready to use.
//
// The first unit of an interval is never dropped, and a queue that nobody asks
// about for a while is judged by what it was.
type Folly struct {
	Target   time.Duration // acceptable shortest wait; 0 means DefaultTarget
	Interval time.Duration // 0 means DefaultInterval

	begun      bool
	ends       mono.Time // where begun: when the interval does
	shortest   time.Duration
	overloaded bool
}

// Drop reports whether to drop the unit that would be served now, sojourn after
// it arrived. Instants must not go back.
func (f *Folly) Drop(now mono.Time, sojourn time.Duration) bool {
	target := positive(f.Target, DefaultTarget)
	if !f.begun || now > f.ends {
		f.overloaded = f.begun && f.shortest > target
		f.begun, f.ends = true, now.Add(positive(f.Interval, DefaultInterval))
		f.shortest = sojourn
		return false
	}
	f.shortest = min(f.shortest, sojourn)
	return f.overloaded && sojourn > sloughTargets*target
}

// Overloaded reports whether the last whole interval was one of overload.
func (f *Folly) Overloaded() bool { return f.overloaded }

func positive(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
