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
	directTick   = 10 * time.Millisecond
	directMemory = 1.0 / 16 // weight of a reply in the mean
	directSlack  = 2        // a term that does not bind is at least so many times the law's limit
)

// Direct adds to law a term that sees what law can only infer: the limit is the
// smaller of the two, and Explain says which binds.
//
// load is asked once per tick of 10 ms, or per mean reply where that is longer.
// It answers how far the callee is from what it can bear, as a multiple of the
// bound (1 is at the bound; a queue delay over its target, say), and says why in
// a few words; service is the mean reply. What it does not know it leaves out;
// NaN says nothing at all. sense.View.Load is one for the process itself.
//
// From 1 on, the term falls to what was inside and shrinks by 2 % for each bound's
// worth above, by half at most; below 1 it grows by a slot while at least half of
// it is in use. So one signal has one loop: a law that infers and a term that
// sees do not both shrink, the smaller one binds.
func Direct(law Law, load func(service time.Duration) (load float64, why string)) Law {
	d := &direct{law: law, load: load}
	d.starter, _ = law.(Starter)
	d.stepper, _ = law.(Stepper)
	d.term = directSlack * law.Limit()
	return d
}

type direct struct {
	law     Law
	starter Starter // law, if it wants starts
	stepper Stepper // law, if it moves with time
	load    func(time.Duration) (float64, string)

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

// Observe tells the law, and looks if it is time.
func (d *direct) Observe(now mono.Time, s Sample) {
	if s.Outcome == penstock.OK {
		took := max(0, now.Sub(s.Started)).Seconds()
		if d.service == 0 {
			d.service = took
		}
		d.service += directMemory * (took - d.service)
	}
	d.peak = max(d.peak, s.InFlightAtStart)
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

// Next is the earlier of the law's instant and, while the term binds, of the next
// look: a term of which nothing is used must be able to grow again.
func (d *direct) Next() (mono.Time, bool) {
	at, ok := d.law.Next()
	if d.begun && d.binds() && (!ok || d.due < at) {
		return d.due, true
	}
	return at, ok
}

func (d *direct) binds() bool { return d.term < d.law.Limit() }

func (d *direct) look(now mono.Time) {
	if d.begun && now < d.due {
		return
	}
	service := time.Duration(d.service * float64(time.Second))
	d.latest, d.why = d.load(service)
	switch {
	case d.latest >= 1:
		d.term = min(d.term, max(1, float64(d.peak))) * max(delayLeast, 1-delayShrink*(d.latest-1))
	case !d.binds():
		d.term = max(d.term, directSlack*d.law.Limit())
	case float64(d.peak)*2 >= d.term || d.peak == 0:
		d.term += delayGrow
	}
	d.term = max(delayFloor, d.term)
	d.due, d.begun = now.Add(max(directTick, service)), true
	d.peak = 0
}

// Limit is the smaller of the law's and the term.
func (d *direct) Limit() float64 { return min(d.law.Limit(), d.term) }

// Explain says which of the two binds.
func (d *direct) Explain() string {
	if !d.binds() {
		return d.law.Explain()
	}
	return fmt.Sprintf("limit %.1f, held by what is seen directly: %s is at %.2f of its bound; without it: %s",
		d.term, d.why, d.latest, d.law.Explain())
}
