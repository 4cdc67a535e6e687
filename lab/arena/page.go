package arena

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("arena").Parse(pageText))

// A page is what the template shows.
type page struct {
	*Scoreboard

	Heat     []heatRow
	LossRows []lossRow
	Plants   []plantView
}

type heatRow struct {
	Name  string
	Kind  Kind
	Cells []heatCell
}

type heatCell struct {
	Text, Title string
	Color       template.CSS
}

type lossRow struct {
	Where, Measure, Ours, Theirs, Limiter string
	Kind                                  Kind
}

type plantView struct {
	Name, About string
	Curve       *curveView
	Phases      []phaseView
}

type phaseView struct {
	Name           string
	Score, Latency template.HTML
	Rows           []rowView
}

type rowView struct {
	Label, Score, Worst, P50, P99, Refused, Late, Settles string
	Kind                                                  Kind
}

// WriteHTML writes the scoreboard as one page that needs nothing else: no network,
// no other file.
func (s *Scoreboard) WriteHTML(w io.Writer) error {
	p := page{Scoreboard: s, Heat: s.heat()}
	for _, l := range s.Losses {
		p.LossRows = append(p.LossRows, lossRow{l.where(), l.Measure, l.format(l.Ours), l.format(l.Theirs), mark(l.Limiter, l.Kind), l.Kind})
	}
	for _, t := range s.Tables {
		if n := len(p.Plants); n == 0 || p.Plants[n-1].Name != t.Plant {
			p.Plants = append(p.Plants, plantView{Name: t.Plant, About: t.About, Curve: s.curves(t.Plant, n)})
		}
		last := &p.Plants[len(p.Plants)-1]
		last.Phases = append(last.Phases, t.view())
	}
	return pageTemplate.Execute(w, p)
}

func (t Table) view() phaseView {
	v := phaseView{Name: t.Phase, Score: t.scoreBars(), Latency: t.latencyBars()}
	for _, r := range t.Rows {
		v.Rows = append(v.Rows, rowView{
			Label: r.label(), Kind: r.Kind, Score: fmt.Sprintf("%.3f", r.Score), Worst: fmt.Sprintf("%.3f", r.Worst),
			P50: r.ms(r.P50), P99: r.ms(r.P99), Refused: percent(r.Refused), Late: percent(r.Late), Settles: r.settles(),
		})
	}
	return v
}

func (s *Scoreboard) heat() []heatRow {
	var rows []heatRow
	for _, o := range s.Overall {
		row := heatRow{Name: mark(o.Limiter, o.Kind), Kind: o.Kind}
		for _, t := range s.Tables {
			r, ok := t.row(o.Limiter)
			if !ok {
				row.Cells = append(row.Cells, heatCell{})
				continue
			}
			row.Cells = append(row.Cells, heatCell{Text: shortShare(r.Score), Color: heatColor(r.Score), Title: fmt.Sprintf(
				"%s, %s, %s: %.3f, worst seed %.3f, p50 %s ms, p99 %s ms, refused %s, settles %s",
				o.Limiter, t.Plant, t.Phase, r.Score, r.Worst, r.ms(r.P50), r.ms(r.P99), percent(r.Refused), r.settles())})
		}
		row.Cells = append(row.Cells, heatCell{Text: shortShare(o.Score), Color: heatColor(o.Score), Title: fmt.Sprintf("%d phases, worst seed %.3f", o.Phases, o.Worst)})
		rows = append(rows, row)
	}
	return rows
}

// shortShare leaves the zero out: .97, 1.0.
func shortShare(v float64) string {
	if v >= 0.995 {
		return fmt.Sprintf("%.1f", v)
	}
	return strings.TrimPrefix(fmt.Sprintf("%.2f", v), "0")
}

// heatColor goes from red at 0.5 and less over yellow to green at 1.
func heatColor(v float64) template.CSS {
	share := (min(1, max(0.5, v)) - 0.5) * 2
	return template.CSS(fmt.Sprintf("hsl(%.0f 62%% 72%%)", 130*share*share)) //nolint:gosec // a number
}

// The geometry of the charts, in units of the picture.
const (
	barsWidth, barsLeft, barsRight, barsRow, barsTop = 560.0, 200.0, 30.0, 17.0, 22.0
	curveWidth, curveHeight, curveLeft, curveBottom  = 1160.0, 260.0, 46.0, 22.0
)

// scoreBars draws each limiter's goodput: a bar from the worst seed to the mean,
// a dot at the mean.
func (t Table) scoreBars() template.HTML {
	return t.bars("goodput / attainable: worst seed to mean", 1.05, []float64{0, 0.25, 0.5, 0.75, 1},
		func(r Row) (from, to float64, text string) { return r.Worst, r.Score, fmt.Sprintf("%.3f", r.Score) })
}

