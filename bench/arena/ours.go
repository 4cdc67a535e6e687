package arena

import (
	"context"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	lab "github.com/penstock-go/penstock/lab/arena"
)

func ours() []Competitor {
	return []Competitor{
		{
			Limiter: lab.Limiter{
				Name: "penstock", Kind: lab.Ours,
				Config: "admission.New(admission.Config{}); a client that leaves is reported by Abandon, and its slot given back when the server is through, as the gateway and the middleware do",
			},
			New: func(seed uint64) Guard { return keeps(limit.Default(), seed) },
		},
		{
			Limiter: lab.Limiter{
				Name: "penstock, Done at once", Kind: lab.Ours,
				Config: "admission.New(admission.Config{}); permit.Done(penstock.OutcomeOf(err)) as soon as the call returns, the two lines of the package comment",
			},
			New: func(seed uint64) Guard { return lets(limit.Default(), seed) },
		},
		{
			Limiter: lab.Limiter{Name: "penstock AIMD", Kind: lab.Ours, Config: "Limit: limit.AIMD(200), for comparison; with Abandon"},
			New:     func(seed uint64) Guard { return keeps(limit.AIMD(200), seed) },
		},
		{
			Limiter: lab.Limiter{Name: "penstock Fixed(8)", Kind: lab.Told, Config: "Limit: limit.Fixed(8), told the number of workers; with Abandon"},
			New:     func(seed uint64) Guard { return keeps(limit.Fixed(8), seed) },
		},
	}
}

func work(call *Call) penstock.Work {
	return penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(call.ID)}
}

// keeps keeps the slot of a call until the server is through with it.
func keeps(law limit.Law, seed uint64) Guard {
	ctl := admission.New(admission.Config{Limit: law, Seed: max(1, seed)})
	return func(ctx context.Context, call *Call) error {
		permit, err := ctl.Acquire(ctx, work(call))
		if err != nil {
			return err
		}
		err = call.Do(ctx)
		if err == nil {
			permit.Done(penstock.OK)
			return nil
		}
		permit.Abandon()
		go func() {
			call.WaitEnded()
			permit.Done(penstock.OK)
		}()
		return err
	}
}

// lets gives the slot back when the call returns.
func lets(law limit.Law, seed uint64) Guard {
	ctl := admission.New(admission.Config{Limit: law, Seed: max(1, seed)})
	return func(ctx context.Context, call *Call) error {
		permit, err := ctl.Acquire(ctx, work(call))
		if err != nil {
			return err
		}
		err = call.Do(ctx)
		permit.Done(penstock.OutcomeOf(err))
		return err
	}
}
