package lab

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// tableWidth is where paragraphs break, in characters.
const tableWidth = 96

// WriteTable writes the summary for a terminal: variants side by side, then the
// expectations.
func (s Summary) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", s.Name)
	for _, line := range wrap(s.About, tableWidth-2) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	if s.Costs != "" {
		for _, line := range wrap("What it costs: "+s.Costs, tableWidth-2) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	fmt.Fprintf(&b, "\n  %s of virtual time, the first %s left out; %s; means with 95%% intervals\n\n",
		formatSeconds(s.For), formatSeconds(s.Warmup), plural(s.Seeds, "seed"))
	s.writeRows(&b)
	s.writeStops(&b)
	if len(s.Expectations) > 0 {
		b.WriteString("\n")
	}
	for _, e := range s.Expectations {
		e.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Summary) writeRows(b *strings.Builder) {
	cells := [][]string{append([]string{""}, s.Variants...)}
	part := ""
	for _, r := range s.Rows {
		if r.Part != part {
			part = r.Part
			cells = append(cells, []string{part})
		}
		row := []string{r.Metric}
		if part != "" {
			row[0] = "  " + r.Metric
		}
		for _, v := range r.Values {
			row = append(row, v.format(r.metric.Dimension))
		}
		cells = append(cells, row)
	}
	widths := make([]int, len(s.Variants)+1)
	for _, row := range cells {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range cells {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				line.WriteString("  " + c + pad)
			} else {
				line.WriteString("   " + pad + c)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// format writes a mean with its half width, in one unit.
func (i Interval) format(d Dimension) string {
	half := (i.High - i.Low) / 2
	switch {
	case math.IsNaN(i.Mean) || math.IsInf(half, 0) || math.IsNaN(half) || half == 0:
		return d.format(i.Mean)
	}
	return d.format(i.Mean) + " ±" + d.format(twoDigits(half))
}

// twoDigits rounds to two significant digits: more of a half width means nothing.
func twoDigits(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Round(v/unit) * unit
}

// maxStops bounds the stops that a table names.
const maxStops = 5

func (s Summary) writeStops(b *strings.Builder) {
	for i, stop := range s.Stops {
		if i == 0 {
			b.WriteString("\n")
		}
		if i == maxStops {
			fmt.Fprintf(b, "  ... and %d more runs ended early\n", len(s.Stops)-i)
			return
		}
		fmt.Fprintf(b, "  %s, seed %d, %s\n", stop.Variant, stop.Seed, stop.Why)
	}
}

var marks = map[Verdict]string{Holds: "ok  ", Broken: "FAIL", Unsure: "FAIL"}

func (e ExpectationSummary) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s  %s\n", marks[e.Verdict], e.Text)
	if e.Verdict == Holds {
		return
	}
	for line := range strings.Lines(e.Explain) {
		for _, l := range wrap(strings.TrimSuffix(line, "\n"), tableWidth-8) {
			fmt.Fprintf(b, "        %s\n", l)
		}
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wrap breaks a paragraph into lines of at most width characters, at blanks.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
