package lab

import (
	"fmt"
	"math"
	"strings"
)

// Verdict is what an expectation turned out to be.
type Verdict uint8

// The verdicts.
const (
	// Unsure is an interval that lies on both sides: more replications may tell.
	// At the end of a run it counts as Broken.
	Unsure Verdict = iota
	Holds
	Broken
)

// String returns the verdict in one word.
func (v Verdict) String() string { return [...]string{"unsure", "holds", "broken"}[v] }

// MarshalText returns the same word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// A Finding is one comparison with what was measured of it.
type Finding struct {
	Comparison Comparison // its variant filled in
	Verdict    Verdict
	Left       Interval // of the left term
	Bound      Interval // of the right side: a number has no width
	// Margin is by how much the comparison holds, seed by seed: its interval
	// must lie above 0. It is negative where it does not hold.
	Margin Interval
	// Worst is the seed whose margin is the smallest.
	Worst      uint64
	WorstLeft  float64
	WorstBound float64
	// Missing is true where a seed had nothing to measure; MissingSeed is the
	// first, and MissingWhy what ended its run early, if something did.
	Missing     bool
	MissingSeed uint64
	MissingWhy  string

	dimension Dimension
}

// A Replication is one seed's measurements of every variant, by name.
type Replication struct {
	Seed     uint64
	Variants map[string]Measured
}

// judgeComparison evaluates a comparison over replications at a confidence.
func judgeComparison(c Comparison, runs []Replication, w Window, confidence float64) Finding {
	left, bound := make([]float64, len(runs)), make([]float64, len(runs))
	margin := make([]float64, len(runs))
	f := Finding{Comparison: c, WorstLeft: math.NaN(), WorstBound: math.NaN()}
	m, _ := MetricNamed(c.Left.Metric)
	f.dimension = m.Dimension
	worst := math.Inf(1)
	for i, r := range runs {
		left[i] = measure(c.Left, r, w)
		bound[i] = c.Bound.Value
		if c.Of != nil {
			bound[i] *= measure(*c.Of, r, w)
		}
		margin[i] = left[i] - bound[i]
		if c.Op.upper() {
			margin[i] = bound[i] - left[i]
		}
		if math.IsNaN(margin[i]) {
			if !f.Missing {
				f.Missing, f.MissingSeed, f.MissingWhy = true, r.Seed, stopped(c, r)
			}
			continue
		}
		if margin[i] < worst {
			worst, f.Worst, f.WorstLeft, f.WorstBound = margin[i], r.Seed, left[i], bound[i]
		}
	}
	f.Left, f.Bound, f.Margin = Estimate(left, confidence), Estimate(bound, confidence), Estimate(margin, confidence)
	f.Verdict = verdictOf(c.Op, f.Margin)
	if f.Missing {
		f.Verdict = Broken
	}
	return f
}

// stopped says which of the variants that a comparison is about ended early.
func stopped(c Comparison, r Replication) string {
	for _, t := range []*Term{&c.Left, c.Of} {
		if t == nil || r.Variants[t.Variant] == nil {
			continue
		}
		if why := r.Variants[t.Variant].Stopped(); why != "" {
			return why
		}
	}
	return ""
}

// verdictOf asks on which side of 0 the whole interval of a margin lies.
func verdictOf(op Op, margin Interval) Verdict {
	strict := op == Below || op == Above
	switch {
	case margin.Low > 0, !strict && margin.Low >= 0:
		return Holds
	case margin.High < 0, strict && margin.High <= 0:
		return Broken
	}
	return Unsure
}

func measure(t Term, r Replication, w Window) float64 {
	if t.HasWindow {
		w = t.Window
	}
	run, ok := r.Variants[t.Variant]
	if !ok {
		return math.NaN()
	}
	return run.Measure(Probe{t.Metric, t.Of, w})
}

// A Judgement is an expectation's verdict with a finding for each comparison; an
// expectation without a variant has findings for each of them.
type Judgement struct {
	Expectation Expectation
	Verdict     Verdict
	Findings    []Finding
}

// judge evaluates an expectation. It holds if each comparison does, and is
// broken if one is.
func judge(e Expectation, variants []string, runs []Replication, w Window, confidence float64) Judgement {
	j := Judgement{Expectation: e, Verdict: Holds}
	for _, c := range bindVariants(e, variants) {
		f := judgeComparison(c, runs, w, confidence)
		j.Findings = append(j.Findings, f)
		switch {
		case f.Verdict == Broken:
			j.Verdict = Broken
		case f.Verdict == Unsure && j.Verdict == Holds:
			j.Verdict = Unsure
		}
	}
	return j
}

// bindVariants returns the comparisons with every variant named: one that
// leaves a name out is about each variant in turn.
func bindVariants(e Expectation, variants []string) []Comparison {
	var out []Comparison
	for _, c := range e.Comparisons {
		if c.Left.Variant != "" && (c.Of == nil || c.Of.Variant != "") {
			out = append(out, c)
			continue
		}
		for _, v := range variants {
			bound := c
			if bound.Left.Variant == "" {
				bound.Left.Variant = v
			}
			if c.Of != nil {
				of := *c.Of
				if of.Variant == "" {
					of.Variant = v
				}
				bound.Of = &of
			}
			out = append(out, bound)
		}
	}
	return out
}

// Explain says what was measured, in one line for each comparison that does not
// hold, or for all where all do.
func (j Judgement) Explain() string {
	var lines []string
	for _, f := range j.Findings {
		if j.Verdict == Holds || f.Verdict != Holds {
			lines = append(lines, f.Explain())
		}
	}
	return strings.Join(lines, "\n")
}

// Explain says what was measured, by how much it holds or does not, and the seed
// that hurts most.
func (f Finding) Explain() string {
	left := f.dimension.format
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s", f.Comparison.Left, left(f.Left.Mean))
	if f.Missing {
		fmt.Fprintf(&b, ": there is nothing to measure in seed %d", f.MissingSeed)
		if f.MissingWhy != "" {
			b.WriteString(", which " + f.MissingWhy)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s", spread(f.Left, left))
	fmt.Fprintf(&b, ", bound %s %s", f.Comparison.Op, left(f.Bound.Mean))
	if f.Comparison.Of != nil {
		fmt.Fprintf(&b, " (%s of %s)", f.Comparison.Bound, f.Comparison.Of)
	}
	how := map[Verdict]string{Holds: "holds by", Broken: "missed by", Unsure: "undecided, margin"}[f.Verdict]
	mean := f.Margin.Mean
	if f.Verdict == Broken {
		mean = -mean
	}
	fmt.Fprintf(&b, ": %s %s", how, left(mean))
	if f.Verdict == Unsure {
		b.WriteString(spread(f.Margin, left))
	}
	fmt.Fprintf(&b, "; worst seed %d has %s", f.Worst, left(f.WorstLeft))
	if f.Comparison.Of != nil {
		fmt.Fprintf(&b, " against %s", left(f.WorstBound))
	}
	fmt.Fprintf(&b, "; %d seeds", f.Margin.N)
	return b.String()
}

// spread is an interval in brackets, empty where it has no width.
func spread(i Interval, format func(float64) string) string {
	switch {
	case i.N < 2:
		return " (one seed has no interval)"
	case i.Low == i.High:
		return ""
	}
	return " (" + format(i.Low) + " to " + format(i.High) + ")"
}
