package golden

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDiff(t *testing.T) {
	many := strings.Repeat("same\n", 20)
	for _, c := range []struct{ name, want, got, diff string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"both empty", "", "", ""},
		{"changed", "a\nb\nc\n", "a\nx\nc\n", "     1  a\n-    2  b\n+    2  x\n     3  c\n"},
		{"added at the end", "a\n", "a\nb\n", "     1  a\n+    2  b\n"},
		{"removed at the start", "a\nb\n", "b\n", "-    1  a\n     2  b\n"},
		{"from nothing", "", "a\n", "+    1  a\n"},
		{"numbers of each side", "a\nb\nc\n", "x\ny\na\nc\n", "+    1  x\n+    2  y\n     1  a\n-    2  b\n     3  c\n"},
		{"far apart", "a\n" + many + "b\n", "x\n" + many + "y\n", "" +
			"-    1  a\n+    1  x\n     2  same\n     3  same\n     4  same\n" +
			"...\n    19  same\n    20  same\n    21  same\n-   22  b\n+   22  y\n"},
		{"no line feed", "a\n", "a", "-    1  a\n+    1  a  (no line feed at the end)\n"},
		{"blanks and returns", "a\n", "a\r \n", "-    1  a\n+    1  a\\r   (1 trailing blanks)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := diff(c.want, c.got); got != c.diff {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.diff)
			}
		})
	}
}

func TestDiffIsBounded(t *testing.T) {
	long := strings.Repeat("a\n", 3000)
	other := strings.Repeat("b\n", 3000)
	got := diff(long, other)
	if n := strings.Count(got, "\n"); n != maxShown+1 || !strings.HasSuffix(got, "... and more\n") {
		t.Errorf("%d lines, ending in %q", n, got[max(0, len(got)-30):])
	}
}

// edits holds what makes a diff right: its two sides are the texts, and it
// keeps as many lines as a plain recursive search finds.
func edits(t *rapid.T) {
	text := rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n"}), 0, 8)
	want, got := text.Draw(t, "want"), text.Draw(t, "got")
	var left, right []string
	kept := 0
	for _, e := range compare(want, got) {
		if e.kind != '+' {
			left = append(left, e.line)
		}
		if e.kind != '-' {
			right = append(right, e.line)
		}
		if e.kind == ' ' {
			kept++
		}
	}
	if strings.Join(left, "") != strings.Join(want, "") || strings.Join(right, "") != strings.Join(got, "") {
		t.Fatalf("the sides are %q and %q, not %q and %q", left, right, want, got)
	}
	if best := longestCommon(want, got); kept != best {
		t.Fatalf("%d common lines kept, %d are possible", kept, best)
	}
}

func longestCommon(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	if a[0] == b[0] {
		return 1 + longestCommon(a[1:], b[1:])
	}
	return max(longestCommon(a[1:], b), longestCommon(a, b[1:]))
}

func TestEdits(t *testing.T) { rapid.Check(t, edits) }

func FuzzEdits(f *testing.F) { f.Fuzz(rapid.MakeFuzz(edits)) }
