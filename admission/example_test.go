package admission_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// A controller needs no number: it finds the limit.
func ExampleNew() {
	ctl := admission.New(admission.Config{})
	defer ctl.Close()

	permit, err := ctl.Acquire(context.Background(), penstock.Work{Criticality: penstock.Critical})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = errors.New("no such order") // what the call returned
	permit.Done(penstock.OutcomeOf(err))

	s := ctl.Stats()
	fmt.Println(s.Admitted, s.Ignored, s.InFlight)
	// Output: 1 1 0
}

// A refusal says why, and when to come back.
func ExampleController_Acquire() {
	ctl := admission.New(admission.Config{
		Limit:  limit.Fixed(1),
		Routes: []admission.Route{{WaitFor: -1}}, // nothing may wait
	})
	defer ctl.Close()

	permit, err := ctl.Acquire(context.Background(), penstock.Work{})
	fmt.Println("first:", err)
	_, err = ctl.Acquire(context.Background(), penstock.Work{})
	if refusal, ok := errors.AsType[*penstock.RejectedError](err); ok {
		fmt.Println("second:", refusal.Reason, refusal.RetryAfter > 0)
	}
	permit.Done(penstock.OK)
	// Output:
	// first: <nil>
	// second: queue_full true
}

// Routes are ways in: here batch jobs may take two of three slots, and wait
// longer than users do. Both share one waiting room.
func ExampleController_AcquireRoute() {
	const users, batch = 0, 1
	ctl := admission.New(admission.Config{
		Limit: limit.Fixed(3),
		Routes: []admission.Route{
			{Name: "users", WaitFor: 50 * time.Millisecond},
			{Name: "batch", WaitFor: time.Minute, Cap: 2},
		},
	})
	defer ctl.Close()

	for range 3 {
		_, err := ctl.AcquireRoute(context.Background(), batch, penstock.Work{Criticality: penstock.Sheddable})
		fmt.Println("batch:", err != nil)
	}
	_, err := ctl.AcquireRoute(context.Background(), users, penstock.Work{})
	fmt.Println("user:", err != nil)
	// Output:
	// batch: false
	// batch: false
	// batch: true
	// user: false
}

// The core is given every instant, and says when it must be asked again.
func ExampleCore() {
	core := admission.NewCore(admission.Config{
		Limit:  limit.Fixed(1),
		Routes: []admission.Route{{WaitFor: 20 * time.Millisecond}},
	})
	now := mono.Time(0)
	running := core.Offer(now, 0, penstock.Work{})
	first := core.Offer(now, 0, penstock.Work{})
	now = now.Add(5 * time.Millisecond)
	second := core.Offer(now, 0, penstock.Work{})
	fmt.Println(running.State == admission.Admitted, first.State == admission.Waiting, second.State == admission.Waiting)

	now = now.Add(5 * time.Millisecond)
	core.Done(now, running.Ticket, penstock.OK) // frees the slot
	for d, ok := core.Settled(); ok; d, ok = core.Settled() {
		fmt.Println("at 10ms the first is admitted:", d.Ticket == first.Ticket && d.State == admission.Admitted)
	}
	for at, ok := core.Next(); ok; at, ok = core.Next() {
		core.Step(at)
		if d, ok := core.Settled(); ok {
			fmt.Printf("at %v the second is refused: %v\n", time.Duration(at), d.Refusal.Reason)
			break
		}
	}
	// Output:
	// true true true
	// at 10ms the first is admitted: true
	// at 25ms the second is refused: sojourn
}
