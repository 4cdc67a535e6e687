package limit

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of Direct: Breakwater's, as in [Delay], on a tick that is no
// shorter than a reply, so that a change is seen before the next.
const (
	directTick  = 10 * time.Millisecond
	directSlack = 2 // a term that does not bind is at least so many times the law's limit
)

// Direct adds to law two terms that see what law can only infer. The limit is the
// smallest of the three, and Explain says which binds. So one signal has one loop:
// a law that infers and a term that sees do not both shrink, the smallest binds.
//
// The first is for the queue in front of work that has entered, where samples
// report it ([Sample.HasDelay]; the law is not told): what waits does not run, so
// by Little's law the limit need be no more than what does, and half a square root
// of it.
//
// The second is for all else: load is asked once per tick of 10 ms, or per mean
// reply where that is longer. It answers how far the callee is from what it can
// bear, as a multiple of the bound (1 is at the bound), and says why in a few
// words. What it does not know it leaves out; NaN says nothing at all.
// sense.View.Load is one for the process itself. From 1 on, the term falls to what
// was inside and shrinks by 2 % for each bound's worth above, by half at most;
// below 1 it grows by a slot while at least half of it is in use.
func Direct(law Law, load func() (load float64, why string)) Law {
	d := &direct{law: law, load: load}
	d.starter, _ = law.(Starter)
	d.dipper, _ = law.(Dipper)
	d.stepper, _ = law.(Stepper)
	d.term = directSlack * law.Limit()
	d.turn.limit = d.term
	return d
}

type direct struct {
	law     Law
	starter Starter // law, if it wants starts
	dipper  Dipper  // law, if it dips
	stepper Stepper // law, if it moves with time
	load    func() (float64, string)

	turn    turn
	term    float64
	peak    int // most work inside since the last look
	service float64
	due     mono.Time // where begun: of the next look
	begun   bool
	latest  float64
	why     string
}

// Start tells the law.
func (d *direct) Start(now mono.Time, inFlight int) {
	d.peak = max(d.peak, inFlight)
	if d.starter != nil {
		d.starter.Start(now, inFlight)
	}
}

// Dipping implements [Dipper].
func (d *direct) Dipping() bool { return d.dipper != nil && d.dipper.Dipping() }

// Observe tells the law, and looks if it is time.
func (d *direct) Observe(now mono.Time, s Sample) {
	took := s.Own(now).Seconds()
	if s.Outcome == penstock.OK {
		d.service = follow(d.service, took)
	}
	if s.Outcome == penstock.OK || s.Late || s.HasDelay {
		waited := 0.0
		if s.HasDelay {
			waited = s.QueueDelay.Seconds()
		}
		d.turn.observe(took, waited, float64(s.InFlightAtStart))
	}
	d.peak = max(d.peak, s.InFlightAtStart)
	s.QueueDelay, s.HasDelay = 0, false
	d.law.Observe(now, s)
	d.look(now)
}

// Step tells the law, and looks if it is time.
func (d *direct) Step(now mono.Time) {
	if d.stepper != nil {
		d.stepper.Step(now)
	}
	d.look(now)
}

// Next is the earlier of the law's instant and, while a term binds, of the next
// look: a term of which nothing is used must be able to grow again.
func (d *direct) Next() (mono.Time, bool) {
	at, ok := d.law.Next()
	if d.begun && min(d.term, d.turn.limit) < d.law.Limit() && (!ok || d.due < at) {
		return d.due, true
	}
	return at, ok
}

func (d *direct) look(now mono.Time) {
	if d.begun && now < d.due {
		return
	}
	slack := directSlack * d.law.Limit()
	d.latest, d.why = d.load()
	switch {
	case d.latest >= 1:
		d.term = min(d.term, max(1, float64(d.peak))) * max(delayLeast, 1-delayShrink*(d.latest-1))
	case d.term >= d.law.Limit():
		d.term = max(d.term, slack)
	case float64(d.peak)*2 >= d.term || d.peak == 0:
		d.term += delayGrow
	}
	d.term = max(delayFloor, d.term)
	d.turn.look(slack)
	service := time.Duration(d.service * float64(time.Second))
	d.due, d.begun = now.Add(max(directTick, service)), true
	d.peak = 0
}

// Limit is the smallest of the law's and the terms.
func (d *direct) Limit() float64 { return min(d.law.Limit(), d.term, d.turn.limit) }

// Explain says which of the three binds.
func (d *direct) Explain() string {
	law := d.law.Explain()
	switch d.Limit() {
	case d.law.Limit():
		return law
	case d.turn.limit:
		return d.turn.explain() + "; without it: " + law
	}
	return fmt.Sprintf("limit %.1f, held by what is seen directly: %s is at %.2f of its bound; without it: %s",
		d.term, d.why, d.latest, law)
}
