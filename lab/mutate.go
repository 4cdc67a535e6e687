package lab

import (
	"context"
	"slices"
)

// A MutantSummary says what became of a variant without one of its protections.
type MutantSummary struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	Path     string `json:"without"`
	Killed   bool   `json:"killed"` // an expectation turned red
	Why      string `json:"why"`
}

// Mutate removes each protection of a result's variants in turn: every place at
// which a variant differs from the reference is made as the reference has it. A
// mutant is killed if an expectation that held is broken then. The replications
// of the result stand for the variants that are as they were.
func (r *Runner) Mutate(ctx context.Context, res *Result) ([]MutantSummary, error) {
	s := res.Scenario
	var out []MutantSummary
	for _, variant := range res.Variants {
		if variant == s.Reference() {
			continue
		}
		for _, path := range s.Differences(variant) {
			m := MutantSummary{Scenario: s.Name, Variant: variant, Path: path}
			system, err := s.Mutant(variant, path)
			if err != nil {
				// What the file does not even allow is noticed.
				m.Killed, m.Why = true, err.Error()
				out = append(out, m)
				continue
			}
			if err := r.tryMutant(ctx, res, &system, &m); err != nil {
				return out, err
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// tryMutant runs a mutant until an expectation is certainly broken, or all hold.
func (r *Runner) tryMutant(ctx context.Context, res *Result, system *System, m *MutantSummary) error {
	held := heldAbout(res, m.Variant)
	if len(held) == 0 {
		m.Why = "no expectation that holds is about " + m.Variant
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(res.Variants), func(v string) bool { return v == m.Variant })
	known := len(res.Replications)
	trial := &Result{Scenario: res.Scenario, Variants: []string{m.Variant}, Most: known}
	r.expect(known)
	for _, n := range Looks(known) {
		if err := r.batch(ctx, trial, []*System{system}, n); err != nil {
			return err
		}
		mixed := &Result{Scenario: res.Scenario, Variants: res.Variants}
		for i, rep := range trial.Replications {
			both := Replication{Seed: rep.Seed, Variants: map[string]Measured{m.Variant: rep.Variants[m.Variant]}}
			for _, v := range others {
				both.Variants[v] = res.Replications[i].Variants[v]
			}
			mixed.Replications = append(mixed.Replications, both)
		}
		confidence := CertainAt
		if n == known {
			confidence = Holds95
		}
		js := judgeAll(held, mixed, res.Scenario.afterWarmup(), confidence)
		for _, j := range js {
			if j.Verdict == Broken || j.Verdict == Unsure && n == known {
				m.Killed, m.Why = true, j.Expectation.String()+": "+j.Explain()
				r.expect(n - known)
				return nil
			}
		}
		if !unsure(js) {
			r.expect(n - known)
			break
		}
	}
	m.Why = "every expectation holds without it: it protects from nothing that is expected"
	return nil
}

// heldAbout returns the expectations that hold and are about a variant.
func heldAbout(res *Result, variant string) []Expectation {
	var out []Expectation
	for _, j := range res.Judgements {
		if j.Verdict != Holds {
			continue
		}
		for _, c := range bindVariants(j.Expectation, res.Variants) {
			if c.Left.Variant == variant || c.Of != nil && c.Of.Variant == variant {
				out = append(out, j.Expectation)
				break
			}
		}
	}
	return out
}
