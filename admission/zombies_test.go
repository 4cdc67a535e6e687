package admission_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// While nothing answers, one more at a time is let in, ever more rarely.
func TestProbes(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(4), Routes: []admission.Route{{WaitFor: 500 * time.Microsecond}}})
	abandoned := func(now mono.Time) (all []admission.Ticket) {
		for range 4 {
			p := mustAdmit(t, c, now, 0, penstock.Work{})
			c.Abandon(now+1, p)
			all = append(all, p)
		}
		return all
	}
	// probes offers work every millisecond, abandons what gets in, and returns
	// how long after from each got in.
	probes := func(from mono.Time, n int) (after []time.Duration, last admission.Ticket) {
		for now := from; len(after) < n; now += ms {
			if now > from+20_000*ms {
				t.Fatalf("probes after %v, and no more", after)
			}
			d := c.Offer(now, 0, penstock.Work{})
			for _, s := range append(settled(c), d) {
				if s.State != admission.Admitted {
					continue
				}
				after = append(after, now.Sub(from))
				last = s.Ticket
				c.Abandon(now+1, s.Ticket)
			}
		}
		return after, last
	}
	const least, most = 10 * time.Millisecond, time.Second
	inFlight := func() int { return c.Stats(0).InFlight }

	ghosts := abandoned(0)
	if got := c.Stats(ms); got.InFlight != 4 || got.Zombies != 4 || c.Explain() == "" {
		t.Fatalf("%d in flight, %d zombies; the slots must stay taken", got.InFlight, got.Zombies)
	}
	after, last := probes(ms, 10)
	var gaps []time.Duration
	for i, a := range after {
		if i > 0 {
			gaps = append(gaps, a-after[i-1])
		}
	}
	for i, gap := range gaps {
		want := min(least<<(i+1), most)
		if gap < want-2*time.Millisecond || gap > want+2*time.Millisecond {
			t.Errorf("probe %d comes %v after the one before, want %v; all: %v", i+2, gap, want, gaps)
		}
	}
	if after[0] < least || after[0] > 2*least || slices.Max(gaps) < most-2*time.Millisecond {
		t.Errorf("first probe after %v, then %v", after[0], gaps)
	}
	if inFlight() != 14 {
		t.Errorf("%d in flight, want the 4 and 10 probes", inFlight())
	}

	// An answer, even if it is for nobody, starts again from the beginning.
	now := ms.Add(after[len(after)-1]) + 2
	c.Done(now, last, penstock.OK)
	if again, _ := probes(now+ms, 2); again[0] > 2*least || again[1]-again[0] > 3*least {
		t.Errorf("after an answer the probes come after %v", again)
	}
	// And so it is over when all have answered.
	for _, g := range ghosts {
		c.Done(now, g, penstock.OK)
	}
	if s := c.Stats(now); s.Wasted != 5 || s.Zombies != s.InFlight {
		t.Errorf("%d wasted, %d zombies of %d in flight", s.Wasted, s.Zombies, s.InFlight)
	}
}

// Where work outlives its callers, the callee never holds more dead work than
// twice its workers, in service included, however impatient the callers and
// however many.
func TestGhostsAreBounded(t *testing.T) {
	if raceDetector {
		t.Skip("a single-threaded simulation has no races, and takes long under the race detector: go test without -race runs it")
	}
	const workers = 8
	for _, law := range []sim.ServiceLaw{sim.Constant(10 * time.Millisecond), sim.Exponential(10 * time.Millisecond)} {
		for _, load := range []float64{1.2, 2, 5, 10} {
			for _, untold := range []bool{false, true} {
				t.Run(fmt.Sprintf("%T at %gx, untold %v", law, load, untold), func(t *testing.T) {
					t.Parallel()
					for seed := range uint64(20) {
						trial := limittest.Trial{
							Workers: workers, Service: law, Deadline: 100 * time.Millisecond, Untold: untold,
							Load: []limittest.Load{{For: 3 * time.Second, Of: load}}, New: limit.Default, Seed: seed,
						}
						if r := trial.Run(); r.PeakGhosts > 2*workers {
							t.Errorf("seed %d: the server holds %d jobs for clients that have left", seed, r.PeakGhosts)
						}
					}
				})
			}
		}
	}
}

// Zombies that are stuck where they are in nobody's way do not keep a gate shut:
// what is answered beside them lets in more, as many again with each round trip,
// and one late or refused reply ends that.
func TestLiveWorkBesideZombies(t *testing.T) {
	const slots = 4
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(slots), Routes: []admission.Route{{WaitFor: -1}}})
	for range slots {
		c.Abandon(1, mustAdmit(t, c, 0, 0, penstock.Work{}))
	}
	// round offers more than enough at once, and ends what got in.
	round := func(now mono.Time, o penstock.Outcome) int {
		var in []admission.Ticket
		for range 3 * slots {
			if d := c.Offer(now, 0, penstock.Work{}); d.State == admission.Admitted {
				in = append(in, d.Ticket)
			}
		}
		for _, p := range in {
			c.Done(now.Add(time.Millisecond), p, o)
		}
		return len(in)
	}
	c.Offer(ms, 0, penstock.Work{}) // the wait for a probe begins
	for i, step := range []struct {
		after time.Duration
		o     penstock.Outcome
		want  int
	}{
		{5 * time.Millisecond, penstock.OK, 0}, // too early for a probe
		{15 * time.Millisecond, penstock.OK, 1},
		{20 * time.Millisecond, penstock.OK, 1},
		{25 * time.Millisecond, penstock.OK, 2},
		{30 * time.Millisecond, penstock.OK, slots},
		{35 * time.Millisecond, penstock.OK, slots}, // never more than the limit
		{40 * time.Millisecond, penstock.Dropped, slots},
		{45 * time.Millisecond, penstock.OK, 0}, // a probe is needed again
		{70 * time.Millisecond, penstock.OK, 1},
	} {
		if got := round(ms.Add(step.after), step.o); got != step.want {
			t.Errorf("step %d: %d got in beside the zombies, want %d", i, got, step.want)
		}
	}
}

// Work that waited for long, and whose caller leaves as soon as it runs, is no
// fault of the callee's: but it is a zombie, and lets nothing more in beside it.
func TestWorkThatWaitedEndsLiveWorkBesideZombies(t *testing.T) {
	const slots = 4
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(slots), Routes: []admission.Route{{WaitFor: time.Second}}})
	for range slots {
		c.Abandon(1, mustAdmit(t, c, 0, 0, penstock.Work{}))
	}
	now := ms
	settled := func(d admission.Decision) admission.Ticket {
		t.Helper()
		for range 1000 {
			if d.State == admission.Admitted {
				return d.Ticket
			}
			now = now.Add(time.Millisecond)
			c.Step(now)
			d, _ = c.Settled()
		}
		t.Fatal("it is not let in")
		return d.Ticket
	}
	probe := settled(c.Offer(now, 0, penstock.Work{}))
	c.Done(now, probe, penstock.OK)
	live := settled(c.Offer(now, 0, penstock.Work{})) // beside the zombies
	waits := c.Offer(now, 0, penstock.Work{})
	now = now.Add(100 * time.Millisecond)
	c.Done(now, live, penstock.OK)
	d, _ := c.Settled()
	if waits.State != admission.Waiting || d.State != admission.Admitted {
		t.Fatalf("it should wait and be let in: %v, %v", waits.State, d.State)
	}
	now = now.Add(time.Millisecond)
	c.Abandon(now, d.Ticket)
	if d := c.Offer(now, 0, penstock.Work{}); d.State == admission.Admitted {
		t.Error("a ghost lets in another beside it")
	}
}
