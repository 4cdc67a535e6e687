package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MinWidth is the least number of columns in which Render has room.
const MinWidth = 64

// The widths of a lane's column, and of the names in it.
const (
	maxColumn = 60
	nameWidth = 11
	barWidth  = 24 // at most
)

// Render draws a frame, the lanes side by side, as lines of at most width
// columns. It has room in MinWidth columns or more.
func Render(f Frame, width int, colour bool) []string {
	column := min((width-3)/2, maxColumn)
	left := f.laneLines(f.Lanes[0], column, colour)
	right := f.laneLines(f.Lanes[1], column, colour)
	lines := []string{cut(f.heading(), width), cut(f.setting(), width), ""}
	for i := range left {
		lines = append(lines, left[i]+" | "+strings.TrimRight(right[i], " "))
	}
	return lines
}

// heading says how far the run is.
func (f Frame) heading() string {
	switch {
	case f.Phase < 1:
		return "penstock demo   about to begin"
	case f.Phase > len(f.Phases):
		return "penstock demo   the load has ended"
	}
	load := f.Phases[f.Phase-1].Load
	return fmt.Sprintf("penstock demo   %gx load, phase %d of %d   %s left", load, f.Phase, len(f.Phases), seconds(f.Left))
}

// setting says what is being shown.
func (f Frame) setting() string {
	return fmt.Sprintf("Each service: %d workers x %s = %.0f/s. Clients leave after %v.", f.Workers, f.Service, f.Capacity, f.Deadline)
}

// laneLines draws one lane, each line exactly width columns wide.
func (f Frame) laneLines(l LaneFrame, width int, colour bool) []string {
	room := width - nameWidth
	row := func(name, value string) string { return fit(fmt.Sprintf("%-*s%s", nameWidth, name, value), width) }
	rate := func(perSecond float64) string { return fmt.Sprintf("%6.0f/s", perSecond) }

	good := rate(l.Good)
	goodRow := row("goodput", good)
	if bars := min(room-len(good)-1, barWidth); bars >= 4 {
		drawn := bar(l.Good/f.Capacity, bars)
		goodRow = row("goodput", good+" "+drawn)
		goodRow = paint(goodRow, drawn, f.judge(l), colour)
	}
	late := rate(l.Late)
	if l.Errors > 0 {
		late += fmt.Sprintf(", %.0f failed", l.Errors)
	}
	none := fmt.Sprintf("%6s", "-")
	p99, waiting, limit, level := none, none, none, none
	if l.P99 > 0 {
		p99 = fmt.Sprintf("%6.1f ms", milliseconds(l.P99))
	}
	if g := l.Gateway; g != nil {
		waiting = fmt.Sprintf("%6d", g.Waiting)
		limit = fmt.Sprintf("%6.1f, %d in use", g.Limit, g.InFlight)
		level = fmt.Sprintf("%6.2f", g.Level)
	}
	return []string{
		fit(l.Name+"  "+l.URL, width),
		row("offered", rate(l.Offered)),
		goodRow,
		row("p99", p99),
		row("refused", rate(l.Refused)),
		row("late", late),
		row("waiting", waiting),
		row("limit", limit),
		row("level", level),
		row("in service", fmt.Sprintf("%6d", l.InService)),
		row("", sparkline(l.History, room)),
	}
}

// Line writes a frame as one line, for output that is no terminal.
func Line(f Frame) string {
	var b strings.Builder
	load := 0.0
	if f.Phase >= 1 && f.Phase <= len(f.Phases) {
		load = f.Phases[f.Phase-1].Load
	}
	fmt.Fprintf(&b, "%s left, %gx", seconds(f.Left), load)
	for _, l := range f.Lanes {
		fmt.Fprintf(&b, " | %s: %.0f/s offered, %.0f good, %.0f refused, %.0f late, ", l.Name, l.Offered, l.Good, l.Refused, l.Late)
		if l.Errors > 0 {
			fmt.Fprintf(&b, "%.0f errors, ", l.Errors)
		}
		fmt.Fprintf(&b, "p99 %s, %d in service", latency(l.P99), l.InService)
		if g := l.Gateway; g != nil {
			fmt.Fprintf(&b, ", limit %.1f, level %.2f", g.Limit, g.Level)
		}
	}
	return b.String()
}

// Short is what matters most of a frame, in at most width columns.
func Short(f Frame, width int) string {
	u, p := f.Lanes[0], f.Lanes[1]
	return cut(fmt.Sprintf("%s left, goodput: %s %.0f/s, %s %.0f/s", seconds(f.Left), u.Name, u.Good, p.Name, p.Good), width)
}

// Rest says in one line how the lanes are after the load.
func Rest(f Frame, width int) string {
	u, p := f.Lanes[0], f.Lanes[1]
	left := "idle"
	if u.InService > 0 {
		left = fmt.Sprintf("%d jobs left, %s of work", u.InService, seconds(time.Duration(float64(u.InService)/f.Capacity*float64(time.Second))))
	}
	return cut(fmt.Sprintf("%s: %s | %s: %d in service, limit %.1f", u.Name, left, p.Name, p.InService, p.Gateway.Limit), width)
}

// Verdicts on a lane's goodput, as colours of a terminal (ECMA-48, SGR).
const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	plain  = "\x1b[0m"
)

// judge compares the goodput with what can be had: all that is offered, or all
// that the service can do.
func (f Frame) judge(l LaneFrame) string {
	switch most := min(l.Offered, f.Capacity); {
	case l.Good >= 0.9*most:
		return green
	case l.Good >= 0.5*most:
		return yellow
	}
	return red
}

// paint colours a part of a line.
func paint(line, part, with string, colour bool) string {
	if !colour {
		return line
	}
	return strings.Replace(line, part, with+part+plain, 1)
}

// bar draws a share of 0 to 1.
func bar(share float64, width int) string {
	full := int(min(max(share, 0), 1)*float64(width) + 0.5)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws a run's history so far: HistoryLength points would fill the
// width. Each column is the mean of its points.
func sparkline(history []float64, width int) string {
	width = min(width, HistoryLength)
	var b strings.Builder
	for i := range width {
		from, to := i*HistoryLength/width, (i+1)*HistoryLength/width
		if to = min(to, len(history)); from >= to {
			break
		}
		sum := 0.0
		for _, v := range history[from:to] {
			sum += v
		}
		share := min(max(sum/float64(to-from), 0), 1)
		b.WriteRune(sparks[int(share*float64(len(sparks)-1)+0.5)])
	}
	return b.String()
}

func latency(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", milliseconds(d))
}

// seconds rounds up: a run has 1 s left until it has none.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%.0f s", (d + time.Second - 1).Truncate(time.Second).Seconds())
}

// fit pads or cuts to a number of columns. Every character here takes one.
func fit(s string, width int) string {
	s = cut(s, width)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

func cut(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:max(width, 0)])
	}
	return s
}
