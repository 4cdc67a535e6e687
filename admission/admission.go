// Package admission decides which work runs now, which waits, and which is
// refused.
//
// A [Controller] needs no number:
//
//	ctl := admission.New(admission.Config{})
//	permit, err := ctl.Acquire(ctx, penstock.Work{})
//	if err != nil {
//		return err // a *penstock.RejectedError says why and when to come back
//	}
//	err = call(ctx)
//	permit.Done(penstock.OutcomeOf(err))
//
// A pool is one waiting room in front of N gates, one for each callee. Work
// waits only while no gate has a slot, and a freed slot pulls the head of the
// room. Each gate's limit is moved by its own law (package limit). The room is
// bounded by time: work that would wait beyond what its deadline leaves for
// service, or longer than the room's bound, is refused on arrival. Under
// sustained refusal a price in front of the room (package shed) refuses by
// rank for the cost of a compare.
//
// All decisions are those of [Core], a single-threaded state machine without
// clock, lock, channel or goroutine. Controller is the shell that gives it a
// lock and a timer; sim.Admission is the one that gives it virtual time. A test
// replays one trace through both and demands the same fates to the nanosecond.
package admission
