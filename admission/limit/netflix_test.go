package limit_test

import (
	"math"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// A reply is one sample as a published test of a law gives it.
type reply struct {
	took     time.Duration
	inFlight int
	dropped  bool
	want     float64 // the limit after it
}

func feed(t *testing.T, law limit.Law, gap time.Duration, replies []reply) {
	t.Helper()
	now := mono.Time(-int64(time.Hour))
	for i, r := range replies {
		now = now.Add(gap)
		o := penstock.OK
		if r.dropped {
			o = penstock.Dropped
		}
		law.Observe(now, limit.Sample{Started: now.Add(-r.took), InFlightAtStart: r.inFlight, Outcome: o, Cost: 1})
		if got := law.Limit(); math.Abs(got-r.want) > 1e-9 {
			t.Errorf("reply %d of %v at %d in flight: limit %g, want %g", i, r.took, r.inFlight, got, r.want)
		}
	}
}

// What Netflix's VegasLimitTest asks for, with the published start of 20: the
// first reply is the baseline, replies as short let the limit grow, long ones
// shrink it, and between the two thresholds it stays.
func TestVegasPublished(t *testing.T) {
	for name, replies := range map[string][]reply{
		"the first reply is the baseline":          {{10 * ms, 20, false, 20}},
		"grows by beta where nothing queues":       {{10 * ms, 20, false, 20}, {10 * ms, 20, false, 26}, {10 * ms, 26, false, 32}},
		"grows by one where little does":           {{10 * ms, 20, false, 20}, {11 * ms, 20, false, 21}},
		"holds between alpha and beta":             {{10 * ms, 20, false, 20}, {14 * ms, 20, false, 20}, {12 * ms, 20, false, 20}},
		"shrinks by one where much queues":         {{10 * ms, 20, false, 20}, {50 * ms, 20, false, 19}, {50 * ms, 20, false, 18}},
		"a shorter reply is the new baseline":      {{20 * ms, 20, false, 20}, {10 * ms, 20, false, 20}, {20 * ms, 20, false, 19}},
		"a loss shrinks it, whatever it took":      {{10 * ms, 20, false, 20}, {10 * ms, 20, true, 19}},
		"a loss counts while little is in use":     {{10 * ms, 20, false, 20}, {10 * ms, 2, true, 19}},
		"holds while less than half of it is used": {{10 * ms, 20, false, 20}, {10 * ms, 9, false, 20}, {50 * ms, 9, false, 20}, {10 * ms, 10, false, 26}},
	} {
		t.Run(name, func(t *testing.T) { feed(t, limit.Vegas(1000), ms, replies) })
	}
}

// Steps and thresholds grow with the logarithm of the limit; the limit stays
// between 1 and its bound.
func TestVegasScalesAndStays(t *testing.T) {
	law := limit.Vegas(math.Inf(1))
	now := mono.Time(0)
	sample := func(took time.Duration, o penstock.Outcome) float64 {
		now = now.Add(ms)
		law.Observe(now, limit.Sample{Started: now.Add(-took), InFlightAtStart: 1000, Outcome: o, Cost: 1})
		return law.Limit()
	}
	sample(10*ms, penstock.OK)
	for law.Limit() < 100 {
		sample(10*ms, penstock.OK)
	}
	before := law.Limit()
	if got := sample(10*ms, penstock.OK); got != before+12 {
		t.Errorf("from %g to %g with one reply, want 12 more", before, got)
	}
	for range 200 {
		sample(10*ms, penstock.OK)
	}
	if law.Limit() != 1000 {
		t.Errorf("limit %g, want the published bound", law.Limit())
	}
	if got := sample(20*ms, penstock.OK); got != 997 {
		t.Errorf("limit %g, want 3 less than 1000", got)
	}
	for range 2000 {
		sample(10*ms, penstock.Dropped)
	}
	if law.Limit() != 1 {
		t.Errorf("limit %g after nothing but losses, want 1", law.Limit())
	}
	if got := sample(time.Hour, penstock.Ignored); got != 1 {
		t.Errorf("limit %g after a sample that says nothing", got)
	}
}

// Within 30 limits' worth of replies the baseline is taken anew, so a callee
// that has become slower for good is not throttled for ever.
func TestVegasProbes(t *testing.T) {
	law := limit.Vegas(20)
	now := mono.Time(0)
	law.Observe(now, limit.Sample{Started: now.Add(-10 * ms), InFlightAtStart: 20, Outcome: penstock.OK, Cost: 1})
	fell, n := 20.0, 0
	for ; n < 30*20 && law.Limit() <= fell; n++ {
		fell = law.Limit()
		now = now.Add(ms)
		law.Observe(now, limit.Sample{Started: now.Add(-40 * ms), InFlightAtStart: 20, Outcome: penstock.OK, Cost: 1})
	}
	if n == 30*20 || fell >= 15 {
		t.Errorf("after %d replies the limit has fallen to %g and not risen again", n, fell)
	}
}

// Gradient2 has no published test but for its long mean; these rows are its
// documented formula, window by window: each reply below closes a window of
// ten like it.
func TestGradient2Formula(t *testing.T) {
	type window struct {
		took     time.Duration
		inFlight int
		want     float64
	}
	for name, windows := range map[string][]window{
		"grows by four fifths while replies are level": {{10 * ms, 20, 20.8}, {10 * ms, 20, 21.6}, {10 * ms, 20, 22.4}},
		"holds while less than half of it is used":     {{10 * ms, 9, 20}, {10 * ms, 9, 20}, {10 * ms, 10, 20.8}},
		"never below 20": {{10 * ms, 20, 20.8}, {1000 * ms, 20, 20.8 + .2*(505.0/1000*20.8+4-20.8)}, {1000 * ms, 20, 20}, {1000 * ms, 20, 20}},
		"falls in proportion, the long mean over the window's": {
			{10 * ms, 20, 20.8}, {15 * ms, 20, 20.8 + .2*(12.5/15*20.8+4-20.8)},
		},
		"replies under 100 µs do not count": {{99 * time.Microsecond, 20, 20}, {99 * time.Microsecond, 20, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			law := limit.Gradient2(math.Inf(1))
			now := mono.Time(0)
			observe := func(w window) {
				law.Observe(now, limit.Sample{Started: now.Add(-w.took), InFlightAtStart: w.inFlight, Outcome: penstock.OK, Cost: 1})
			}
			observe(window{took: ms, inFlight: 1}) // opens the first window
			for i, w := range windows {
				for range 9 {
					now++
					observe(w)
				}
				now = now.Add(time.Second + time.Millisecond)
				observe(w)
				if got := law.Limit(); math.Abs(got-max(20, w.want)) > 1e-9 {
					t.Errorf("window %d: limit %.9g, want %.9g", i, got, w.want)
				}
			}
		})
	}
}

// The weakness that it is known for (Netflix/concurrency-limits#137): when every
// call takes its caller's whole patience, that becomes the normal reply.
func TestGradient2TakesTimeoutsForNormal(t *testing.T) {
	law := limit.Gradient2(math.Inf(1))
	for now := mono.Time(0); now < mono.Time(10*time.Minute); now = now.Add(50 * ms) {
		law.Observe(now, limit.Sample{
			Started: now.Add(-100 * ms), InFlightAtStart: 200, Outcome: penstock.Dropped, Late: true, Cost: 1,
		})
	}
	if law.Limit() != 200 {
		t.Errorf("limit %g: correct its documentation", law.Limit())
	}
}
