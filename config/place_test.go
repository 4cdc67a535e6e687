package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/config"
)

// A writer writes random YAML and notes what it wrote, and where.
type writer struct {
	t            *rapid.T
	b            strings.Builder
	line, column int
	want         []string // every value: place, field, what it is
}

func (w *writer) write(s string) {
	for _, r := range s {
		w.b.WriteRune(r)
		w.column++
		if r == '\n' {
			w.line, w.column = w.line+1, 1
		}
	}
}

func (w *writer) one(label string, choices ...string) string {
	return rapid.SampledFrom(choices).Draw(w.t, label)
}

func (w *writer) note(field, what string) {
	w.want = append(w.want, fmt.Sprintf("f:%d:%d: %s%s", w.line, w.column, field, what))
}

// scalars are written forms and the text that they mean.
var scalars = [][2]string{
	{"auto", "auto"},
	{"12", "12"},
	{"-0.5", "-0.5"},
	{"true", "true"},
	{"500/s", "500/s"},
	{"10%", "10%"},
	{"header:x-api-key", "header:x-api-key"},
	{"http://127.0.0.1:9000", "http://127.0.0.1:9000"},
	{"été", "été"},
	{"日本語", "日本語"},
	{"'it''s # 1'", "it's # 1"},
	{`"a\tb: c"`, "a\tb: c"},
	{"two words", "two words"},
	{"a#b", "a#b"},
	{"''", ""},
	{"1e3", "1e3"},
	{"0x1F", "0x1F"},
	{"2026-01-02", "2026-01-02"},
}

func (w *writer) scalar(field string) {
	s := rapid.SampledFrom(scalars).Draw(w.t, "scalar")
	w.note(field, " = "+s[1])
	w.write(s[0])
}

func (w *writer) inBrackets(field string, depth int) {
	switch shape := rapid.IntRange(0, 3).Draw(w.t, "shape"); {
	case shape == 0 && depth > 0:
		w.note(field, " list")
		w.write("[")
		for i := range rapid.IntRange(0, 3).Draw(w.t, "items") {
			if i > 0 {
				w.write("," + w.one("space", " ", "  ", "\n      "))
			}
			w.inBrackets(fmt.Sprintf("%s[%d]", field, i), depth-1)
		}
		w.write("]")
	case shape == 1 && depth > 0:
		w.note(field, " mapping")
		w.write("{")
		for i := range rapid.IntRange(0, 3).Draw(w.t, "keys") {
			if i > 0 {
				w.write("," + w.one("space", " ", "  ", "\n      "))
			}
			key := fmt.Sprintf("k%d", i)
			w.write(key + ": ")
			w.inBrackets(field+"."+key, depth-1)
		}
		w.write("}")
	default:
		w.scalar(field)
	}
}

func (w *writer) endLine() {
	w.write(w.one("end", "\n", "\n", "  # é: a comment\n", "\n\n", "\n# [ a comment\n"))
}

// block writes a mapping at an indentation, from the present column on.
func (w *writer) block(field string, indent, depth int) {
	w.note(field, " mapping")
	for i := range rapid.IntRange(1, 3).Draw(w.t, "keys") {
		if i > 0 {
			w.write(strings.Repeat(" ", indent))
		}
		key := fmt.Sprintf("k%d", i)
		path := strings.TrimPrefix(field+"."+key, ".")
		w.write(key + ":")
		shape := rapid.IntRange(0, 3).Draw(w.t, "shape")
		switch {
		case shape == 0 && depth > 0:
			w.endLine()
			w.write(strings.Repeat(" ", indent+2))
			w.block(path, indent+2, depth-1)
		case shape == 1 && depth > 0:
			w.endLine()
			w.dashes(path, indent+rapid.SampledFrom([]int{0, 2}).Draw(w.t, "dash"), depth-1)
		default:
			w.write(w.one("gap", " ", "   "))
			w.inBrackets(path, 2)
			w.endLine()
		}
	}
}

func (w *writer) dashes(field string, indent, depth int) {
	w.write(strings.Repeat(" ", indent))
	w.note(field, " list")
	for i := range rapid.IntRange(1, 3).Draw(w.t, "items") {
		if i > 0 {
			w.write(strings.Repeat(" ", indent))
		}
		w.write("- ")
		path := fmt.Sprintf("%s[%d]", field, i)
		if depth > 0 && rapid.Bool().Draw(w.t, "block") {
			w.block(path, indent+2, depth-1)
			continue
		}
		w.inBrackets(path, 2)
		w.endLine()
	}
}

// describe reports every value of a document as a problem, so that its place
// and field show.
func describe(n config.Node) {
	switch {
	case n.IsList():
		n.Bad("list", "")
		for _, item := range n.ListOrEmpty(100) {
			describe(item)
		}
	case n.IsMapping():
		n.Bad("mapping", "")
		for _, e := range n.Entries(100) {
			describe(e.Value)
		}
	case n.IsScalar():
		s := ""
		if !n.Is("") {
			s = n.Text("")
		}
		n.Bad("= "+s, "")
	}
}

// places: what was written reads as the same values in the same places.
func places(t *rapid.T) {
	w := &writer{t: t, line: 1, column: 1}
	w.write(w.one("head", "", "---\n", "# a comment\n\n"))
	w.block("", 0, 3)
	data := w.b.String()
	if rapid.Bool().Draw(t, "crlf") {
		data = strings.ReplaceAll(data, "\n", "\r\n")
	}
	doc := config.Parse("f", []byte(data))
	if err := doc.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	describe(doc.Root())
	ps, _ := errors.AsType[config.Problems](doc.Err())
	var got []string
	for _, p := range ps {
		got = append(got, fmt.Sprintf("f:%d:%d: %s %s", p.Line, p.Column, p.Field, p.Text))
	}
	if a, b := strings.Join(got, "\n"), strings.Join(w.want, "\n"); a != b {
		t.Fatalf("got\n%s\nwant\n%s\nin\n%s", a, b, data)
	}
}

func TestPlaces(t *testing.T) { rapid.Check(t, places) }

func FuzzPlaces(f *testing.F) { f.Fuzz(rapid.MakeFuzz(places)) }

// FuzzParse: no text makes the reader panic, and every problem has a place in
// the file.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a: 1\n", "a: [1, {b: c}]\n- x", "a: |\n  b\n", "a: \"\\u00e9\"\n", "? a\n: b\n", "a: &x [*x]\n", "%YAML 1.2\n---\n", "a:\r\n\t- b", "{a, b: , c}", "- - a: b\n    c: d\n", "a: 'b\n\n  c'\n", "a: >+2\n   b\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		check := func(doc *config.Doc) {
			ps, _ := errors.AsType[config.Problems](doc.Err())
			for _, p := range ps {
				if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Text == "" {
					t.Fatalf("%q: problem %q", data, p.Error())
				}
			}
		}
		seen := config.Parse("f", data)
		describe(seen.Root())
		check(seen)
		doc := config.Parse("f", data)
		root := doc.Root().Mapping("routes", "limit", "a")
		root.Get("limit").Int(1, 1, 10)
		root.Get("a").Duration(time.Second, 0, time.Hour)
		root.Get("routes").Bool(false)
		check(doc)
		if strings.ContainsFunc(text(doc.Err()), func(r rune) bool { return r < ' ' && r != '\n' }) {
			t.Fatalf("%q: control characters in %q", data, text(doc.Err()))
		}
	})
}
