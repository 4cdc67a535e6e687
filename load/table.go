package load

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// WriteTable writes the report for people to read.
func (r Report) WriteTable(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s %s\n", r.Method, r.URL)
	fmt.Fprintf(b, "%s arrivals, %s, for %v", r.Arrivals, r.Profile, rounded(r.Duration))
	if r.Warmup > 0 {
		fmt.Fprintf(b, " after %v of warm-up", r.Warmup)
	}
	fmt.Fprintf(b, "; deadline %v, seed %d", r.Deadline, r.Seed)
	if r.Interrupted {
		b.WriteString("; interrupted")
	}
	b.WriteString("\n\n")

	fmt.Fprintf(b, "%-12s %10s %11s %9s\n", "", "requests", "per second", "share")
	r.row(b, "offered", r.Offered, "")
	if r.FirstOffered != r.Offered {
		r.row(b, "  first", r.FirstOffered, "")
	}
	r.row(b, "good", r.Good, "")
	r.row(b, "late", r.Late, "")
	r.row(b, "refused", r.Refused, tallies(r.RefusedByStatus)+reasons(r.RefusedByReason))
	r.row(b, "errors", r.Errors, tallies(r.ErrorsByKind))
	if r.NotSent > 0 {
		r.row(b, "not sent", r.NotSent, "")
	}
	if r.Unfinished > 0 {
		r.row(b, "unfinished", r.Unfinished, "")
	}

	fmt.Fprintf(b, "\n%-12s %9s %9s %9s %9s %9s\n", "latency, ms", "p50", "p90", "p99", "p99.9", "max")
	if r.Good > 0 {
		r.Latency.row(b, "good")
	}
	if r.Refused > 0 {
		r.Refusals.row(b, "refused")
	}
	r.Lag.row(b, "own lag")
	for _, warning := range r.Warnings {
		fmt.Fprintf(b, "\nwarning: %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) row(b *strings.Builder, name string, n uint64, note string) {
	perSecond, share := 0.0, 0.0
	if s := r.Duration.Seconds(); s > 0 {
		perSecond = float64(n) / s
	}
	if r.Offered > 0 {
		share = 100 * float64(n) / float64(r.Offered)
	}
	line := fmt.Sprintf("%-12s %10d %11.1f %7.2f %%   %s", name, n, perSecond, share, note)
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}

func (l Latency) row(b *strings.Builder, name string) {
	fmt.Fprintf(b, "%-12s %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, ms(l.P50), ms(l.P90), ms(l.P99), ms(l.P999), ms(l.Max))
}

// tallies writes a map, the largest count first.
func tallies(m map[string]uint64) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if m[a] != m[b] {
			return int(min(max(int64(m[b])-int64(m[a]), -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%s %d", k, m[k])
	}
	return strings.Join(keys, ", ")
}

// reasons adds the reasons, if any refusal gave one.
func reasons(m map[string]uint64) string {
	if len(m) == 0 || len(m) == 1 && m[unstated] > 0 {
		return ""
	}
	return "; " + tallies(m)
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
