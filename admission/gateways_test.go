package admission_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// A town is some gateways with callers of their own in front of one backend.
// Each caller asks, waits for the answer, thinks, and asks again; one that is
// refused comes back when it is told to.
type town struct {
	loop    sim.Loop
	backend *sim.Server
	rng     *rand.Rand
	front   []*front
	asked   []question
	from    mono.Time // counted from here on
}

type front struct {
	gate   *sim.Admission
	bySlot map[int]int
	good   int
}

type question struct {
	front  int
	at     mono.Time
	ticket admission.Ticket
	state  admission.State
	over   bool
}

const (
	townWorkers  = 8
	townThinks   = 50 * time.Millisecond
	townPatience = 100 * time.Millisecond
)

func newTown(gateways, callers int, law sim.ServiceLaw, newLimit func() limit.Law, seed uint64) *town {
	w := &town{rng: rand.New(rand.NewPCG(seed, 11))}
	w.backend = sim.NewServer(&w.loop, townWorkers, law, rand.New(rand.NewPCG(seed, 12)), w.served)
	for g := range gateways {
		f := &front{bySlot: map[int]int{}}
		f.gate = sim.NewAdmission(&w.loop, admission.Config{Limit: newLimit(), Seed: seed*10 + uint64(g)}, func(now mono.Time, d admission.Decision) {
			i := f.bySlot[d.Ticket.Slot()]
			delete(f.bySlot, d.Ticket.Slot())
			w.decided(now, i, d)
		})
		w.front = append(w.front, f)
		for range callers {
			w.later(mono.Time(w.rng.Int64N(int64(townThinks))), g)
		}
	}
	return w
}

func (w *town) later(at mono.Time, g int) {
	w.loop.At(at, sim.HandlerFunc(func(now mono.Time, _ uint64) { w.ask(now, g) }), 0)
}

func (w *town) think(now mono.Time, g int) {
	w.later(now.Add(time.Duration(w.rng.ExpFloat64()*float64(townThinks))), g)
}

func (w *town) ask(now mono.Time, g int) {
	i := len(w.asked)
	w.asked = append(w.asked, question{front: g, at: now})
	f := w.front[g]
	d := f.gate.Offer(now, 0, penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(w.rng.Uint64())})
	q := &w.asked[i]
	q.ticket, q.state = d.Ticket, d.State
	w.loop.At(now.Add(townPatience), sim.HandlerFunc(w.leave), uint64(i))
	if d.State == admission.Waiting {
		f.bySlot[d.Ticket.Slot()] = i
		return
	}
	w.decided(now, i, d)
}

func (w *town) decided(now mono.Time, i int, d admission.Decision) {
	q := &w.asked[i]
	q.state = d.State
	if d.State == admission.Admitted {
		w.backend.Submit(now, uint64(i))
		return
	}
	q.over = true
	w.later(now.Add(max(time.Millisecond, d.Refusal.RetryAfter)), q.front)
}

func (w *town) leave(now mono.Time, arg uint64) {
	q := &w.asked[arg]
	if q.over {
		return
	}
	q.over = true
	f := w.front[q.front]
	if q.state == admission.Waiting {
		delete(f.bySlot, q.ticket.Slot())
		f.gate.Leave(now, q.ticket)
	} else {
		f.gate.Abandon(now, q.ticket)
	}
	w.think(now, q.front)
}

func (w *town) served(now mono.Time, arg uint64) {
	q := &w.asked[arg]
	if !q.over {
		q.over = true
		if q.at >= w.from {
			w.front[q.front].good++
		}
		w.think(now, q.front)
	}
	w.front[q.front].gate.Done(now, q.ticket, penstock.OK)
}

// run returns how many good answers each gateway's callers got.
func (w *town) run(from, to time.Duration) (good []float64) {
	w.from = mono.Time(from)
	w.loop.Run(mono.Time(to))
	for _, f := range w.front {
		good = append(good, float64(f.good))
	}
	return good
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

// jain is Jain's index of fairness: 1 where all have the same.
func jain(x []float64) float64 {
	squares := 0.0
	for _, v := range x {
		squares += v * v
	}
	return sum(x) * sum(x) / (float64(len(x)) * squares)
}

// Gateways that do not talk to one another share a backend with little lost, and
// none of them starves. How equal they are, docs/laws.md says.
func TestGatewaysShareABackend(t *testing.T) {
	if raceDetector {
		t.Skip("a single-threaded simulation has no races, and takes long under the race detector: go test without -race runs it")
	}
	const gateways, callers = 3, 100
	const from = 5 * time.Second
	to, seeds := 15*time.Second, uint64(2)
	if os.Getenv("PENSTOCK_FULL") != "" {
		to, seeds = 65*time.Second, 10
	}
	for name, law := range map[string]sim.ServiceLaw{
		"constant": sim.Constant(10 * time.Millisecond), "exponential": sim.Exponential(10 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				attainable := 0.0
				for _, n := range []float64{3, 4} {
					fixed := func() limit.Law { return limit.Fixed(n) }
					attainable = max(attainable, sum(newTown(gateways, callers, law, fixed, seed).run(from, to)))
				}
				got := newTown(gateways, callers, law, limit.Default, seed).run(from, to)
				share, least := sum(got)/attainable, slices.Min(got)/(attainable/gateways)
				t.Logf("seed %d: %v of %v, together %.3f, Jain %.3f", seed, got, attainable, share, jain(got))
				if share < 0.9 {
					t.Errorf("seed %d: together they get %.3f of what is attainable", seed, share)
				}
				if least < 0.15 {
					t.Errorf("seed %d: one of them gets %.3f of an equal share", seed, least)
				}
			}
		})
	}
}
