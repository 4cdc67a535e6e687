package limit

import (
	"fmt"
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of Delay. Growth and shrinking are Breakwater's with one client;
// the targets are ours.
const (
	delayStart  = 20
	delayFloor  = 1
	delayGrow   = 1.0  // slots more per round trip below target
	delayShrink = 0.02 // share less per round trip, for each target's worth above it
	delayLeast  = 0.5  // most that one round trip may shrink the limit
	delayLost   = 2    // targets that lost work has waited at least, as Breakwater drops there

	// Where no target is given it is a share of the service time, so that short
	// and long work are held to the same utilisation, and at least what a busy
	// machine's scheduler takes anyway.
	delayServiceShare = 0.5
	delayLeastTarget  = time.Millisecond
)

// Delay returns Breakwater's control law on a concurrency limit, for callees
// whose queue can be seen: once per round trip the limit grows by a slot if the
// mean queue delay ([Sample.QueueDelay]) was below target, and else shrinks by
// 2 % for every target's worth above it, by half at most. target 0 means half of
// the mean service time and at least 1 ms. It moves between 1 and most slots;
// most must be at least 1, and +Inf is no bound. It panics if target is
// negative.
//
// Work that is lost to load and reports no delay counts as having waited for all
// its time but a mean service time, and for two targets at least. Other samples
// without a report say nothing, and before the first report none does: where a
// callee never reports, the limit stays at 20. One that ceases to report must be
// given another law: nothing would let the limit grow again. It grows only while
// at least half of it is in use.
//
// Breakwater hands out credits to many clients and keeps a pool of them; here
// the pool is the limit, and there is one client.
//
// Source: I. Cho, A. Saeed, J. Fried, S. J. Park, M. Alizadeh, A. Belay,
// "Overload control for µs-scale RPCs with Breakwater", OSDI 2020, section 3.
func Delay(target time.Duration, most float64) Law {
	if !(most >= 1) {
		panic("limit: Delay takes a bound of at least 1")
	}
	if target < 0 {
		panic("limit: Delay takes a target of 0 (found from the service time) or more")
	}
	return &delay{limit: min(delayStart, most), most: most, given: target}
}

type delay struct {
	limit, most float64
	given       time.Duration // target, 0 if none

	ends    mono.Time // where open: when the round trip does
	open    bool
	reports int
	sum     time.Duration // of the delays of this round trip
	lost    int
	lostFor float64 // seconds that they must have waited
	peak    int     // most work inside at any start in this round trip
	service float64 // moving mean of the time in service, seconds
	replied float64 // moving mean of reply times, seconds
	latest  time.Duration
	judged  bool
}

// Moving means of times weigh a sample with this.
const delayMemory = 1.0 / 16

func (d *delay) Observe(now mono.Time, s Sample) {
	took := max(0, now.Sub(s.Started)).Seconds()
	switch {
	case s.HasDelay:
		d.reports++
		d.sum += max(0, s.QueueDelay)
		d.service = follow(d.service, max(0, took-s.QueueDelay.Seconds()))
	case s.Outcome == penstock.Dropped && d.service > 0:
		d.lost++
		d.lostFor += max(0, took-d.service)
	default:
		return
	}
	d.replied = follow(d.replied, took)
	d.peak = max(d.peak, s.InFlightAtStart)
	if d.open && now < d.ends {
		return
	}
	if d.open {
		d.judge()
	}
	d.open, d.ends = true, now.Add(time.Duration(d.replied*float64(time.Second)))
	d.reports, d.sum, d.lost, d.lostFor, d.peak = 0, 0, 0, 0, 0
}

// follow moves a mean towards a sample; the first is the mean.
func follow(mean, x float64) float64 {
	if mean == 0 {
		return x
	}
	return mean + delayMemory*(x-mean)
}

func (d *delay) target() time.Duration {
	if d.given > 0 {
		return d.given
	}
	return max(delayLeastTarget, time.Duration(delayServiceShare*d.service*float64(time.Second)))
}

func (d *delay) judge() {
	target := d.target()
	waited := d.sum.Seconds() + max(d.lostFor, float64(d.lost*delayLost)*target.Seconds())
	over := waited/float64(d.reports+d.lost)/target.Seconds() - 1 // in targets
	d.latest, d.judged = time.Duration((over+1)*float64(target)), true
	switch {
	case over >= 0:
		d.limit *= max(delayLeast, 1-delayShrink*over)
	case float64(d.peak)*2 >= d.limit:
		d.limit += delayGrow
	}
	d.limit = max(delayFloor, min(d.limit, d.most))
}

func (d *delay) Limit() float64        { return d.limit }
func (*delay) Next() (mono.Time, bool) { return 0, false }

func (d *delay) Explain() string {
	if !d.judged {
		return fmt.Sprintf("limit %.1f, the callee has not reported its queue delay", d.limit)
	}
	bound := ""
	if !math.IsInf(d.most, 1) {
		bound = fmt.Sprintf(", at most %g", d.most)
	}
	return fmt.Sprintf("limit %.1f%s, work waited %.3g ms inside the callee against the %.3g ms aimed at",
		d.limit, bound, d.latest.Seconds()*1e3, d.target().Seconds()*1e3)
}
