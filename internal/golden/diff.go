package golden

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// contextLines is how many equal lines are shown around a difference.
	contextLines = 3
	// maxCells bounds the table that finds the common lines. Where the parts
	// that differ are larger, they are shown as removed and added as a whole.
	maxCells = 4 << 20
	// maxShown bounds the lines of a diff.
	maxShown = 200
)

// edit is one line of a diff: ' ' is in both texts, '-' in want alone, '+' in
// got alone.
type edit struct {
	kind byte
	line string
}

// diff shows where got differs from want, line by line, with the line's number
// in want (for lines in both, and for '-') or in got (for '+'). It is empty iff
// the texts are equal.
func diff(want, got string) string {
	edits := compare(lines(want), lines(got))
	shown := make([]bool, len(edits))
	for i, e := range edits {
		if e.kind == ' ' {
			continue
		}
		for j := max(0, i-contextLines); j <= min(len(edits)-1, i+contextLines); j++ {
			shown[j] = true
		}
	}
	var b strings.Builder
	w, g, written := 0, 0, 0
	for i, e := range edits {
		if e.kind != '+' {
			w++
		}
		if e.kind != '-' {
			g++
		}
		if !shown[i] {
			continue
		}
		if written == maxShown {
			b.WriteString("... and more\n")
			break
		}
		if i > 0 && !shown[i-1] {
			b.WriteString("...\n")
		}
		number := w
		if e.kind == '+' {
			number = g
		}
		fmt.Fprintf(&b, "%c %4d  %s\n", e.kind, number, visible(e.line))
		written++
	}
	return b.String()
}

// lines splits after each line feed. The feed stays with its line, so that a
// missing one at the end of the text counts as a difference.
func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		out = append(out, l)
	}
	return out
}

// visible shows what a terminal would hide: a carriage return, trailing blanks,
// and the absence of a line feed.
func visible(line string) string {
	text, ended := strings.CutSuffix(line, "\n")
	text = strings.ReplaceAll(text, "\r", `\r`)
	if blanks := len(text) - len(strings.TrimRight(text, " \t")); blanks > 0 {
		text += fmt.Sprintf("  (%d trailing blanks)", blanks)
	}
	if !ended {
		text += "  (no line feed at the end)"
	}
	return text
}

// compare returns want and got as one list of edits: without '+' it is want,
// without '-' it is got.
func compare(want, got []string) []edit {
	var head, tail []edit
	for len(want) > 0 && len(got) > 0 && want[0] == got[0] {
		head = append(head, edit{' ', want[0]})
		want, got = want[1:], got[1:]
	}
	cut := 0
	for cut < min(len(want), len(got)) && want[len(want)-1-cut] == got[len(got)-1-cut] {
		cut++
	}
	for _, l := range want[len(want)-cut:] {
		tail = append(tail, edit{' ', l})
	}
	want, got = want[:len(want)-cut], got[:len(got)-cut]
	if (len(want)+1)*(len(got)+1) > maxCells {
		return append(append(head, replaced(want, got)...), tail...)
	}
	return append(append(head, align(want, got)...), tail...)
}

func replaced(want, got []string) []edit {
	var out []edit
	for _, l := range want {
		out = append(out, edit{'-', l})
	}
	for _, l := range got {
		out = append(out, edit{'+', l})
	}
	return out
}

// align keeps as many common lines as possible. common[i][j] is the length of
// the longest common subsequence of want[i:] and got[j:].
func align(want, got []string) []edit {
	common := make([][]int32, len(want)+1)
	for i := range common {
		common[i] = make([]int32, len(got)+1)
	}
	for i, w := range slices.Backward(want) {
		for j, g := range slices.Backward(got) {
			if w == g {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []edit
	i, j := 0, 0
	for i < len(want) && j < len(got) {
		switch {
		case want[i] == got[j]:
			out = append(out, edit{' ', want[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			out = append(out, edit{'-', want[i]})
			i++
		default:
			out = append(out, edit{'+', got[j]})
			j++
		}
	}
	return append(out, replaced(want[i:], got[j:])...)
}
