package lab

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// A page is what the report's template shows.
type page struct {
	Summary
	Verdict  string // in words
	Cards    []card
	Hero     figure
	Groups   []group
	Findings []findingRow
	Table    []tableGroup
	Classes  []string // of the variants
	Notes    string
	Source   string
	Data     template.JS
}

// A card is one variant in three numbers.
type card struct {
	Name, Class string
	Big, Of     string // goodput, and of how much
	Share       int    // per cent, for the bar
	Facts       []fact
	good, asked float64
}

type fact struct{ Name, Value string }

// A figure is one chart with its legend.
type figure struct {
	Title, About string
	Index        int
	Legend       []legend
	SVG          template.HTML
	Narrow       template.HTML // in its place where there is little room
}

type legend struct {
	Name, Class string
	Curve       int
}

// A group is the charts of one part.
type group struct {
	Name    string
	Figures []figure
}

type findingRow struct {
	Text, Class, Mark string
	Lines             []string
}

type tableGroup struct {
	Name string
	Rows []tableRow
}

type tableRow struct {
	Metric, About string
	Cells         []string
}

// chartData is what the page's script needs to read a chart's values.
type chartData struct {
	Step   float64      `json:"step"`
	Length float64      `json:"length"`
	Unit   string       `json:"unit"`
	Curves [][]*float64 `json:"curves"`
}

// WriteHTML writes the result as one page that needs nothing else: no network, no
// other file.
func (r *Result) WriteHTML(w io.Writer) error {
	p := page{Summary: r.Summarize(), Source: string(r.Scenario.text)}
	charts := &album{}
	p.Verdict = verdictInWords(p.Summary)
	for i, v := range r.Variants {
		p.Classes = append(p.Classes, r.class(v))
		p.Cards = append(p.Cards, r.card(v, p.Classes[i]))
	}
	fillBars(p.Cards)
	hero := r.hero()
	p.Hero = charts.add(hero, largeFrame)
	p.Hero.Narrow = template.HTML(hero.svg(p.Hero.Index, narrowFrame)) //nolint:gosec // drawn here, names escaped
	p.Groups = r.groups(charts)
	p.findings()
	p.numbers()
	p.Notes = fmt.Sprintf("%s of virtual time, the first %s left out of every number. %s of at most %d for each variant; seed by seed, all variants see the same arrivals and the same service times. "+
		"Lines are means over the seeds, shades the range that the seeds span. Intervals are 95 %% (Student's t).",
		formatSeconds(p.For), formatSeconds(p.Warmup), plural(p.Seeds, "seed"), p.Most)
	data, err := json.Marshal(charts.data)
	if err != nil {
		return err
	}
	p.Data = template.JS(data) //nolint:gosec // numbers and units that json has written
	return reportTemplate.Execute(w, p)
}

// An album numbers charts and collects their data.
type album struct{ data []chartData }

func (a *album) add(c *chart, in frame) figure {
	f := figure{Title: c.title, About: c.about, Index: len(a.data), SVG: template.HTML(c.svg(len(a.data), in))} //nolint:gosec // drawn here, names escaped
	d := chartData{Step: c.step.Seconds(), Length: c.length.Seconds(), Unit: unitNames[c.dimension]}
	for i, l := range c.curves {
		f.Legend = append(f.Legend, legend{l.name, l.class, i})
		values := make([]*float64, len(l.mean))
		for j, v := range l.mean {
			if !math.IsNaN(v) {
				short, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
				values[j] = &short
			}
		}
		d.Curves = append(d.Curves, values)
	}
	a.data = append(a.data, d)
	return f
}

var unitNames = [...]string{Number: "", Rate: "/s", Time: "s", Share: "%", Bytes: "B"}

// hero is the picture that shows what happens: offered against goodput.
func (r *Result) hero() *chart {
	s := r.sampler()
	c, _ := s.chart("goodput", "")
	c.about = "work finished in time"
	if asked, ok := s.chart("first_offered", ""); ok {
		l := asked.curves[0]
		l.name, l.class, l.low, l.high = "asked for", "asked", nil, nil
		c.curves = append([]curve{l}, c.curves...)
		c.about += "; dashed: what is asked for"
	}
	if len(c.bands) > 0 {
		var what []string
		for _, b := range c.bands {
			what = append(what, b.label)
		}
		c.about += "; orange: " + strings.Join(what, "; ")
	}
	if c.warmup > 0 {
		c.about += "; grey: the warm-up, which the numbers leave out"
	}
	c.title = "Goodput"
	return c
}

// class is a variant's colour: in every report the same for push and for
// backpressure.
func (r *Result) class(variant string) string {
	usual := []string{"push", "backpressure"}
	if i := slices.Index(usual, variant); i >= 0 {
		return fmt.Sprintf("v%d", i)
	}
	n := len(usual)
	for _, v := range r.Scenario.Variants {
		if v.Name == variant {
			break
		}
		if !slices.Contains(usual, v.Name) {
			n++
		}
	}
	return fmt.Sprintf("v%d", n%palette)
}

