package limittest

import (
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// A Start is what a law has been through before a trial begins.
type Start uint8

// The starts.
const (
	Fresh  Start = iota // nothing
	Sunk                // nothing but losses, for a minute
	Raised              // a callee of any capacity, until the limit was 1000
)

const (
	raisedTo  = 1000
	raisedFor = 10000 // service times, at most
	sunkFor   = 60 * time.Second
	sunkReply = 100 * time.Millisecond
)

// Lead takes a law through its past, until just before the trial.
func (s Start) Lead(law limit.Law, t Trial) limit.Law {
	switch s {
	case Sunk:
		past(law, sunkFor, sunkReply, limit.Sample{Outcome: penstock.Dropped, Late: true}, func() bool { return false })
	case Raised:
		mean := t.Service.Mean()
		past(law, raisedFor*mean, mean, limit.Sample{Outcome: penstock.OK, HasDelay: t.Reports}, func() bool { return law.Limit() >= raisedTo })
	case Fresh:
	}
	return law
}

// past fills the limit and answers all of it, once per each, for so long or until
// it is enough.
func past(law limit.Law, length, each time.Duration, s limit.Sample, enough func() bool) {
	starter, _ := law.(limit.Starter)
	stepper, _ := law.(limit.Stepper)
	s.Cost = 1
	for now := mono.Time(-length); now < 0; now = now.Add(each) {
		inFlight := max(1, int(law.Limit()))
		for k := 1; k <= inFlight && starter != nil; k++ {
			starter.Start(now, k)
		}
		s.Started = now
		for k := 1; k <= inFlight; k++ {
			s.InFlightAtStart = k
			law.Observe(now.Add(each-1), s)
		}
		if stepper != nil {
			stepper.Step(now.Add(each - 1))
		}
		if enough() {
			return
		}
	}
}
