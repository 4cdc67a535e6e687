package lab

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A curve is one line of a chart: means over the seeds in equal stretches of
// time, and the range that the seeds span.
type curve struct {
	name      string // of the variant, or what it is
	class     string // CSS class: v0, v1 and so on, or asked
	mean      []float64
	low, high []float64 // nil: no range
}

// A chart shows curves over the run. What is no number is a gap.
type chart struct {
	title, about string
	dimension    Dimension
	log          bool // logarithmic scale: for times, which span decades
	step         time.Duration
	length       time.Duration
	warmup       time.Duration
	bands        []band
	curves       []curve
}

// A band is an event that lasts.
type band struct {
	from, to time.Duration
	label    string
}

// A frame is a chart's place on the page, in units of the picture. A labelled one
// has room for names at the ends of curves and above events.
type frame struct {
	width, height, left, right, top, bottom float64
	labelled                                bool
}

var (
	largeFrame  = frame{1120, 360, 64, 128, 26, 30, true}
	narrowFrame = frame{370, 280, 50, 10, 10, 26, false} // the same chart on a telephone
	smallFrame  = frame{550, 190, 58, 14, 12, 24, false}
)

func (f frame) x(share float64) float64 { return f.left + share*(f.width-f.left-f.right) }
func (f frame) y(share float64) float64 { return f.height - f.bottom - share*(f.height-f.top-f.bottom) }

// A scale maps values to shares of the height.
type scale struct {
	low, high float64
	step      float64 // between ticks, where not logarithmic
	log       bool
}

func (s scale) at(v float64) float64 {
	if s.log {
		v, low, high := math.Log10(max(v, s.low)), math.Log10(s.low), math.Log10(s.high)
		return min(1, (v-low)/(high-low))
	}
	return min(1, (v-s.low)/(s.high-s.low))
}

// scale spans the means, and the range of the seeds unless that is much wider.
func (c *chart) scale() scale {
	least, most, seeds := math.Inf(1), 0.0, 0.0
	for _, l := range c.curves {
		for _, v := range l.mean {
			if v > 0 && !math.IsInf(v, 0) {
				least, most = min(least, v), max(most, v)
			}
		}
		for _, v := range l.high {
			if !math.IsNaN(v) {
				seeds = max(seeds, v)
			}
		}
	}
	switch {
	case most == 0:
		return scale{0, 1, 0.5, false}
	case c.log:
		low := math.Pow(10, math.Floor(math.Log10(min(least, most/10))))
		return scale{low, math.Pow(10, math.Ceil(math.Log10(most*1.01))), 0, true}
	case c.dimension == Share && most <= 1 && most > 0.3:
		return scale{0, 1, 0.25, false}
	}
	most = max(most*1.06, min(seeds, most*1.2))
	step := niceAbove(most / 5)
	return scale{0, step * math.Ceil(most/step*0.999), step, false}
}

// niceAbove is the least of 1, 2, 2.5, 5 and 10 times a power of ten that is not
// below v.
func niceAbove(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 2.5, 5} {
		if n*power >= v*0.999 {
			return n * power
		}
	}
	return 10 * power
}

// ticks are the values that the scale names.
func (s scale) ticks() []float64 {
	var out []float64
	if s.log {
		decades := math.Round(math.Log10(s.high / s.low))
		every := math.Max(1, math.Ceil(decades/5))
		for i := 0.0; i <= decades; i += every {
			out = append(out, s.low*math.Pow(10, i))
		}
		return out
	}
	for i := 0.0; i*s.step <= s.high*1.001; i++ {
		out = append(out, i*s.step)
	}
	return out
}

// formatTick is short: an axis has little room.
func (d Dimension) formatTick(v float64) string {
	unit := ""
	switch d {
	case Rate:
		unit = "/s"
	case Number:
	case Time, Share, Bytes:
		return d.format(v)
	}
	switch {
	case v >= 1e6:
		return digits(v/1e6) + "M" + unit
	case v >= 1e4:
		return digits(v/1e3) + "k" + unit
	}
	return digits(v) + unit
}

