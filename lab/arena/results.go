package arena

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Format names the layout of a results file.
const Format = "penstock-arena/1"

// The bounds on a results file.
const (
	MaxFile     = 16 << 20
	MaxLimiters = 256
	MaxRuns     = 1 << 16
	maxCurve    = 1 << 12
)

// Results is what bench/arena writes and penstock lab arena reads.
type Results struct {
	Format   string    `json:"format"`   // Format
	Date     string    `json:"date"`     // of the run, as 2006-01-02
	Command  string    `json:"command"`  // what made it
	Go       string    `json:"go"`       // version
	Limiters []Limiter `json:"limiters"` // in the order of the tables
	Runs     []Run     `json:"runs"`
	Curves   []Curve   `json:"curves"`
}

// A Limiter is one competitor.
type Limiter struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Module is the Go module with its version that it comes from.
	Module string `json:"module,omitempty"`
	// Config says how it was set up and used.
	Config string `json:"config"`
	// Unjudged says why it has no runs. Empty: it has.
	Unjudged string `json:"unjudged,omitempty"`
}

// Kind is whose a limiter is, and what it knows.
type Kind string

// The kinds of limiters.
const (
	Ours     Kind = "ours"     // of this repository, finds its limit
	Peer     Kind = "peer"     // of another module, finds its limit
	Told     Kind = "told"     // is told how many workers there are, whoever's it is
	Baseline Kind = "baseline" // no limiter, or the oracle
)

// A Run is one limiter on one plant with one seed, judged in one phase.
type Run struct {
	Plant   string `json:"plant"`
	Phase   string `json:"phase"`
	Limiter string `json:"limiter"`
	Seed    uint64 `json:"seed"`

	Offered int `json:"offered"` // requests asked in the phase
	Good    int `json:"good"`    // answered before their client left
	Refused int `json:"refused"` // told no before their client left; the rest were late
	// Attainable is the oracle's Good in this phase: the best fixed limit in
	// hindsight behind our waiting room, with the same arrivals and draws.
	Attainable int `json:"attainable"`

	P50 float64 `json:"p50_ms"` // latency of good requests, ms; 0 if there are none
	P99 float64 `json:"p99_ms"`
	// Settle is how many seconds after the phase's state began goodput was back:
	// at 80 % of the oracle's in each half second of the two that follow.
	// Negative: not within the phase.
	Settle float64 `json:"settle_s"`
}

// Score is the run's goodput as a share of what was attainable.
func (r Run) Score() float64 { return share(r.Good, r.Attainable) }

func share(part, whole int) float64 { return float64(part) / float64(max(1, whole)) }

// A Curve is goodput over a plant's whole time, the mean over the seeds.
type Curve struct {
	Plant   string    `json:"plant"`
	Limiter string    `json:"limiter"`
	Step    float64   `json:"step_s"`
	Good    []float64 `json:"good_per_s"`
}

// Read reads and checks a results file. Its error names every problem.
func Read(r io.Reader) (*Results, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("longer than %d bytes", MaxFile)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var res Results
	if err := dec.Decode(&res); err != nil {
		if at, ok := errors.AsType[*json.SyntaxError](err); ok {
			line := 1 + bytes.Count(data[:min(int(at.Offset), len(data))], []byte("\n"))
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		return nil, err
	}
	if err := res.check(); err != nil {
		return nil, err
	}
	return &res, nil
}

const maxProblems = 10

func (r *Results) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		if len(errs) < maxProblems {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if r.Format != Format {
		bad("format: %q, this program reads %q", r.Format, Format)
	}
	if len(r.Limiters) > MaxLimiters || len(r.Runs) > MaxRuns || len(r.Curves) > MaxRuns {
		bad("limiters, runs, curves: more than %d, %d, %d", MaxLimiters, MaxRuns, MaxRuns)
	}
	known := map[string]bool{}
	for i, l := range r.Limiters {
		if l.Name == "" || known[l.Name] {
			bad("limiters[%d].name: %q is empty or not the first of its name", i, l.Name)
		}
		if !slices.Contains([]Kind{Ours, Peer, Told, Baseline}, l.Kind) {
			bad("limiters[%d].kind: %q, allowed: ours, peer, told, baseline", i, l.Kind)
		}
		known[l.Name] = true
	}
	for i, run := range r.Runs {
		if !known[run.Limiter] {
			bad("runs[%d].limiter: there is no %q among the limiters", i, run.Limiter)
		}
		if run.Offered < 0 || run.Good < 0 || run.Refused < 0 || run.Attainable < 0 || run.Good+run.Refused > run.Offered {
			bad("runs[%d]: %d good and %d refused of %d offered, %d attainable", i, run.Good, run.Refused, run.Offered, run.Attainable)
		}
		if !(run.P50 >= 0 && run.P99 >= run.P50) || math.IsInf(run.P99, 0) {
			bad("runs[%d]: p50 of %v ms, p99 of %v ms", i, run.P50, run.P99)
		}
	}
	for i, c := range r.Curves {
		if !known[c.Limiter] || !(c.Step > 0) || len(c.Good) > maxCurve {
			bad("curves[%d]: limiter %q, step %v s, %d points (at most %d)", i, c.Limiter, c.Step, len(c.Good), maxCurve)
		}
	}
	return errors.Join(errs...)
}

// Write writes the results, one run to a line so that differences can be read.
func (r *Results) Write(w io.Writer) error {
	head := *r
	head.Runs, head.Curves = nil, nil
	data, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(data, []byte(",\n \"runs\": null,\n \"curves\": null\n}")))
	for _, part := range []struct {
		name string
		rows []any
	}{{"runs", anys(r.Runs)}, {"curves", anys(r.Curves)}} {
		fmt.Fprintf(&b, ",\n %q: [", part.name)
		for i, row := range part.rows {
			line, err := json.Marshal(row)
			if err != nil {
				return err
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n  ")
			b.Write(line)
		}
		b.WriteString("\n ]")
	}
	b.WriteString("\n}\n")
	_, err = w.Write(b.Bytes())
	return err
}

func anys[T any](rows []T) []any {
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = r
	}
	return out
}
