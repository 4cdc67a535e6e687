package limit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

const ms = time.Millisecond

func TestFixed(t *testing.T) {
	law := limit.Fixed(2.5)
	for range 100 {
		law.Observe(0, limit.Sample{Outcome: penstock.Dropped, Late: true})
	}
	if _, timed := law.Next(); timed || law.Limit() != 2.5 || law.Explain() != "fixed at 2.5 by configuration" {
		t.Errorf("limit %g, timed %v, %q", law.Limit(), timed, law.Explain())
	}
}

func TestBadNumbersPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"fixed 0":    func() { limit.Fixed(0) },
		"fixed -1":   func() { limit.Fixed(-1) },
		"fixed NaN":  func() { limit.Fixed(math.NaN()) },
		"fixed +Inf": func() { limit.Fixed(math.Inf(1)) },
		"AIMD 0.5":   func() { limit.AIMD(0.5) },
		"AIMD NaN":   func() { limit.AIMD(math.NaN()) },
		"Vegas 0":    func() { limit.Vegas(0) },
		"Gradient2":  func() { limit.Gradient2(math.NaN()) },
		"Delay 0":    func() { limit.Delay(0, 0) },
		"Delay -1":   func() { limit.Delay(-1, 10) },
		"up to 0.5":  func() { limit.DefaultUpTo(0.5) },
		"up to NaN":  func() { limit.DefaultUpTo(math.NaN()) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "limit: ") {
					t.Errorf("panics with %q", text)
				}
			}()
			f()
		})
	}
}

// What Netflix's AIMDLimit is tested for: growth on success, only while half of
// the limit is in use, a tenth less on a loss, and never beyond its bounds.
func TestAIMD(t *testing.T) {
	for _, c := range []struct {
		name   string
		most   float64
		feed   func(observe func(at, started time.Duration, inFlight int, o penstock.Outcome))
		want   float64
		within float64
	}{
		{"starts at 20", math.Inf(1), func(func(time.Duration, time.Duration, int, penstock.Outcome)) {}, 20, 0},
		{"starts at its bound", 7, func(func(time.Duration, time.Duration, int, penstock.Outcome)) {}, 7, 0},
		{
			"one slot more per limit's worth of replies", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				for range 20 {
					observe(10*ms, 0, 20, penstock.OK)
				}
			}, 21, 0.05,
		},
		{
			"holds while less than half of it is in use", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				for range 100 {
					observe(10*ms, 0, 9, penstock.OK)
				}
			}, 20, 0,
		},
		{
			"grows while half of it is in use", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				observe(10*ms, 0, 10, penstock.OK)
			}, 20.05, 1e-9,
		},
		{
			"a tenth less on a loss", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				observe(10*ms, 0, 20, penstock.Dropped)
			}, 18, 1e-9,
		},
		{
			"once per round trip, however many are lost", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				for range 10 { // all of them had started before the first was lost
					observe(10*ms, 5*ms, 20, penstock.Dropped)
				}
			}, 18, 1e-9,
		},
		{
			"again for what started after", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				observe(10*ms, 0, 20, penstock.Dropped)
				observe(20*ms, 11*ms, 20, penstock.Dropped)
			}, 16.2, 1e-9,
		},
		{
			"ignores what says nothing", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				observe(10*ms, 0, 20, penstock.Ignored)
			}, 20, 0,
		},
		{
			"never below 1", math.Inf(1),
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				for at := time.Duration(0); at < time.Second; at += 2 * ms {
					observe(at+ms, at, 20, penstock.Dropped)
				}
			}, 1, 0,
		},
		{
			"never beyond its bound", 21,
			func(observe func(time.Duration, time.Duration, int, penstock.Outcome)) {
				for range 100 {
					observe(10*ms, 0, 20, penstock.OK)
				}
			}, 21, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			law := limit.AIMD(c.most)
			c.feed(func(at, started time.Duration, inFlight int, o penstock.Outcome) {
				law.Observe(mono.Time(at), limit.Sample{Started: mono.Time(started), InFlightAtStart: inFlight, Outcome: o, Cost: 1})
			})
			if got := law.Limit(); math.Abs(got-c.want) > c.within {
				t.Errorf("limit %g, want %g", got, c.want)
			}
			if _, timed := law.Next(); timed || !strings.Contains(law.Explain(), "grows until work is lost") {
				t.Errorf("timed %v, %q", timed, law.Explain())
			}
		})
	}
}
