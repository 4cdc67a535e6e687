package limit

import (
	"fmt"
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of Gradient2, as in Netflix's concurrency-limits
// (Gradient2Limit inside WindowedLimit).
const (
	gradientStart     = 20
	gradientFloor     = 20  // never below
	gradientMost      = 200 // bound where none is given
	gradientHeadroom  = 4   // slots for a queue
	gradientSmoothing = 0.2 // weight of a window's result
	gradientLeast     = 0.5 // most that one window may ask to shrink
	gradientLong      = 600 // windows in the long mean
	gradientWarmUp    = 10  // of them plainly averaged at first
	gradientDrift     = 2   // long mean beyond so many times a window's: it decays
	gradientDecay     = 0.9 // by this a window

	gradientWindow  = time.Second
	gradientReplies = 10                     // fewer are no window
	gradientShort   = 100 * time.Microsecond // shorter replies do not count
)

// Gradient2 returns the law that compares the mean reply of the last second
// with a mean over ten minutes: while the first is no longer than the second
// the limit grows by four fifths of a slot a second, else it shrinks in
// proportion, by a tenth a second at most. It moves between 20 (or most, if that
// is less) and most slots; most must be at least 1, and +Inf means the published
// bound of 200.
//
// A mean over the past is a baseline that overload raises: under a load that
// stays, the limit climbs. It does not count losses as such, so when every call
// takes its caller's whole patience it takes that for the normal reply. It is
// here for comparison.
//
// Source: Netflix's concurrency-limits, Gradient2Limit and WindowedLimit.
func Gradient2(most float64) Law {
	if !(most >= 1) {
		panic("limit: Gradient2 takes a bound of at least 1")
	}
	if math.IsInf(most, 1) {
		most = gradientMost
	}
	return &gradient2{limit: min(gradientStart, most), most: most}
}

type gradient2 struct {
	limit, most float64
	long        slowMean

	ends    mono.Time // where open: when the window does
	open    bool
	replies int
	sum     time.Duration
	peak    int     // most work inside at any start in the window
	latest  float64 // mean reply of the last window, seconds
}

func (g *gradient2) Observe(now mono.Time, s Sample) {
	took := s.Own(now)
	if s.Outcome == penstock.Ignored || took < gradientShort {
		return
	}
	g.replies++
	g.sum += took
	g.peak = max(g.peak, s.InFlightAtStart)
	if g.open && now <= g.ends {
		return
	}
	if g.replies >= gradientReplies {
		g.judge(g.sum.Seconds() / float64(g.replies))
	}
	g.open, g.ends = true, now.Add(gradientWindow)
	g.replies, g.sum, g.peak = 0, 0, 0
}

// judge takes a window's mean reply.
func (g *gradient2) judge(mean float64) {
	g.latest = mean
	long := g.long.add(mean)
	if long > gradientDrift*mean {
		g.long.value *= gradientDecay
	}
	if float64(g.peak)*2 < g.limit {
		return // not in use
	}
	gradient := max(gradientLeast, min(1, long/mean))
	g.limit += gradientSmoothing * (gradient*g.limit + gradientHeadroom - g.limit)
	g.limit = max(min(gradientFloor, g.most), min(g.limit, g.most))
}

// A slowMean is an exponential moving mean that begins as a plain one.
type slowMean struct {
	value, sum float64
	n          int
}

func (m *slowMean) add(x float64) float64 {
	if m.n < gradientWarmUp {
		m.n++
		m.sum += x
		m.value = m.sum / float64(m.n)
		return m.value
	}
	m.value += 2.0 / (gradientLong + 1) * (x - m.value)
	return m.value
}

func (g *gradient2) Limit() float64        { return g.limit }
func (*gradient2) Next() (mono.Time, bool) { return 0, false }

func (g *gradient2) Explain() string {
	if g.latest == 0 {
		return fmt.Sprintf("limit %.1f, nothing measured yet", g.limit)
	}
	return fmt.Sprintf("limit %.1f, replies of the last second took %.3g ms, over ten minutes %.3g ms",
		g.limit, g.latest*1e3, g.long.value*1e3)
}
