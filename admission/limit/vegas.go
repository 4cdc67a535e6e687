package limit

import (
	"fmt"
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of Vegas, as in Netflix's concurrency-limits (VegasLimit).
const (
	vegasStart = 20
	vegasMost  = 1000 // bound where none is given
	vegasAlpha = 3    // x log10 of the limit: below so many queued, grow
	vegasBeta  = 6    // x log10 of the limit: above so many queued, shrink
	vegasProbe = 30   // a new baseline every 15 to 30 limits' worth of replies
)

// Vegas returns the law of TCP Vegas on a concurrency limit: of the work inside,
// limit x (1 - shortest reply / this reply) is taken to be queued, and the limit
// moves by 1 to 3 slots (the logarithm to base 10) with every reply so that
// about 3 to 6 times as many are. Work lost to load shrinks it by as much. It
// moves between 1 and most slots; most must be at least 1, and +Inf means the
// published bound of 1000.
//
// The shortest reply is forgotten at intervals, and the next reply, whatever it
// is, takes its place: taken under load, it hides the queue. The intervals are
// jittered by the instant at which the last one ended, so that gates do not
// probe in step. It is here for comparison.
//
// Source: L. Brakmo and L. Peterson, "TCP Vegas: end to end congestion avoidance
// on a global Internet", 1995; constants and adaptation of Netflix's
// concurrency-limits, VegasLimit.
func Vegas(most float64) Law {
	if !(most >= 1) {
		panic("limit: Vegas takes a bound of at least 1")
	}
	if math.IsInf(most, 1) {
		most = vegasMost
	}
	return &vegas{limit: min(vegasStart, most), most: most, jitter: 1}
}

type vegas struct {
	limit, most float64
	shortest    time.Duration // reply, since the last probe; 0 is none yet
	replies     int           // since the last probe
	jitter      float64       // of the interval until the next, 0.5 to 1
	queued      int           // at the last reply, by its estimate
}

func (v *vegas) Observe(now mono.Time, s Sample) {
	if s.Outcome == penstock.Ignored {
		return
	}
	took := max(1, s.Own(now))
	v.replies++
	if float64(v.replies) >= v.jitter*vegasProbe*v.limit {
		v.jitter, v.replies, v.shortest = jitterAt(now), 0, took
		return
	}
	if v.shortest == 0 || took < v.shortest {
		v.shortest = took
		return
	}
	v.queued = int(math.Ceil(v.limit * (1 - v.shortest.Seconds()/took.Seconds())))
	step := max(1, math.Floor(math.Log10(v.limit)))
	switch {
	case s.Outcome == penstock.Dropped:
		v.limit -= step
	case float64(s.InFlightAtStart)*2 < v.limit: // not in use: nothing is learned
	case float64(v.queued) <= step:
		v.limit += vegasBeta * step
	case float64(v.queued) < vegasAlpha*step:
		v.limit += step
	case float64(v.queued) > vegasBeta*step:
		v.limit -= step
	}
	v.limit = max(1, min(v.limit, v.most))
}

// jitterAt spreads instants over 0.5 to 1 (the finaliser of SplitMix64).
func jitterAt(now mono.Time) float64 {
	x := uint64(now) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return 0.5 + float64((x^x>>31)>>12)/(1<<53)
}

func (v *vegas) Limit() float64        { return v.limit }
func (*vegas) Next() (mono.Time, bool) { return 0, false }

func (v *vegas) Explain() string {
	if v.shortest == 0 {
		return fmt.Sprintf("limit %.1f, nothing measured yet", v.limit)
	}
	return fmt.Sprintf("limit %.1f, of which %d seem queued; the shortest reply took %.3g ms",
		v.limit, v.queued, v.shortest.Seconds()*1e3)
}
