package pressure

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// members writes what a dictionary holds as "key=kind:value", joined by blanks.
func members(field string) (string, bool) { return membersBy((*dictionary).next, field) }

// membersByGrammar is members without the short way for what is plain.
func membersByGrammar(field string) (string, bool) {
	return membersBy(func(d *dictionary) bool {
		if d.malformed || d.done() {
			return false
		}
		d.members++
		d.malformed = d.members > MaxFieldMembers || !d.general()
		return !d.malformed
	}, field)
}

func membersBy(next func(*dictionary) bool, field string) (string, bool) {
	var out []string
	d := readDictionary(field)
	for next(&d) {
		v := d.value
		switch v.kind {
		case token:
			out = append(out, d.key+"=token:"+v.token)
		case integer, decimal, boolean:
			name := map[kind]string{integer: "int", decimal: "dec", boolean: "bool"}[v.kind]
			out = append(out, fmt.Sprintf("%s=%s:%d", d.key, name, v.thousandths))
		case text:
			out = append(out, d.key+"=text")
		case absent, other:
			out = append(out, d.key+"=other")
		}
	}
	return strings.Join(out, " "), !d.malformed
}

func TestDictionary(t *testing.T) {
	for _, row := range []struct{ field, want string }{
		{"", ""},
		{"  ", ""},
		{"a=1", "a=int:1000"},
		{"a=1,b=2", "a=int:1000 b=int:2000"},
		{"  a=1 \t,\t b=-2  ", "a=int:1000 b=int:-2000"},
		{"a=1, a=2", "a=int:1000 a=int:2000"}, // the caller keeps the last
		{"a", "a=bool:1000"},
		{"a;x;y=2, b=?0", "a=bool:1000 b=bool:0"},
		{"a=?1", "a=bool:1000"},
		{"a=0.5", "a=dec:500"},
		{"a=-0.001", "a=dec:-1"},
		{"a=007.10", "a=dec:7100"},
		{"a=999999999999999", "a=int:999999999999999000"},
		{"a=-999999999999.999", "a=dec:-999999999999999"},
		{"a=critical;q=1.5; r=\"s\";t=?0;u=@5;v=:aa==:", "a=token:critical"},
		{"a=*tok:en/1!", "a=token:*tok:en/1!"},
		{`a="x, y=\"\\", b=1`, "a=text b=int:1000"},
		{`a=(1 "two";x 3.5);p, b=1`, "a=other b=int:1000"},
		{"a=(), b=(  ), c=( 1 )", "a=other b=other c=other"},
		{"a=:aGk=:, b=::, c=:aa:", "a=other b=other c=other"},
		{"a=@1659578233, b=@-1", "a=other b=other"},
		{`a=%"f%c3%bc", b=1`, "a=other b=int:1000"},
		{"*a-b_c.d*=1", "*a-b_c.d*=int:1000"},
	} {
		if got, ok := members(row.field); !ok || got != row.want {
			t.Errorf("%q: got %q, %v; want %q", row.field, got, ok, row.want)
		}
	}
}

func TestDictionaryMalformed(t *testing.T) {
	for _, field := range []string{
		"A=1", "1=a", "=1", ",", ",a=1", "a=1,", "a=1, ", "a=1,,b=2", "a=1 b=2", "a =1", "a= 1", "\ta=1",
		"a=", "a=-", "a=1.", "a=.5", "a=1.2345", "a=1234567890123.1", "a=1234567890123456", "a=1e3", "a=+1", "a=--1",
		"a=NaN()", "a=1;", "a=1;;b", "a=1;B", "a=1; =2", "a=1 ;b", "a=1;b=", "a=1;b=(1)",
		`a="`, `a="x`, `a="\n"`, `a="\`, "a=\"\x7f\"", "a=\"\t\"", "a=\"é\"",
		"a=?", "a=?2", "a=?t", "a=(", "a=(1", "a=(1,2)", "a=(1\t2)", `a=("x"1)`, "a=((1))", "a=)",
		"a=:", "a=:aa", "a=:a b:", "a=:a=b:", "a=:aa===:", "a=@", "a=@1.5", "a=@x",
		`a=%`, `a=%x`, `a=%"`, `a=%"%"`, `a=%"%C3"`, `a=%"%c"`, "a=%\"\t\"", `a=%"ü"`,
		"a=1\x00", "\x00", "a=é", "ä=1", "a=1\r\nb=2", "a={}", "a=[1]", "a=#",
		"a=" + strings.Repeat("1", MaxFieldBytes),
		strings.Repeat("a,", MaxFieldMembers) + "a",
	} {
		if got, ok := members(field); ok {
			t.Errorf("%q: read as %q; want malformed", field, got)
		}
	}
}

func TestDictionaryBounds(t *testing.T) {
	fullest := strings.Repeat("a,", MaxFieldMembers-1) + "a"
	if _, ok := members(fullest); !ok {
		t.Errorf("%d members: malformed", MaxFieldMembers)
	}
	longest := `a="` + strings.Repeat("x", MaxFieldBytes-4) + `"`
	if _, ok := members(longest); !ok {
		t.Errorf("%d bytes: malformed", len(longest))
	}
	if _, ok := members(longest + " "); ok {
		t.Errorf("%d bytes: accepted", len(longest)+1)
	}
}

