package limit

import (
	"fmt"
	"math"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of AIMD, as in Netflix's concurrency-limits (AIMDLimit): start
// 20, back-off ratio 0.9, growth only while at least half the limit is in use.
const (
	aimdStart   = 20
	aimdBackoff = 0.9
)

// AIMD returns the law of additive increase and multiplicative decrease: one
// slot more per limit's worth of replies in time (so about one per round trip),
// a tenth less when work is lost to load, at most once per round trip. It moves
// between 1 and most slots; most must be at least 1, and +Inf is no bound.
//
// It sees overload only when work is lost, so it lets latency grow up to the
// deadline; without deadlines it grows for ever. It is here for comparison.
//
// Source: D.-M. Chiu and R. Jain, "Analysis of the increase and decrease
// algorithms for congestion avoidance in computer networks", 1989.
func AIMD(most float64) Law {
	if !(most >= 1) {
		panic("limit: AIMD takes a bound of at least 1")
	}
	return &aimd{limit: min(aimdStart, most), most: most}
}

type aimd struct {
	limit, most float64
	cutAt       mono.Time
	hasCut      bool
}

func (a *aimd) Observe(now mono.Time, s Sample) {
	switch s.Outcome {
	case penstock.Dropped:
		if !a.hasCut || s.Started > a.cutAt {
			a.limit = max(1, a.limit*aimdBackoff)
			a.cutAt, a.hasCut = now, true
		}
	case penstock.OK:
		if float64(s.InFlightAtStart)*2 >= a.limit {
			a.limit = min(a.most, a.limit+1/a.limit)
		}
	case penstock.Ignored: // says nothing of load
	}
}

func (a *aimd) Limit() float64        { return a.limit }
func (*aimd) Next() (mono.Time, bool) { return 0, false }

func (a *aimd) Explain() string {
	if math.IsInf(a.most, 1) {
		return fmt.Sprintf("limit %.1f, grows until work is lost", a.limit)
	}
	return fmt.Sprintf("limit %.1f, grows until work is lost, at most %g", a.limit, a.most)
}
