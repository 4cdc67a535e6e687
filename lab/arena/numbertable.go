package arena

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

const numbersHead = `Goodput is a share of the oracle's: the best fixed limit in hindsight, for this
stretch of this run. "told" is the one fixed limit that is best over all seeds: it
knows the plant and not the seed's luck, so what it misses no limit reaches that
stays where it is. p99 (of good requests, from 2x on) is a multiple of the
oracle's, refused (at 0.85x) a difference; of both, the worst case counts.
`

// WriteNumbers writes what a law came to, a line for each row and stretch, or for
// each case as well.
func WriteNumbers(w io.Writer, results []CaseResult, cases bool) error {
	var b bytes.Buffer
	b.WriteString(numbersHead)
	fmt.Fprintf(&b, "\n%-68s %5s  %-13s %-13s %-12s %-12s %-12s %-7s %s\n", "", "runs", "goodput/worst", "told", "due", "p99/worst", "told", "refused", "")
	failed := 0
	rows := Rows(results)
	for _, r := range rows {
		if cases {
			for _, c := range results {
				for i, s := range c.Stretches {
					if c.Row == r.Row && s.Name == r.Stretch {
						writeNumber(&b, "  "+c.Name+", "+s.Name, Stretch{}, c.P99, c.Refusals, c.Sides[i].Law, c.Sides[i].Told, "")
					}
				}
			}
		}
		verdict := "ok"
		if m := r.Misses(); len(m) > 0 {
			verdict = "MISSES " + strings.Join(m, ", ")
			failed++
		}
		writeNumber(&b, r.Row+": "+r.Stretch, Stretch{Mean: r.DueMean, Worst: r.DueWorst}, r.HasP99, r.HasRefusals, r.Law, r.Told, verdict)
	}
	fmt.Fprintf(&b, "\n%d of %d lines reach what is due.\n", len(rows)-failed, len(rows))
	_, err := w.Write(b.Bytes())
	return err
}

func writeNumber(b *bytes.Buffer, name string, due Stretch, p99, refusals bool, law, told Figure, verdict string) {
	tail := func(f Figure) (string, string) {
		slow, refused := "-", "-"
		if p99 {
			slow = fmt.Sprintf("%.2f/%.2f", f.P99, f.P99Worst)
		}
		if refusals {
			refused = fmt.Sprintf("%+.1f%%", 100*f.RefusedMost)
		}
		return slow, refused
	}
	slow, refused := tail(law)
	toldSlow, _ := tail(told)
	wanted := "-"
	switch {
	case due.Worst > 0:
		wanted = fmt.Sprintf("%.2f/%.2f", due.Mean, due.Worst)
	case due.Mean > 0:
		wanted = fmt.Sprintf("%.2f", due.Mean)
	}
	line := fmt.Sprintf("%-68s %5d  %.3f/%.3f   %.3f/%.3f   %-12s %-12s %-12s %-7s %s",
		name, law.Runs, law.Mean, law.Worst, told.Mean, told.Worst, wanted, slow, toldSlow, refused, verdict)
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}