func TestSingleItem(t *testing.T) {
	for _, row := range []struct {
		field string
		want  item
		ok    bool
	}{
		{"5", item{kind: integer, thousandths: 5000}, true},
		{"  5;a=b  ", item{kind: integer, thousandths: 5000}, true},
		{"5, 6", item{}, false}, // two lines of a field that may have one
		{"5 6", item{}, false},
		{"", item{}, false},
		{"(5)", item{}, false},
		{strings.Repeat(" ", MaxFieldBytes) + "5", item{}, false},
	} {
		if got, ok := readSingleItem(row.field); ok != row.ok || ok && got != row.want {
			t.Errorf("%q: got %+v, %v; want %+v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

// grammar is RFC 9651's dictionary as one regular expression, taken from its
// ABNF with the parsing algorithms' liberties about blanks.
var grammar = func() *regexp.Regexp {
	const (
		key     = `[a-z*][a-z0-9_\-.*]*`
		number  = `(?:-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15})`
		quoted  = `"(?:[ !#-\[\]-~]|\\["\\])*"`
		tok     = "[A-Za-z*][!#$%&'*+\\-.^_`|~0-9A-Za-z:/]*"
		bytes   = `:[A-Za-z0-9+/]*={0,2}:`
		date    = `@-?[0-9]{1,15}`
		display = `%"(?:[ !#$&-~]|%[0-9a-f]{2})*"`
		bare    = `(?:` + number + `|` + quoted + `|` + tok + `|` + bytes + `|\?[01]|` + date + `|` + display + `)`
		params  = `(?:; *` + key + `(?:=` + bare + `)?)*`
		inner   = `\( *(?:` + bare + params + `(?: +` + bare + params + `)* *)?\)` + params
		member  = key + `(?:=(?:` + bare + params + `|` + inner + `)|` + params + `)`
	)
	return regexp.MustCompile(`^ *(?:` + member + `(?:[ \t]*,[ \t]*` + member + `)*[ \t]*)?$`)
}()

// agree demands that the reader and the grammar accept the same fields.
func agree(t interface{ Fatalf(string, ...any) }, field string) {
	got, ok := members(field)
	if general, okGeneral := membersByGrammar(field); ok != okGeneral || ok && got != general {
		t.Fatalf("%q: read %q, %v; without the short way %q, %v", field, got, ok, general, okGeneral)
	}
	want := grammar.MatchString(field)
	if len(field) > MaxFieldBytes {
		want = false
	}
	if ok != want && strings.Count(field, ",") < MaxFieldMembers {
		t.Fatalf("%q: read %q, ok %v; the grammar says %v", field, got, ok, want)
	}
}

func grammarProperty(t *rapid.T) {
	piece := rapid.SampledFrom([]string{
		"a", "level", "b1", "*", "=", ",", ", ", " ", "\t", ";", "; ", "(", ")", "\"", "\\", "?1", "?0", "?", "@", "1", "-", ".",
		"0.25", "12", "1.2345", "1234567890123", "level=0.5", "c=critical_plus", "k=3", "tok", "_t", "Tok/x", ":", ":aGk=:", "==", "%\"", "%", "c3", "x=1", "y=2.5", "z=(1 2)", `s="q"`, "w=tok;p=1", "\x00", "é",
	})
	agree(t, strings.Join(rapid.SliceOfN(piece, 0, 14).Draw(t, "pieces"), ""))
}

func TestDictionaryFollowsGrammar(t *testing.T) { rapid.Check(t, grammarProperty) }

func FuzzDictionary(f *testing.F) {
	for _, field := range []string{"", "a=1, b=0.5;x=\"y\"", `a=(1 "2");p, c=critical`, "a=:aa=:, b=@1, c=%\"%c3\", d=?0", "a=1,"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		if strings.ContainsAny(field, "\n") {
			return // $ matches before a final newline only with other flags; no field holds one
		}
		agree(t, field)
	})
}

// Numbers read as strconv reads them.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,3})?`).Draw(t, "digits")
		v, ok := readSingleItem(digits)
		want, err := strconv.ParseFloat(digits, 64)
		if !ok || err != nil || v.thousandths != int64(math.Round(want*1000)) {
			t.Fatalf("%q: got %d thousandths, %v; strconv says %v", digits, v.thousandths, ok, want)
		}
	})
}

func TestAppendDecimal(t *testing.T) {
	for _, row := range []struct {
		thousandths int64
		want        string
	}{
		{0, "0.0"},
		{1, "0.001"},
		{10, "0.01"},
		{100, "0.1"},
		{101, "0.101"},
		{120, "0.12"},
		{1000, "1.0"},
		{3600000000, "3600000.0"},
		{1234567, "1234.567"},
	} {
		if got := string(appendDecimal(nil, row.thousandths)); got != row.want {
			t.Errorf("%d: got %q, want %q", row.thousandths, got, row.want)
		}
	}
}
