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

// One row is one round trip of 10 ms: so many like replies.
func TestDelay(t *testing.T) {
	type trip struct {
		delay    time.Duration // negative: none is reported
		inFlight int
		o        penstock.Outcome
		want     float64
	}
	for _, c := range []struct {
		name   string
		target time.Duration
		most   float64
		trips  []trip
	}{
		{"grows by one below target", ms, 100, []trip{{0, 20, penstock.OK, 21}, {ms - 1, 20, penstock.OK, 22}}},
		{"holds where it is not in use", ms, 100, []trip{{0, 9, penstock.OK, 20}, {0, 10, penstock.OK, 21}}},
		{"at target it neither grows nor shrinks", ms, 100, []trip{{ms, 20, penstock.OK, 20}}},
		{"2 % for each target's worth above it", ms, 100, []trip{{2 * ms, 20, penstock.OK, 19.6}, {6 * ms, 20, penstock.OK, 19.6 * 0.9}}},
		{"by half at most", time.Microsecond, 100, []trip{{9 * ms, 20, penstock.OK, 10}, {9 * ms, 20, penstock.OK, 5}}},
		{"before the first report a loss says nothing", ms, 100, []trip{{-1, 20, penstock.Dropped, 20}, {-1, 20, penstock.Dropped, 20}}},
		{"a loss without a report has waited all its time but the service", ms, 100, []trip{{6 * ms, 20, penstock.OK, 18}, {-1, 20, penstock.Dropped, 18 * (1 - .02*5)}}},
		{"and for two targets at least", ms, 100, []trip{{0, 20, penstock.OK, 21}, {-1, 20, penstock.Dropped, 20.58}}},
		{"a reply without a report says nothing", ms, 100, []trip{{-1, 20, penstock.OK, 20}, {-1, 20, penstock.Ignored, 20}}},
		{"never beyond its bound", ms, 21, []trip{{0, 20, penstock.OK, 21}, {0, 21, penstock.OK, 21}}},
		{"never below 1", time.Nanosecond, 2, []trip{{9 * ms, 2, penstock.OK, 1}, {9 * ms, 2, penstock.OK, 1}}},
		{"a target of its own: half the service time", 0, 100, []trip{{4 * ms, 20, penstock.OK, 20 * (1 - .02/3)}}}, // service 6 ms
		{"and at least 1 ms", 0, 100, []trip{{9 * ms, 20, penstock.OK, 20 * (1 - .02*8)}}},                          // service 1 ms
	} {
		t.Run(c.name, func(t *testing.T) {
			law := limit.Delay(c.target, c.most)
			now := mono.Time(-5e9)
			observe := func(trip trip) {
				s := limit.Sample{Started: now.Add(-10 * ms), InFlightAtStart: trip.inFlight, Outcome: trip.o, Cost: 1}
				s.QueueDelay, s.HasDelay = trip.delay, trip.delay >= 0
				law.Observe(now, s)
			}
			observe(c.trips[0]) // opens the first round trip
			for i, trip := range c.trips {
				for range 2 {
					now = now.Add(5 * ms)
					observe(trip)
				}
				if got := law.Limit(); math.Abs(got-trip.want) > 1e-9 {
					t.Errorf("trip %d: limit %.9g, want %.9g; %s", i, got, trip.want, law.Explain())
				}
			}
			if _, timed := law.Next(); timed || !strings.HasPrefix(law.Explain(), "limit ") {
				t.Errorf("timed %v, %q", timed, law.Explain())
			}
		})
	}
}
