package arena

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/sim"
)

// A plot is one trial of the default law, drawn over time.
type plot struct {
	file, title string
	trial       limittest.Trial
}

func plots() []plot {
	const s = time.Second
	service := sim.Exponential(serviceMean)
	return []plot{
		{"laws-step.svg", "2x load; service four times slower from 5 to 15 s", limittest.Trial{
			Workers: workers, Service: service, Deadline: patience, Load: []limittest.Load{{For: 20 * s, Of: 2}},
			Events: []limittest.Event{{At: 5 * s, Speed: 0.25}, {At: 15 * s, Speed: 1}},
		}},
		{"laws-lull.svg", "2x load, a tenth of the capacity from 5 to 15 s, 2x again", limittest.Trial{
			Workers: workers, Service: service, Deadline: patience,
			Load: []limittest.Load{{For: 5 * s, Of: 2}, {For: 10 * s, Of: 0.1}, {For: 5 * s, Of: 2}},
		}},
		{"laws-storm.svg", "0.7x load, clients retry 3 times; 0.3 of the speed from 5 to 15 s", limittest.Trial{
			Workers: workers, Service: service, Deadline: patience, Load: []limittest.Load{{For: 20 * s, Of: 0.7}},
			Retries: 3, Backoff: 20 * time.Millisecond,
			Events: []limittest.Event{{At: 5 * s, Speed: 0.3}, {At: 15 * s, Speed: 1}},
		}},
	}
}

// WritePlots writes pictures of the default law's answer to a step, a lull and a
// retry storm into a folder, as SVG.
func WritePlots(folder string) error {
	for _, p := range plots() {
		if err := os.WriteFile(filepath.Join(folder, p.file), p.svg(), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return err
		}
	}
	return nil
}

// The geometry of a plot: rates above, the limit below.
const (
	plotWidth, plotLeft, plotRight         = 640.0, 52.0, 12.0
	ratesTop, ratesBottom                  = 34.0, 190.0
	limitTop, limitBottom, plotHeight      = 210.0, 280.0, 304.0
	offeredColor, goodColor, unguardedLine = "#9aa5b1", "#1769c4", "#b7591f"
)

func (p plot) svg() []byte {
	p.trial.New = limit.Default
	got := p.trial.Run()
	p.trial.New = nil
	bare := p.trial.Run()
	step := limittest.WindowLength.Seconds()
	length := p.trial.Length().Seconds()
	rates := func(r limittest.Result, of func(limittest.Counts) int) (out []float64) {
		for _, w := range r.Windows[:len(r.Windows)-1] {
			out = append(out, float64(of(w))/step)
		}
		return smoothed(out)
	}
	offered := rates(got, func(c limittest.Counts) int { return c.Offered })
	good := func(c limittest.Counts) int { return c.Good }
	most := 1.1 * max(peak(offered), p.trial.Capacity())
	top := 1.1 * peak(got.Limits)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="system-ui, sans-serif" font-size="11" fill="#5b6776"><rect width="%g" height="%g" fill="#fff"/>`, plotWidth, plotHeight, plotWidth, plotHeight)
	fmt.Fprintf(&b, `<text x="%g" y="14" fill="#16202c">%s</text>`, plotLeft, p.title)
	fmt.Fprintf(&b, `<text x="%g" y="28"><tspan fill="%s">offered</tspan>  <tspan fill="%s">good, penstock</tspan>  <tspan fill="%s">good, no limit</tspan>  per second; below, the limit</text>`, plotLeft, offeredColor, goodColor, unguardedLine)
	for _, v := range []float64{0, p.trial.Capacity()} {
		fmt.Fprintf(&b, `<path d="M%g %.1fH%g" stroke="#e3e7ec"/><text x="%g" y="%.1f" text-anchor="end">%.0f</text>`, plotLeft, plotY(v, most, ratesTop, ratesBottom), plotWidth-plotRight, plotLeft-5, plotY(v, most, ratesTop, ratesBottom)+4, v)
	}
	for _, v := range []float64{0, workers} {
		fmt.Fprintf(&b, `<path d="M%g %.1fH%g" stroke="#e3e7ec"/><text x="%g" y="%.1f" text-anchor="end">%.0f</text>`, plotLeft, plotY(v, top, limitTop, limitBottom), plotWidth-plotRight, plotLeft-5, plotY(v, top, limitTop, limitBottom)+4, v)
	}
	for t := 0.0; t <= length; t += 5 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%g s</text>`, plotLeft+t/length*(plotWidth-plotLeft-plotRight), plotHeight-6, t)
	}
	plotLine(&b, offered, most, ratesTop, ratesBottom, offeredColor)
	plotLine(&b, rates(bare, good), most, ratesTop, ratesBottom, unguardedLine)
	plotLine(&b, rates(got, good), most, ratesTop, ratesBottom, goodColor)
	plotLine(&b, got.Limits, top, limitTop, limitBottom, goodColor)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func peak(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// smoothed is the mean of each value and its neighbours.
func smoothed(values []float64) []float64 {
	out := make([]float64, len(values))
	for i := range values {
		from, to := max(0, i-1), min(len(values), i+2)
		for _, v := range values[from:to] {
			out[i] += v / float64(to-from)
		}
	}
	return out
}

func plotY(v, most, top, bottom float64) float64 { return bottom - v/most*(bottom-top) }

func plotLine(b *bytes.Buffer, values []float64, most, top, bottom float64, color string) {
	fmt.Fprintf(b, `<path fill="none" stroke="%s" stroke-width="1.4" d="`, color)
	pen := 'M'
	for i, v := range values {
		x := plotLeft + (float64(i)+0.5)/float64(len(values))*(plotWidth-plotLeft-plotRight)
		fmt.Fprintf(b, "%c%.1f %.1f", pen, x, plotY(v, most, top, bottom))
		pen = 'L'
	}
	b.WriteString(`"/>`)
}
