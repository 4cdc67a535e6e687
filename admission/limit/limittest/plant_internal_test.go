//go:build !race

// A single-threaded simulation has no races, and takes long under their detector.

package limittest

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// The service laws of the demands have the mean that they are asked for, in what
// they say and in what they draw.
func TestServices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range services(1e7) {
		sum := 0.0
		const n = 200000
		for range n {
			sum += float64(s.law.Draw(rng))
		}
		said := s.law.Mean().Seconds()
		if math.Abs(said-0.01) > 1e-6 || math.Abs(sum/n/1e7-1) > 0.03 {
			t.Errorf("%s: a mean of %g, drawn %g", s.name, said, sum/n/1e9)
		}
	}
}

// A plant does what Capacity says at as much inside as it has workers, and what
// its kind says with three times as much.
func TestCapacity(t *testing.T) {
	for _, c := range []struct {
		name        string
		plant       Plant
		least, most float64 // throughput with three times as much inside, over Capacity
	}{
		{name: "queue", plant: Queue, least: 0.99, most: 1.01},
		{name: "sharing", plant: Sharing, least: 0.99, most: 1.01},
		{name: "scaling", plant: Scaling, least: 0.55, most: 0.85},
		{name: "collected", plant: Collected, least: 0.93, most: 0.98},
		{name: "behind", plant: Behind, least: 0.98, most: 1.01},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func(inside float64) float64 {
				trial := Trial{
					Plant: c.plant, Workers: 20, Service: sim.Constant(10 * time.Millisecond), Deadline: time.Minute,
					Load: []Load{{For: 28 * time.Second, Of: 3}}, New: func() limit.Law { return limit.Fixed(inside) },
				}
				// Counted by when asked: with nobody leaving, what is not refused is done.
				return float64(trial.Run().Between(20*time.Second, 26*time.Second).Good) / 6 / trial.Capacity()
			}
			if got := run(20); math.Abs(got-1) > 0.05 {
				t.Errorf("with as much inside as it has workers it does %.3f of its capacity", got)
			}
			if got := run(60); got < c.least-0.02 || got > c.most+0.02 {
				t.Errorf("with three times as much it does %.3f, want %.2f to %.2f", got, c.least, c.most)
			}
		})
	}
}

// A law that needs reports gets them where the trial says so, and only there.
func TestReports(t *testing.T) {
	for _, plant := range []Plant{Queue, Sharing, Scaling, Collected, Behind} {
		for _, reports := range []bool{false, true} {
			trial := Trial{
				Plant: plant, Workers: 8, Service: sim.Constant(10 * time.Millisecond), Deadline: 100 * time.Millisecond,
				Load: []Load{{For: 5 * time.Second, Of: 2}}, Reports: reports,
				New: func() limit.Law { return limit.Delay(time.Millisecond, 1000) },
			}
			r := trial.Run()
			if moved := r.Limits[len(r.Limits)-1] != 20; moved != reports {
				t.Errorf("plant %d, reports %v: the limit ends at %g", plant, reports, r.Limits[len(r.Limits)-1])
			}
		}
	}
}

// hears is a law that remembers what it is told.
type hears struct {
	limit.Law

	delay time.Duration
	told  int
}

func (h *hears) Observe(now mono.Time, s limit.Sample) {
	if s.HasDelay {
		h.delay += s.QueueDelay
		h.told++
	}
	h.Law.Observe(now, s)
}

type dips struct{ limit.Law }

func (dips) Dipping() bool { return true }

// A law that is told stays what it is.
func TestToldDips(t *testing.T) {
	if !(told{Law: dips{}}).Dipping() || (told{Law: limit.Fixed(1)}).Dipping() {
		t.Error("whether a law dips is lost where the plant reports")
	}
}

// What is reported is by how much others held a request up, whether it queues, here
// or further on, or is served more slowly: by Little's law, the slots over what the
// plant can do, less its own time.
func TestReportsTell(t *testing.T) {
	const own = 10 * time.Millisecond
	for plant, c := range map[Plant]struct{ units, own float64 }{
		Queue: {8, 1}, Sharing: {8, 1}, Behind: {8 * (1 - behindOthers), 1 + behindOwn},
	} {
		for _, slots := range []float64{8, 12, 16} {
			var law *hears
			trial := Trial{
				Plant: plant, Workers: 8, Service: sim.Constant(own), Deadline: 100 * time.Millisecond,
				Load: []Load{{For: 5 * time.Second, Of: 2}}, Reports: true,
				New: func() limit.Law { law = &hears{Law: limit.Fixed(slots)}; return law },
			}
			trial.Run()
			want := time.Duration((slots/c.units - c.own) * float64(own))
			if got := law.delay / time.Duration(max(1, law.told)); law.told == 0 || (got-want).Abs() > own/20 {
				t.Errorf("plant %d, %g slots: told of %v by %d requests, want %v", plant, slots, got, law.told, want)
			}
		}
	}
}

// Where a law has been before the trial.
func TestStarts(t *testing.T) {
	trial := Trial{Service: sim.Constant(10 * time.Millisecond)}
	for _, c := range []struct {
		start       Start
		least, most float64
	}{{Fresh, 16, 16}, {Sunk, 1, 1.5}, {Raised, 1000, 4000}} {
		if got := c.start.Lead(limit.Default(), trial).Limit(); got < c.least || got > c.most {
			t.Errorf("start %d: a limit of %g, want %g to %g", c.start, got, c.least, c.most)
		}
	}
}
