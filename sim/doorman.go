package sim

import (
	"strconv"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
)

// doorman is an admission controller in a stage: in front of all machines, with
// a gate for each, or inside one.
type doorman struct {
	stage    *stage
	machine  *machine // where inside
	adm      *Admission
	waits    []*call // by slot
	punished struct {
		tickets []admission.Ticket
		head    int
	}
}

// punishment is how long work that a dead machine failed at once keeps its slot.
// Hosts do so: a callee that fails fast must not look like a fast one.
const punishment = 100 * time.Millisecond

func newDoorman(s *stage, name string, m *machine, gates int) *doorman {
	a := s.cfg.Admit
	d := &doorman{stage: s, machine: m}
	cfg := admission.Config{Seed: Stream(s.world.plan.Seed, name, "admission").Uint64(), Observe: a.Observe}
	for i := range gates {
		g := admission.Gate{Name: strconv.Itoa(i)}
		if a.Law != nil {
			g.Limit = a.Law()
		}
		cfg.Gates = append(cfg.Gates, g)
	}
	cfg.Routes = []admission.Route{{Cap: a.Cap, WaitFor: a.WaitFor, Order: a.Order, CoDel: a.CoDel}}
	d.adm = NewAdmission(&s.world.loop, cfg, d.settle)
	return d
}

// use names the machines that may get work.
func (d *doorman) use(now mono.Time, out func(i int) bool) error {
	a := d.stage.cfg.Admit
	cfg := admission.Config{Observe: a.Observe}
	for i := range d.stage.machines {
		if !out(i) {
			cfg.Gates = append(cfg.Gates, admission.Gate{Name: strconv.Itoa(i)})
		}
	}
	cfg.Routes = []admission.Route{{Cap: a.Cap, WaitFor: a.WaitFor, Order: a.Order, CoDel: a.CoDel}}
	return d.adm.Reconfigure(now, cfg)
}

// offer asks whether work may enter.
func (d *doorman) offer(now mono.Time, c *call, work penstock.Work) {
	c.by = d
	dec := d.adm.Offer(now, 0, work)
	switch dec.State {
	case admission.Admitted:
		d.admitted(c, dec)
		c.machine.enter(now, c)
	case admission.Waiting:
		c.door, c.ticket, c.place = d, dec.Ticket, placeRoom
		for len(d.waits) <= dec.Ticket.Slot() {
			d.waits = append(d.waits, nil)
		}
		d.waits[dec.Ticket.Slot()] = c
		d.stage.wait(now, 1)
	default:
		d.stage.end(now, c, refusal(dec.Refusal), false)
	}
}

func refusal(err *penstock.RejectedError) result {
	return result{refused, err.Reason, err.RetryAfter, false}
}

func (d *doorman) admitted(c *call, dec admission.Decision) {
	c.door, c.ticket = d, dec.Ticket
	c.machine = d.machine
	if c.machine == nil {
		c.machine = d.stage.machines[dec.Gate]
	}
}

// settle is the fate of work that had waited. What follows from it must not come
// back here, so refusals leave in an event of their own.
func (d *doorman) settle(now mono.Time, dec admission.Decision) {
	c := d.waits[dec.Ticket.Slot()]
	d.stage.wait(now, -1)
	if dec.State != admission.Admitted {
		c.door, c.machine = nil, nil
		d.stage.later(now, c, refusal(dec.Refusal))
		return
	}
	d.admitted(c, dec)
	c.machine.enterLater(now, c)
}

// leave takes work out of the waiting room.
func (d *doorman) leave(now mono.Time, c *call) {
	if !d.adm.Leave(now, c.ticket) {
		return // its fate is settled
	}
	c.door = nil
	d.stage.wait(now, -1)
	d.stage.end(now, c, result{fate: late}, false)
}

func (d *doorman) abandon(now mono.Time, c *call) { d.adm.Abandon(now, c.ticket) }

// goes and comes are news that admitted work is with callees that limit themselves,
// and that it is back. Hosts take no notice where the limit is given.
func (d *doorman) goes(now mono.Time, c *call) {
	if d.stage.cfg.Admit.Law == nil {
		d.adm.Away(now, c.ticket)
	}
}

func (d *doorman) comes(now mono.Time, c *call) {
	if d.stage.cfg.Admit.Law == nil {
		d.adm.Back(now, c.ticket)
	}
}

func (d *doorman) done(now mono.Time, t admission.Ticket, o penstock.Outcome) { d.adm.Done(now, t, o) }

// punish ends work that its machine failed at once, and keeps the slot for a
// while.
func (d *doorman) punish(now mono.Time, t admission.Ticket) {
	d.adm.Answered(now, t, penstock.Dropped)
	d.punished.tickets = append(d.punished.tickets, t)
	d.stage.world.loop.At(now.Add(punishment), d, 0)
}

// Fire ends the oldest punishment.
func (d *doorman) Fire(now mono.Time, _ uint64) {
	p := &d.punished
	t := p.tickets[p.head]
	if p.head++; p.head == len(p.tickets) {
		p.tickets, p.head = p.tickets[:0], 0
	}
	d.adm.Done(now, t, penstock.Dropped)
}

// look returns the controller's level and limit.
func (d *doorman) look(now mono.Time) (level, limit float64) {
	level, limit = d.adm.Core.Level(now)
	d.adm.settle(now)
	return level, limit
}
