package sim

import (
	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
)

// Admission hosts an [admission.Core] on a [Loop]: what admission.Controller is
// to goroutines.
type Admission struct {
	Core *admission.Core
	// Settle is told the fate of work whose offer was answered Waiting. It must
	// not call back into the Admission: schedule an event instead.
	Settle func(now mono.Time, d admission.Decision)

	loop  *Loop
	alarm admission.Alarm
}

// NewAdmission returns a host for a new core.
func NewAdmission(loop *Loop, cfg admission.Config, settle func(mono.Time, admission.Decision)) *Admission {
	return &Admission{Core: admission.NewCore(cfg), Settle: settle, loop: loop}
}

// Offer asks to enter.
func (a *Admission) Offer(now mono.Time, route int, w penstock.Work) admission.Decision {
	d := a.Core.Offer(now, route, w)
	a.settle(now)
	return d
}

// Leave gives up waiting.
func (a *Admission) Leave(now mono.Time, t admission.Ticket) bool {
	ok := a.Core.Leave(now, t)
	a.settle(now)
	return ok
}

// Away lends the slot of running work to others.
func (a *Admission) Away(now mono.Time, t admission.Ticket) bool {
	ok := a.Core.Away(now, t)
	a.settle(now)
	return ok
}

// Back ends Away.
func (a *Admission) Back(now mono.Time, t admission.Ticket) bool {
	ok := a.Core.Back(now, t)
	a.settle(now)
	return ok
}

// Abandon leaves running work behind.
func (a *Admission) Abandon(now mono.Time, t admission.Ticket) bool {
	ok := a.Core.Abandon(now, t)
	a.settle(now)
	return ok
}

// Answered tells the outcome of running work whose slot stays taken.
func (a *Admission) Answered(now mono.Time, t admission.Ticket, o penstock.Outcome) bool {
	ok := a.Core.Answered(now, t, o)
	a.settle(now)
	return ok
}

// Done ends running work.
func (a *Admission) Done(now mono.Time, t admission.Ticket, o penstock.Outcome) bool {
	ok := a.Core.Done(now, t, o)
	a.settle(now)
	return ok
}

// Reconfigure changes gates and routes while work runs and waits.
func (a *Admission) Reconfigure(now mono.Time, cfg admission.Config) error {
	err := a.Core.Reconfigure(now, cfg)
	a.settle(now)
	return err
}

// Fire is the timer.
func (a *Admission) Fire(now mono.Time, at uint64) {
	if a.alarm.Fired(mono.Time(at)) {
		a.Core.Step(now)
		a.settle(now)
	}
}

func (a *Admission) settle(now mono.Time) {
	for d, ok := a.Core.Settled(); ok; d, ok = a.Core.Settled() {
		a.Settle(now, d)
	}
	if at, reset := a.alarm.Set(a.Core.Next()); reset {
		a.loop.At(at, a, uint64(at))
	}
}
