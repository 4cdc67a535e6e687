package lab

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// TestOptions choose what [Runner.Test] does beyond judging.
type TestOptions struct {
	Seeds  int  // most replications; 0 means as each scenario says
	Mutate bool // remove each protection in turn
}

// Test runs scenarios at once and judges their expectations, each until its
// verdicts are certain. A scenario that cannot be run is a failure of the
// report; the error is that of a context that ended.
func (r *Runner) Test(ctx context.Context, list []*Scenario, opt TestOptions) (*Report, error) {
	type outcome struct {
		summary Summary
		mutants []MutantSummary
		err     error
	}
	r.start()
	outcomes := make([]outcome, len(list))
	turns := make(chan struct{}, cap(r.slots)+1) // enough to keep the cores busy, and no more in memory
	var wg sync.WaitGroup
	for i, s := range list {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			o := &outcomes[i]
			res, err := r.Run(ctx, s, Options{Seeds: opt.Seeds, Early: true})
			if err != nil {
				o.err = err
				return
			}
			o.summary = res.Summarize()
			if opt.Mutate {
				o.mutants, o.err = r.Mutate(ctx, res)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	report := &Report{}
	for i, o := range outcomes {
		if o.err != nil && !errors.Is(o.err, context.Canceled) {
			report.Failures = append(report.Failures, ScenarioFailed{list[i].Name, o.err.Error()})
			continue
		}
		report.Scenarios = append(report.Scenarios, o.summary)
		report.Mutants = slices.Concat(report.Mutants, o.mutants)
	}
	return report, nil
}
