package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/penstock-go/penstock/load"
)

// Summary is what became of the load.
type Summary struct {
	Workers     int       `json:"workers"`
	Service     string    `json:"service"`
	Capacity    float64   `json:"capacity_per_s"` // of one service
	DeadlineMS  float64   `json:"deadline_ms"`
	Retries     int       `json:"retries"`
	Addresses   Addresses `json:"addresses"`
	Interrupted bool      `json:"interrupted"` // the load ended before its time

	Phases []PhaseSummary `json:"phases"`

	// Left and Wasted are the services' jobs at the end of the load: still held,
	// and finished for clients that had gone.
	Left   LanePair `json:"left"`
	Wasted LanePair `json:"wasted"`

	// Refusal is the id of one of the gateway's refusals, if there was one.
	Refusal string `json:"refusal,omitempty"`
}

// LanePair is a number of each lane.
type LanePair struct {
	Unprotected uint64 `json:"unprotected"`
	Protected   uint64 `json:"protected"`
}

// PhaseSummary is one phase on both lanes.
type PhaseSummary struct {
	Load        float64     `json:"load"`  // offered, times the capacity
	Seconds     float64     `json:"for_s"` // how long it was offered
	Unprotected LaneSummary `json:"unprotected"`
	Protected   LaneSummary `json:"protected"`
}

// LaneSummary is what became of a phase's requests on one lane. Offered = Good +
// Late + Refused + Errors + NotSent + Unfinished, exactly.
type LaneSummary struct {
	Offered    uint64 `json:"offered"`
	Good       uint64 `json:"good"`
	Late       uint64 `json:"late"`
	Refused    uint64 `json:"refused"`
	Errors     uint64 `json:"errors"`
	NotSent    uint64 `json:"not_sent"`
	Unfinished uint64 `json:"unfinished"`

	OfferedPerSecond float64 `json:"offered_per_s"`
	GoodPerSecond    float64 `json:"good_per_s"`
	OfCapacity       float64 `json:"of_capacity"` // goodput, as a share
	P99MS            float64 `json:"p99_ms"`      // of good requests; 0 if there were none
	LagP99MS         float64 `json:"lag_p99_ms"`  // how late requests were sent: the machine's part
}

func (d *Demo) summary(reports [][lanes]load.Report, interrupted bool) Summary {
	s := Summary{
		Workers: d.cfg.Workers, Service: lawText(d.cfg.Service), Capacity: d.capacity,
		DeadlineMS: milliseconds(d.cfg.Deadline), Retries: d.cfg.Retries,
		Addresses: d.Addresses(), Interrupted: interrupted, Phases: []PhaseSummary{},
	}
	for i, r := range reports {
		seconds := r[unprotected].Duration.Seconds()
		if seconds <= 0 {
			break // the load ended before it began
		}
		s.Phases = append(s.Phases, PhaseSummary{
			Load: d.phases[i].Load, Seconds: seconds,
			Unprotected: d.laneSummary(r[unprotected]), Protected: d.laneSummary(r[protected]),
		})
	}
	u, p := d.lanes[unprotected].service, d.lanes[protected].service
	s.Left = LanePair{uint64(u.inside.Load()), uint64(p.inside.Load())}
	s.Wasted = LanePair{u.wasted.Load(), p.wasted.Load()}
	if id := d.refused.Load(); id != nil {
		s.Refusal = *id
	}
	return s
}

func (d *Demo) laneSummary(r load.Report) LaneSummary {
	return LaneSummary{
		Offered: r.Offered, Good: r.Good, Late: r.Late, Refused: r.Refused,
		Errors: r.Errors, NotSent: r.NotSent, Unfinished: r.Unfinished,
		OfferedPerSecond: r.OfferedPerSecond, GoodPerSecond: r.GoodPerSecond,
		OfCapacity: r.GoodPerSecond / d.capacity, P99MS: milliseconds(r.Latency.P99),
		LagP99MS: milliseconds(r.Lag.P99),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// WriteTable writes the summary for people to read.
func (s Summary) WriteTable(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "Two services of %d workers x %s: each can do %.0f/s. Clients leave after %g ms.\n",
		s.Workers, s.Service, s.Capacity, s.DeadlineMS)
	if s.Interrupted {
		b.WriteString("The load was interrupted.\n")
	}
	fmt.Fprintf(b, "\n%-5s %10s  %-12s %9s %12s %10s %8s %7s\n", "load", "offered", "", "goodput", "of capacity", "p99", "refused", "late")
	for _, p := range s.Phases {
		fmt.Fprintf(b, "%-5s %8.0f/s  %s\n", fmt.Sprintf("%gx", p.Load), p.Unprotected.OfferedPerSecond, p.Unprotected.row("unprotected"))
		fmt.Fprintf(b, "%16s  %s\n", "", p.Protected.row("protected"))
	}
	if s.Wasted.Unprotected+s.Left.Unprotected > 0 {
		fmt.Fprintf(b, "\nThe unprotected service did %d jobs for clients that had gone, and has %d to go.\n",
			s.Wasted.Unprotected, s.Left.Unprotected)
	}
	if lag := s.lag(); lag > lagWarning {
		fmt.Fprintf(b, "\nwarning: the machine was too busy to offer this load: 1 %% of the requests were sent %.0f ms\n"+
			"or more after their time. The figures say as much about the machine as about the lanes.\n", lag)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row is goodput, the same as a share of capacity, p99 of good requests, and the
// shares that were refused and late.
func (l LaneSummary) row(name string) string {
	p99 := "-"
	if l.P99MS > 0 {
		p99 = fmt.Sprintf("%.1f ms", l.P99MS)
	}
	share := func(n uint64) float64 { return 100 * float64(n) / float64(max(l.Offered, 1)) }
	return fmt.Sprintf("%-12s %7.0f/s %10.0f %% %10s %6.0f %% %5.0f %%",
		name, l.GoodPerSecond, 100*l.OfCapacity, p99, share(l.Refused), share(l.Late))
}

// lagWarning is the lag, in milliseconds, above which the figures are not about
// the lanes alone.
const lagWarning = 5

// lag is the worst of all phases.
func (s Summary) lag() float64 {
	worst := 0.0
	for _, p := range s.Phases {
		worst = max(worst, p.Unprotected.LagP99MS, p.Protected.LagP99MS)
	}
	return worst
}
