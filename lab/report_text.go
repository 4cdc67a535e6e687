package lab

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes one line for each scenario and mutant, and what was measured
// where it is not as expected.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, s := range r.Scenarios {
		verdict := marks[Holds]
		if !s.Passed {
			verdict = marks[Broken]
		}
		fmt.Fprintf(&b, "%s  %s: %s, %s\n", verdict, s.Name, verdictInWords(s), plural(s.Seeds, "seed"))
		for _, e := range s.Expectations {
			if e.Verdict != Holds {
				e.write(&b)
			}
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "%s  %s: %s\n", marks[Broken], f.Name, f.Why)
	}
	for _, m := range r.Mutants {
		if m.Killed {
			fmt.Fprintf(&b, "%s  %s: %s without %s: noticed\n", marks[Holds], m.Scenario, m.Variant, m.Path)
			continue
		}
		fmt.Fprintf(&b, "%s  %s: %s without %s: survives\n        %s\n", marks[Broken], m.Scenario, m.Variant, m.Path, m.Why)
	}
	fmt.Fprintf(&b, "%s\n", r.Totals())
	_, err := io.WriteString(w, b.String())
	return err
}

// Totals says in a line how many expectations hold and mutants died.
func (r *Report) Totals() string {
	held, all := 0, 0
	for _, s := range r.Scenarios {
		for _, e := range s.Expectations {
			all++
			if e.Verdict == Holds {
				held++
			}
		}
	}
	text := fmt.Sprintf("%d of %s hold in %s", held, plural(all, "expectation"), plural(len(r.Scenarios), "scenario"))
	if n := len(r.Failures); n > 0 {
		text += fmt.Sprintf(", %s could not run", plural(n, "scenario"))
	}
	if n := len(r.Mutants); n > 0 {
		killed := 0
		for _, m := range r.Mutants {
			if m.Killed {
				killed++
			}
		}
		text += fmt.Sprintf(", %d of %s noticed", killed, plural(n, "mutant"))
	}
	return text
}
