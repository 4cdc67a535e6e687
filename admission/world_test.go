package admission_test

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// A crowd asks at random instants, for some time.
type crowd struct {
	perSecond float64
	from, to  time.Duration
	work      penstock.Work
	patience  time.Duration // leaves then; it does not tell the core before

	offered, good, refused, left int
	turnedAway                   int // refused on arrival
}

// A world is a server of some workers behind a core, and the crowds before it.
type world struct {
	loop   sim.Loop
	host   *sim.Admission
	server *sim.Server
	rng    *rand.Rand

	requests []visit
	bySlot   map[int]int // waiting
}

type visit struct {
	of     *crowd
	asked  mono.Time
	ticket admission.Ticket
	state  admission.State
	over   bool // for its crowd
}

func newWorld(cfg admission.Config, workers int, law sim.ServiceLaw) *world {
	w := &world{rng: rand.New(rand.NewPCG(cfg.Seed, 9)), bySlot: map[int]int{}}
	w.server = sim.NewServer(&w.loop, workers, law, rand.New(rand.NewPCG(cfg.Seed, 8)), w.served)
	w.host = sim.NewAdmission(&w.loop, cfg, func(now mono.Time, d admission.Decision) {
		i := w.bySlot[d.Ticket.Slot()]
		delete(w.bySlot, d.Ticket.Slot())
		w.decided(now, i, d)
	})
	return w
}

func (w *world) add(c *crowd) {
	w.loop.At(mono.Time(c.from), sim.HandlerFunc(func(now mono.Time, _ uint64) { w.next(now, c) }), 0)
}

func (w *world) next(now mono.Time, c *crowd) {
	at := now.Add(1 + time.Duration(w.rng.ExpFloat64()/c.perSecond*1e9))
	if time.Duration(at) >= c.to {
		return
	}
	w.loop.At(at, sim.HandlerFunc(func(now mono.Time, _ uint64) {
		w.ask(now, c)
		w.next(now, c)
	}), 0)
}

func (w *world) ask(now mono.Time, c *crowd) {
	i := len(w.requests)
	w.requests = append(w.requests, visit{of: c, asked: now})
	c.offered++
	work := c.work
	work.Cohort = penstock.CohortAt(w.rng.Uint64())
	d := w.host.Offer(now, 0, work)
	w.requests[i].ticket = d.Ticket
	if d.State == admission.Waiting {
		w.requests[i].state = d.State
		w.bySlot[d.Ticket.Slot()] = i
	} else {
		w.decided(now, i, d)
	}
	if d.State == admission.Refused {
		c.turnedAway++
	}
	if d.State != admission.Refused {
		w.loop.At(now.Add(c.patience), sim.HandlerFunc(w.leave), uint64(i))
	}
}

func (w *world) decided(now mono.Time, i int, d admission.Decision) {
	v := &w.requests[i]
	v.state = d.State
	if d.State == admission.Admitted {
		w.server.Submit(now, uint64(i))
		return
	}
	v.over = true
	v.of.refused++
}

func (w *world) leave(now mono.Time, i uint64) {
	v := &w.requests[i]
	if v.over {
		return
	}
	v.over = true
	v.of.left++
	if v.state == admission.Waiting {
		delete(w.bySlot, v.ticket.Slot())
		w.host.Leave(now, v.ticket)
		return
	}
	w.host.Abandon(now, v.ticket)
}

func (w *world) served(now mono.Time, i uint64) {
	v := &w.requests[i]
	if !v.over {
		v.over = true
		v.of.good++
	}
	w.host.Done(now, v.ticket, penstock.OK)
}