// svg draws the chart. index is its number in the page's data.
func (c *chart) svg(index int, f frame) string {
	s := c.scale()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" data-chart="%d" data-left="%g" data-right="%g" role="img" aria-label="%s">`,
		f.width, f.height, index, f.left, f.right, escape(c.title))
	c.drawBands(&b, f)
	for _, v := range s.ticks() {
		y := f.y(s.at(v))
		fmt.Fprintf(&b, `<path class="grid" d="M%g %.1fH%g"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			f.left, y, f.width-f.right, f.left-7, y+4, escape(c.dimension.formatTick(v)))
	}
	c.drawTime(&b, f)
	for _, l := range c.curves {
		if l.high != nil {
			fmt.Fprintf(&b, `<path class="range %s" d="%s"/>`, l.class, c.area(l, f, s))
		}
	}
	for _, l := range c.curves {
		fmt.Fprintf(&b, `<path class="line %s" d="%s"/>`, l.class, c.path(l.mean, f, s))
	}
	if f.labelled {
		c.drawLabels(&b, f, s)
	}
	fmt.Fprintf(&b, `<path class="cursor" d="M0 %gV%g"/></svg>`, f.top, f.height-f.bottom)
	return b.String()
}

func (c *chart) drawBands(b *strings.Builder, f frame) {
	at := func(t time.Duration) float64 { return f.x(min(1, float64(t)/float64(c.length))) }
	if c.warmup > 0 {
		fmt.Fprintf(b, `<rect class="warmup" x="%.1f" y="%g" width="%.1f" height="%g"/>`,
			f.left, f.top, at(c.warmup)-f.left, f.height-f.top-f.bottom)
	}
	for i, e := range c.bands {
		from, to := at(e.from), max(at(e.to), at(e.from)+2)
		fmt.Fprintf(b, `<rect class="event" x="%.1f" y="%g" width="%.1f" height="%g"/>`, from, f.top, to-from, f.height-f.top-f.bottom)
		if f.labelled && i < 4 {
			fmt.Fprintf(b, `<text class="eventname" x="%.1f" y="%g">%s</text>`, from, f.top-8, escape(e.label))
		}
	}
}

// drawTime marks the time axis.
func (c *chart) drawTime(b *strings.Builder, f frame) {
	step := niceTime(c.length.Seconds() / 6)
	for t := 0.0; t <= c.length.Seconds()*1.0001; t += step {
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`,
			f.x(t/c.length.Seconds()), f.height-f.bottom+17, escape(formatSeconds(t)))
	}
}

// niceTime is the least of some round times that is not below v, in seconds.
func niceTime(v float64) float64 {
	for _, t := range []float64{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400} {
		if t >= v {
			return t
		}
	}
	return niceAbove(v)
}

// drawLabels writes the name and last value of each curve at its end, and keeps
// them apart.
func (c *chart) drawLabels(b *strings.Builder, f frame, s scale) {
	const apart = 34
	type label struct {
		y float64
		c curve
		v float64
	}
	var labels []label
	for _, l := range c.curves {
		v := lastMean(l.mean)
		if math.IsNaN(v) {
			continue
		}
		labels = append(labels, label{f.y(s.at(v)), l, v})
	}
	for range 20 { // a few relaxations are enough for a few labels
		for i := range labels {
			for j := range labels {
				if d := labels[j].y - labels[i].y; i != j && (d > 0 || d == 0 && j > i) && d < apart {
					labels[i].y -= (apart - d) / 2
					labels[j].y += (apart - d) / 2
				}
			}
		}
		for i := range labels {
			labels[i].y = min(max(labels[i].y, f.top+10), f.height-f.bottom-4)
		}
	}
	for _, l := range labels {
		fmt.Fprintf(b, `<text class="name %s" x="%g" y="%.1f">%s</text><text class="value %s" x="%g" y="%.1f">%s</text>`,
			l.c.class, f.width-f.right+10, l.y-3, escape(l.c.name), l.c.class, f.width-f.right+10, l.y+13, escape(c.dimension.format(l.v)))
	}
}

// lastMean is the mean of the last twentieth of a curve.
func lastMean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values[len(values)-max(1, len(values)/20):] {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return ratio(sum, float64(n))
}

// point is where a stretch of time is drawn: in its middle.
func (c *chart) point(i int, f frame) float64 {
	return f.x(min(1, (float64(i)+0.5)*float64(c.step)/float64(c.length)))
}

// path draws a line with gaps.
func (c *chart) path(values []float64, f frame, s scale) string {
	var b strings.Builder
	pen := "M"
	for i, v := range values {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, c.point(i, f), f.y(s.at(v)))
		pen = "L"
	}
	return b.String()
}

// area fills the range of the seeds, piece by piece between gaps.
func (c *chart) area(l curve, f frame, s scale) string {
	var b strings.Builder
	for i := 0; i < len(l.mean); {
		if math.IsNaN(l.low[i]) {
			i++
			continue
		}
		end := i
		for end < len(l.mean) && !math.IsNaN(l.low[end]) {
			end++
		}
		pen := "M"
		for j := i; j < end; j++ {
			fmt.Fprintf(&b, "%s%.1f %.1f", pen, c.point(j, f), f.y(s.at(l.high[j])))
			pen = "L"
		}
		for j := end - 1; j >= i; j-- {
			fmt.Fprintf(&b, "L%.1f %.1f", c.point(j, f), f.y(s.at(l.low[j])))
		}
		b.WriteString("Z")
		i = end
	}
	return b.String()
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string { return escaper.Replace(s) }
