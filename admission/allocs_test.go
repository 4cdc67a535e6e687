package admission_test

import (
	"context"
	"testing"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
)

// The paths that work takes at full speed allocate nothing.
func TestHotPathsAllocateNothing(t *testing.T) {
	ctx := context.Background()
	admitAndFinish := func(law limit.Law) func() error {
		ctl := admission.New(admission.Config{Limit: law})
		t.Cleanup(ctl.Close)
		return func() error {
			p, err := ctl.Acquire(ctx, penstock.Work{Flow: 7})
			p.Answered(penstock.OK)
			p.Done(penstock.OK)
			return err
		}
	}
	// refusal is a core that refuses, given the instant: in the live one the
	// tick publishes a verdict now and then.
	refusal := func(cfg admission.Config, prepare func(*admission.Core)) func() error {
		core := admission.NewCore(cfg)
		core.Offer(0, 0, penstock.Work{})
		prepare(core)
		core.Offer(1, 0, penstock.Work{}) // makes the tick's errors
		return func() error { return core.Offer(1, 0, penstock.Work{}).Refusal }
	}
	lone := limit.Fixed(1)
	for _, c := range []struct {
		name    string
		run     func() error
		refuses bool
	}{
		{"admitted, default law", admitAndFinish(limit.Default()), false},
		{"admitted, fixed limit", admitAndFinish(limit.Fixed(100)), false},
		{"refused in the room", refusal(admission.Config{Limit: lone, Routes: []admission.Route{{WaitFor: -1}}}, func(*admission.Core) {}), true},
		{"refused by rank", refusal(admission.Config{Limit: lone}, func(c *admission.Core) { c.Drain(0) }), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 200 { // until everything has its working size
				if err := c.run(); (err != nil) != c.refuses {
					t.Fatalf("error %v", err)
				}
			}
			if n := testing.AllocsPerRun(1000, func() { _ = c.run() }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
