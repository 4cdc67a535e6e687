package arena

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteText writes the scoreboard for a terminal: a table per phase of each plant,
// then where the default law loses, then everybody over all phases.
func (s *Scoreboard) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for i, t := range s.Tables {
		if i == 0 || s.Tables[i-1].Plant != t.Plant {
			fmt.Fprintf(&b, "%s\n  %s\n", t.Plant, t.About)
		}
		fmt.Fprintf(&b, "\n  %-30s %8s %8s %8s %8s %8s %8s %10s\n", t.Phase, "goodput", "worst", "p50 ms", "p99 ms", "refused", "late", "settles")
		for _, r := range t.Rows {
			fmt.Fprintf(&b, "  %-30s %8.3f %8.3f %8s %8s %8s %8s %10s\n",
				r.label(), r.Score, r.Worst, r.ms(r.P50), r.ms(r.P99), percent(r.Refused), percent(r.Late), r.settles())
		}
		if i+1 == len(s.Tables) || s.Tables[i+1].Plant != t.Plant {
			b.WriteByte('\n')
		}
	}
	s.writeLosses(&b)
	s.writeOverall(&b)
	s.writeNotes(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// label marks those who are told the number of workers.
func (r Row) label() string { return mark(r.Limiter, r.Kind) }

func mark(name string, kind Kind) string {
	if kind == Told {
		return name + " *"
	}
	return name
}

func (r Row) ms(v float64) string {
	if !r.Has {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}

func percent(v float64) string { return fmt.Sprintf("%.1f%%", v*100) }

// settles is the mean of the seeds that settle, and how many do not.
func (r Row) settles() string {
	switch {
	case r.Never == r.Seeds:
		return "never"
	case r.Never > 0:
		return fmt.Sprintf("%.1fs, -%d", r.Settle, r.Never)
	}
	return fmt.Sprintf("%.1fs", r.Settle)
}

func (s *Scoreboard) writeLosses(b *bytes.Buffer) {
	if s.Source == "" {
		return
	}
	fmt.Fprintf(b, "Where %s loses\n", OursName)
	for _, kind := range []Kind{Peer, Told} {
		who := "to limiters that find their limit, as it does"
		if kind == Told {
			who = "to limiters that are told the number of workers"
		}
		fmt.Fprintf(b, "\n  %s\n", who)
		none := true
		for _, l := range s.Losses {
			if l.Kind == kind {
				none = false
				fmt.Fprintf(b, "    %-52s %-20s %s, %s: %s\n", l.where(), l.Measure, l.format(l.Ours), l.Limiter, l.format(l.Theirs))
			}
		}
		if none {
			b.WriteString("    nowhere on these plants\n")
		}
	}
	b.WriteByte('\n')
}

func (l Loss) where() string { return l.Plant + ": " + l.Phase }

// format writes a value of the loss's measure.
func (l Loss) format(v float64) string {
	switch {
	case strings.HasPrefix(l.Measure, "goodput"):
		return fmt.Sprintf("%.3f", v)
	case l.Measure == "refused":
		return percent(v)
	case v < 0:
		return "never"
	}
	return fmt.Sprintf("%.1f", v)
}

func (s *Scoreboard) writeOverall(b *bytes.Buffer) {
	fmt.Fprintf(b, "%-32s %8s %8s %8s %8s %12s\n", "Over all phases", "phases", "goodput", "worst", "< .95", "p99/oracle")
	for _, o := range s.Overall {
		p99 := "-"
		if o.P99 > 0 {
			p99 = fmt.Sprintf("%.2f", o.P99)
		}
		fmt.Fprintf(b, "  %-30s %8d %8.3f %8.3f %8d %12s\n", mark(o.Limiter, o.Kind), o.Phases, o.Score, o.Worst, o.Low, p99)
	}
	b.WriteByte('\n')
}

func (s *Scoreboard) writeNotes(b *bytes.Buffer) {
	for _, l := range s.Limiters {
		if l.Unjudged != "" {
			fmt.Fprintf(b, "Not judged: %s: %s.\n", l.Name, l.Unjudged)
		}
	}
	for _, n := range s.Notes() {
		b.WriteString(n + "\n")
	}
}

// Notes say what the numbers are.
func (s *Scoreboard) Notes() []string {
	notes := []string{
		"goodput: answered in time, as a share of the oracle's (the best fixed limit in hindsight, behind penstock's waiting room); mean of the seeds, and worst seed.",
		"settles: seconds until 80 % of the oracle's goodput, held for 2 s; -n: so many seeds do not. *: told how many workers there are.",
		fmt.Sprintf("Rows named virtual, and the oracle: the controllers' core in the simulator, just now; seeds: %d.", s.Seeds),
	}
	if s.Source != "" {
		return append(notes, "All other rows: real code under testing/synctest, "+s.Source+fmt.Sprintf("; seeds: %d. docs/arena.md says more.", s.LiveSeeds))
	}
	return append(notes, "There are no rows of other people's limiters: --from names no results. docs/arena.md says how to make them.")
}
