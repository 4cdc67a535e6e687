package arena_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/lab/arena"
)

// Cases have names of their own, room for what they judge, and a row each.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range arena.Cases() {
		name := c.Row + ", " + c.Name
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if len(c.Stretches) == 0 || len(c.Grid) < 2 {
			t.Errorf("%s judges nothing, or has no oracle", name)
		}
		for _, s := range c.Stretches {
			if s.From >= s.To || s.To > c.Trial.Length() {
				t.Errorf("%s: %s is from %v to %v of %v", name, s.Name, s.From, s.To, c.Trial.Length())
			}
		}
	}
	if len(seen) < 300 {
		t.Errorf("%d cases only", len(seen))
	}
}

func steadyCase(t *testing.T) arena.Case {
	t.Helper()
	for _, c := range arena.Cases() {
		if c.Row == "queue, 8 workers" && c.Name == "2x, constant" {
			c.Trial.Load[0].For = 5 * time.Second
			c.Stretches[0].To = 5 * time.Second
			return c
		}
	}
	t.Fatal("no such case")
	return arena.Case{}
}

// A good limit reaches what is due, and a bad one is told what it misses.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		slots  float64
		misses string
	}{{8, ""}, {4, "mean worst"}, {24, "mean p99"}} {
		newLaw := func() limit.Law { return limit.Fixed(c.slots) }
		results, err := arena.RunNumbers(t.Context(), []arena.Case{steadyCase(t)}, newLaw, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows := arena.Rows(results)
		if len(rows) != 1 || strings.Join(rows[0].Misses(), " ") != c.misses || rows[0].Passes() != (c.misses == "") {
			t.Errorf("%g slots miss %q of %d rows, want %q", c.slots, rows[0].Misses(), len(rows), c.misses)
		}
		if told := rows[0].Told; told.Mean > 1 || told.Mean < 0.99 {
			t.Errorf("told: %.3f of the oracle", told.Mean)
		}
		var out bytes.Buffer
		if err := arena.WriteNumbers(&out, results, true); err != nil {
			t.Fatal(err)
		}
		verdict := " ok\n"
		if c.misses != "" {
			verdict = "MISSES " + strings.ReplaceAll(c.misses, " ", ", ")
		}
		if !strings.Contains(out.String(), verdict) || !strings.Contains(out.String(), "2x, constant, steady") {
			t.Errorf("%g slots: printed\n%s", c.slots, &out)
		}
	}
}

// The pictures are well-formed, and show as much.
func TestPlots(t *testing.T) {
	folder := t.TempDir()
	if err := arena.WritePlots(folder); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		d := xml.NewDecoder(bytes.NewReader(text))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
				lines++
			}
		}
		if lines != 8 || bytes.Contains(text, []byte("NaN")) {
			t.Errorf("%s: %d lines", name, lines)
		}
	}
}

// TestCliffs: on some plants a hair decides. The limit that is best does a good deal
// better than one that is an eighth to twice as high, which no reply time tells from it.
func TestCliffs(t *testing.T) {
	for _, c := range []struct {
		row, name   string
		best, above int     // limits
		keeps       float64 // goodput above, over that of the best, at most
		slower      float64 // p99 of good requests above, over that of the best, at least
	}{
		{"sharing, 4 processors", "5x, bimodal", 6, 8, 0.92, 0},
		{"sharing, 4 processors", "5x, bimodal", 6, 12, 0.92, 0},
		{"two classes of work", "10x, bimodal", 8, 10, 0.98, 0},
		{"Go's collector", "5x, constant", 8, 9, 1, 1.3},
	} {
		i := slices.IndexFunc(arena.Cases(), func(k arena.Case) bool { return k.Row == c.row && k.Name == c.name })
		trial := arena.Cases()[i].Trial
		trial.From = trial.From.Add(arena.Cases()[i].Stretches[0].From)
		under := func(slots int) limittest.Result {
			trial.New = func() limit.Law { return limit.Fixed(float64(slots)) }
			return trial.Run()
		}
		best, above := under(c.best), under(c.above)
		t.Logf("%s, %s: %d good, %d late and a p99 of %v with %d inside; %d, %d and %v with %d",
			c.row, c.name, best.Good, best.Late, best.P(0.99), c.best, above.Good, above.Late, above.P(0.99), c.above)
		if got := float64(above.Good) / float64(best.Good); got > c.keeps {
			t.Errorf("%s, %s: with %d inside it keeps %.3f of what it does with %d; want at most %g", c.row, c.name, c.above, got, c.best, c.keeps)
		}
		if got := float64(above.P(0.99)) / float64(best.P(0.99)); got < c.slower {
			t.Errorf("%s, %s: with %d inside p99 is %.2f times what it is with %d; want %g at least", c.row, c.name, c.above, got, c.best, c.slower)
		}
	}
}