// The charts of each kind of part, after those of the whole system.
var (
	wholeCharts = []string{"offered", "p99", "refused", "wasted", "late", "failed"}
	partCharts  = map[partKind][]string{
		aStage:      {"delay", "in_flight", "limit", "level", "down"},
		aCache:      {"hit_rate"},
		aLine:       {"goodput", "in_flight", "queue"},
		aStation:    {"queue", "blocked"},
		aBottleneck: {"goodput", "delay", "duplicates"},
		aReservoir:  {"held", "spilled"},
	}
)

func (r *Result) groups(a *album) []group {
	s := r.sampler()
	draw := func(name, of string, metrics []string) (g group) {
		g.Name = name
		for _, metric := range metrics {
			if c, ok := s.chart(metric, of); ok {
				g.Figures = append(g.Figures, a.add(c, smallFrame))
			}
		}
		return g
	}
	var out []group
	whole := "What users see"
	if len(r.Scenario.Variants[0].System.namesOf(aSource)) == 0 {
		whole = "The whole"
	}
	for _, g := range append([]group{draw(whole, "", wholeCharts)}, r.partGroups(draw)...) {
		if len(g.Figures) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func (r *Result) partGroups(draw func(name, of string, metrics []string) group) []group {
	var out []group
	for _, p := range r.partsInAny() {
		out = append(out, draw(partNames[p.kind]+" "+p.name, p.name, partCharts[p.kind]))
	}
	return out
}

// card tells how a variant does after the last disturbance.
func (r *Result) card(variant, class string) card {
	w, when := r.Scenario.afterWarmup(), ""
	for _, v := range r.Scenario.Variants {
		if v.Name == variant && v.System.Disturbed && v.System.Last > w.From && v.System.Last < w.To {
			w.From, when = v.System.Last, " after the trouble"
		}
	}
	mean := func(metric string) float64 {
		values := make([]float64, 0, len(r.Replications))
		for _, rep := range r.Replications {
			values = append(values, rep.Variants[variant].Measure(Probe{metric, "", w}))
		}
		return Estimate(values, Holds95).Mean
	}
	first, _ := MetricNamed("first_offered")
	c := card{Name: variant, Class: class, good: mean("goodput"), Of: "good" + when}
	c.Big = Rate.format(c.good)
	if r.has(variant, "", first) {
		c.asked = mean("first_offered")
		c.Of += ", of " + Rate.format(c.asked) + " asked for"
	}
	for _, f := range []struct{ metric, name string }{
		{"recovery", "recovers in"}, {"p99", "p99"}, {"refused", "refused"}, {"wasted", "wasted"}, {"deaths", "deaths"},
	} {
		m, _ := MetricNamed(f.metric)
		v := mean(f.metric)
		if math.IsNaN(v) || v == 0 && f.metric != "recovery" {
			continue
		}
		text := m.Dimension.format(v)
		if f.metric == "recovery" && v >= (r.Scenario.Run.For-w.From).Seconds()*0.999 {
			text = "never"
		}
		c.Facts = append(c.Facts, fact{f.name, text})
	}
	return c
}

// fillBars shows goodput against what is asked for; where nobody asks, against
// the best variant's.
func fillBars(cards []card) {
	best := 0.0
	for _, c := range cards {
		best = max(best, c.good)
	}
	for i := range cards {
		c := &cards[i]
		full := c.asked
		if full == 0 {
			full = best
		}
		if share := 100 * c.good / full; share > 0 {
			c.Share = int(math.Round(min(100, share)))
		}
	}
}

func verdictInWords(s Summary) string {
	broken := 0
	for _, e := range s.Expectations {
		if e.Verdict != Holds {
			broken++
		}
	}
	switch {
	case len(s.Expectations) == 0:
		return "nothing is expected"
	case broken == 0 && len(s.Expectations) == 1:
		return "the expectation holds"
	case broken == 0:
		return fmt.Sprintf("all %d expectations hold", len(s.Expectations))
	}
	verb := "do not hold"
	if broken == 1 {
		verb = "does not hold"
	}
	return fmt.Sprintf("%d of %s %s", broken, plural(len(s.Expectations), "expectation"), verb)
}

func (p *page) findings() {
	for _, e := range p.Expectations {
		row := findingRow{Text: e.Text, Class: "bad", Mark: "\u2717"}
		if e.Verdict == Holds {
			row.Class, row.Mark = "good", "\u2713"
		}
		row.Lines = strings.Split(e.Explain, "\n")
		p.Findings = append(p.Findings, row)
	}
}

func (p *page) numbers() {
	for _, r := range p.Rows {
		if n := len(p.Table); n == 0 || p.Table[n-1].Name != r.Part {
			p.Table = append(p.Table, tableGroup{Name: r.Part})
		}
		row := tableRow{Metric: r.Metric, About: r.metric.About}
		for _, v := range r.Values {
			row.Cells = append(row.Cells, v.format(r.metric.Dimension))
		}
		last := &p.Table[len(p.Table)-1]
		last.Rows = append(last.Rows, row)
	}
}