// latencyBars draws the latency of good requests: a bar from the median to p99.
func (t Table) latencyBars() template.HTML {
	return t.bars("latency of good requests, ms: median to p99", 105, []float64{0, 25, 50, 75, 100},
		func(r Row) (from, to float64, text string) { return r.P50, r.P99, r.ms(r.P99) })
}

func (t Table) bars(title string, most float64, ticks []float64, of func(Row) (from, to float64, text string)) template.HTML {
	height := barsTop + barsRow*float64(len(t.Rows)) + 18
	x := func(v float64) float64 { return barsLeft + min(v, most)/most*(barsWidth-barsLeft-barsRight) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s"><text x="%g" y="12">%s</text>`,
		barsWidth, height, template.HTMLEscapeString(title), barsLeft, template.HTMLEscapeString(title))
	for _, v := range ticks {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %gV%g"/><text class="tick" x="%.1f" y="%g" text-anchor="middle">%g</text>`,
			x(v), barsTop-4, height-16, x(v), height-4, v)
	}
	for i, r := range t.Rows {
		y := barsTop + barsRow*(float64(i)+0.5)
		from, to, text := of(r)
		fmt.Fprintf(&b, `<g class="%s"><text class="%s" x="%g" y="%.1f" text-anchor="end">%s</text><path class="bar" d="M%.1f %.1fH%.1f"/>`+
			`<circle class="dot" cx="%.1f" cy="%.1f" r="3.5"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text></g>`,
			r.Kind, r.Kind, barsLeft-8, y+4, template.HTMLEscapeString(r.label()), x(from), y, x(to), x(to), y, barsWidth, y+4, text)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // drawn here, names escaped
}

// A curveView is goodput over time, a line for each limiter.
type curveView struct {
	SVG    template.HTML
	Legend []curveKey
}

type curveKey struct {
	Name, ID string
	Color    template.CSS
	On       bool
}

// curves draws a plant's curves; nil if it has none. index keeps ids apart.
func (s *Scoreboard) curves(plant string, index int) *curveView {
	var curves []Curve
	most, length := 0.0, 0.0
	for _, l := range s.Limiters {
		for _, c := range s.Curves {
			if c.Plant != plant || c.Limiter != l.Name || len(c.Good) == 0 {
				continue
			}
			curves = append(curves, c)
			most = max(most, slices.Max(c.Good))
			length = max(length, c.Step*float64(len(c.Good)))
		}
	}
	if len(curves) == 0 || most == 0 {
		return nil
	}
	view := &curveView{}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="goodput over time">`, curveWidth, curveHeight)
	drawAxes(&b, most, length)
	for i, c := range curves {
		us := c.Limiter == OursName || c.Limiter == VirtualName
		key := curveKey{
			Name: c.Limiter, ID: fmt.Sprintf("c%d-%d", index, i), On: us || i%2 == 0 || len(curves) < 10,
			Color: template.CSS(fmt.Sprintf("hsl(%d 60%% 48%%)", (i*137+210)%360)), //nolint:gosec // a number
		}
		class := "line"
		if us {
			class = "line us"
		}
		fmt.Fprintf(&b, `<path id="%s" class="%s" style="color:%s" d="%s"><title>%s</title></path>`,
			key.ID, class, key.Color, linePath(c, most, length), template.HTMLEscapeString(c.Limiter))
		view.Legend = append(view.Legend, key)
	}
	b.WriteString("</svg>")
	view.SVG = template.HTML(b.String()) //nolint:gosec // drawn here, names escaped
	return view
}

func curveX(t, length float64) float64 { return curveLeft + t/length*(curveWidth-curveLeft-8) }

func curveY(v, most float64) float64 {
	return curveHeight - curveBottom - v/most*(curveHeight-curveBottom-12)
}

func drawAxes(b *strings.Builder, most, length float64) {
	for i := range 5 {
		v, t := most*float64(i)/4, length*float64(i)/4
		fmt.Fprintf(b, `<path class="grid" d="M%g %.1fH%g"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%.0f/s</text>`,
			curveLeft, curveY(v, most), curveWidth-8, curveLeft-5, curveY(v, most)+4, v)
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%gs</text>`, curveX(t, length), curveHeight-5, round(t, 2))
	}
}

func linePath(c Curve, most, length float64) string {
	var b strings.Builder
	pen := 'M'
	for i, v := range c.Good {
		fmt.Fprintf(&b, "%c%.1f %.1f", pen, curveX((float64(i)+0.5)*c.Step, length), curveY(v, most))
		pen = 'L'
	}
	return b.String()
}
