package lab

import (
	"encoding/json"
	"math"
	"slices"
)

// A Summary is a result in numbers: what the table, the report and --json show.
type Summary struct {
	Name     string   `json:"name"`
	File     string   `json:"file,omitempty"`
	About    string   `json:"about"`
	Costs    string   `json:"costs,omitempty"`
	Passed   bool     `json:"passed"`
	For      float64  `json:"for_seconds"`
	Warmup   float64  `json:"warmup_seconds"`
	Seeds    int      `json:"seeds"`      // that were run
	Most     int      `json:"seeds_most"` // that might have been
	Variants []string `json:"variants"`

	Expectations []ExpectationSummary `json:"expectations"`
	Rows         []Row                `json:"metrics"`
	Stops        []Stop               `json:"stops,omitempty"`
}

// An ExpectationSummary is an expectation with its verdict.
type ExpectationSummary struct {
	Text    string           `json:"expect"`
	Verdict Verdict          `json:"verdict"`
	Explain string           `json:"explain"`
	Parts   []FindingSummary `json:"comparisons"`
}

// A FindingSummary is one comparison. Margin says by how much it holds; it must
// lie above 0 as a whole.
type FindingSummary struct {
	Text    string   `json:"comparison"`
	Verdict Verdict  `json:"verdict"`
	Left    Interval `json:"measured"`
	Bound   Interval `json:"bound"`
	Margin  Interval `json:"margin"`
	Worst   uint64   `json:"worst_seed"`
	finding Finding
}

// A Row is one metric of one part, in each variant.
type Row struct {
	Part   string     `json:"part,omitempty"` // empty: the whole system
	Metric string     `json:"metric"`
	Values []Interval `json:"values"` // as Summary.Variants
	metric Metric
}

// A Stop is a run that ended before its time.
type Stop struct {
	Variant string `json:"variant"`
	Seed    uint64 `json:"seed"`
	Why     string `json:"why"`
}

// MarshalJSON writes what is no finite number as null.
func (i Interval) MarshalJSON() ([]byte, error) {
	finite := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Mean *float64 `json:"mean"`
		Low  *float64 `json:"low"`
		High *float64 `json:"high"`
	}{finite(i.Mean), finite(i.Low), finite(i.High)})
}

// What a summary shows, where there is any of it.
var (
	wholeMetrics = []string{
		"first_offered", "offered", "amplification", "goodput", "late", "refused", "failed", "wasted",
		"p50", "p99", "recovery", "deaths",
	}
	partMetrics = []string{
		"goodput", "utilisation", "blocked", "starved", "delay", "queue", "in_flight", "limit", "level",
		"hit_rate", "duplicates", "fairness", "spilled", "held",
	}
)

// Summarize makes the summary of a result.
func (r *Result) Summarize() Summary {
	s := r.Scenario
	sum := Summary{
		Name: s.Name, File: s.File, About: s.About, Costs: s.Costs, Passed: r.Passed(),
		For: s.Run.For.Seconds(), Warmup: s.Run.Warmup.Seconds(),
		Seeds: len(r.Replications), Most: r.Most, Variants: r.Variants,
	}
	for _, j := range r.Judgements {
		e := ExpectationSummary{Text: j.Expectation.String(), Verdict: j.Verdict, Explain: j.Explain()}
		for _, f := range j.Findings {
			e.Parts = append(e.Parts, FindingSummary{f.Comparison.String(), f.Verdict, f.Left, f.Bound, f.Margin, f.Worst, f})
		}
		sum.Expectations = append(sum.Expectations, e)
	}
	sum.addRows(r, "", wholeMetrics)
	for _, p := range r.partsInAny() {
		sum.addRows(r, p.name, partMetrics)
	}
	for _, rep := range r.Replications {
		for _, v := range r.Variants {
			if why := rep.Variants[v].Stopped(); why != "" {
				sum.Stops = append(sum.Stops, Stop{v, rep.Seed, why})
			}
		}
	}
	return sum
}

// addRows adds the metrics of a part of which there is any in some variant.
func (sum *Summary) addRows(r *Result, name string, metrics []string) {
	for _, metric := range metrics {
		m, _ := MetricNamed(metric)
		row := Row{Part: name, Metric: metric, metric: m}
		some := false
		for _, v := range r.Variants {
			i := Interval{Mean: math.NaN(), Low: math.NaN(), High: math.NaN()}
			if r.has(v, name, m) {
				i = r.Estimate(v, metric, name)
			}
			some = some || !math.IsNaN(i.Mean) && i.Mean != 0
			row.Values = append(row.Values, i)
		}
		if some {
			sum.Rows = append(sum.Rows, row)
		}
	}
}

// Estimate is the interval of one metric after the warm-up.
func (r *Result) Estimate(variant, metric, of string) Interval {
	values := make([]float64, 0, len(r.Replications))
	for _, rep := range r.Replications {
		values = append(values, rep.Variants[variant].Measure(Probe{metric, of, r.Scenario.afterWarmup()}))
	}
	return Estimate(values, Holds95)
}

func (s *Scenario) afterWarmup() Window { return Window{s.Run.Warmup, s.Run.For} }

// has reports whether a variant has the part, and the part such a metric.
func (r *Result) has(variant, name string, m Metric) bool {
	for _, v := range r.Scenario.Variants {
		if v.Name == variant {
			return v.System.has(name, m)
		}
	}
	return false
}

// partsInAny lists the parts that do something, in the order of the file: all but
// sources, links and single machines.
func (r *Result) partsInAny() []part {
	var out []part
	for _, v := range r.Scenario.Variants {
		if !slices.Contains(r.Variants, v.Name) {
			continue
		}
		for _, p := range v.System.parts {
			if p.shown() && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}
