package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/config"
)

func ExampleParse() {
	doc := config.Parse("gate.yaml", []byte("limit: 0\nmax_wait: 5\nlimitt: 3\n"))
	root := doc.Root().Mapping("limit", "max_wait")
	limit := root.Get("limit").Int(100, 1, 1000)
	wait := root.Get("max_wait").Duration(time.Second, time.Millisecond, time.Hour)
	fmt.Println(limit, wait)
	fmt.Println(doc.Err())
	// Output:
	// 100 1s
	// gate.yaml:1:8: limit: "0" is out of range, allowed: a whole number from 1 to 1000
	// gate.yaml:2:11: max_wait: "5" has no unit, allowed: a duration such as 250ms or 1m30s from 1ms to 1h
	// gate.yaml:3:1: limitt: unknown key, did you mean limit?
}

// TestReaders reads the key v with one reader, one row per value.
func TestReaders(t *testing.T) {
	perSecond := func(n float64) config.Rate { return config.Rate{Count: n, Per: time.Second} }
	readers := map[string]func(config.Node) any{
		"text":     func(n config.Node) any { return n.Text("def") },
		"bool":     func(n config.Node) any { return n.Bool(true) },
		"int":      func(n config.Node) any { return n.Int(7, -5, 10) },
		"float":    func(n config.Node) any { return n.Float(0.5, 0, 1000) },
		"enum":     func(n config.Node) any { return n.Enum(1, "auto", "fifo", "503") },
		"duration": func(n config.Node) any { return n.Duration(time.Second, time.Millisecond, time.Minute) },
		"rate":     func(n config.Node) any { return n.Rate(perSecond(3), perSecond(1), perSecond(1000)).String() },
		"percent":  func(n config.Node) any { return n.Percent(0.2, 0, 1) },
		"size":     func(n config.Node) any { return n.Size(1024, 1, 1<<20) },
	}
	defaults := map[string]any{
		"text": "def", "bool": true, "int": 7, "float": 0.5, "enum": 1, "duration": time.Second,
		"rate": "3/s", "percent": 0.2, "size": int64(1024),
	}
	const (
		texts     = "a text that is not empty"
		bools     = "true or false"
		ints      = "a whole number from -5 to 10"
		floats    = "a number from 0 to 1000"
		enums     = "auto, fifo or 503"
		durations = "a duration such as 250ms or 1m30s from 1ms to 1m"
		rates     = "a rate such as 500/s, 10/m or 1.5/h from 1/s to 1000/s"
		percents  = "a percentage such as 10% from 0% to 100%"
		sizes     = "a size such as 64KiB, 1MiB or 500MB from 1B to 1MiB"
	)
	tests := []struct {
		reader, value string
		want          any    // nil for the default
		problem       string // what is said after "f:1:4: v: "
	}{
		{reader: "text", value: "a b", want: "a b"},
		{reader: "text", value: "'a # b'", want: "a # b"},
		{reader: "text", value: "true", want: "true"},
		{reader: "text", value: "0x10", want: "0x10"},
		{reader: "text", value: "|\n  x\n  y", want: "x\ny\n"},
		{reader: "text", value: "''", problem: "is empty, allowed: " + texts},
		{reader: "text", value: "[a]", problem: "is a list, allowed: " + texts},
		{reader: "text", value: "{a: b}", problem: "is a mapping, allowed: " + texts},

		{reader: "bool", value: "true", want: true},
		{reader: "bool", value: "false", want: false},
		{reader: "bool", value: "yes", problem: `"yes" is neither true nor false, allowed: ` + bools},
		{reader: "bool", value: "True", problem: `"True" is neither true nor false, allowed: ` + bools},
		{reader: "bool", value: "'true'", problem: `"true" is text in quotes, allowed: ` + bools},

		{reader: "int", value: "10", want: 10},
		{reader: "int", value: "-5", want: -5},
		{reader: "int", value: "0", want: 0},
		{reader: "int", value: "11", problem: `"11" is out of range, allowed: ` + ints},
		{reader: "int", value: "-6", problem: `"-6" is out of range, allowed: ` + ints},
		{reader: "int", value: "99999999999999999999", problem: `"99999999999999999999" is out of range, allowed: ` + ints},
		{reader: "int", value: "+5", problem: `"+5" is no whole number, allowed: ` + ints},
		{reader: "int", value: "007", problem: `"007" is no whole number, allowed: ` + ints},
		{reader: "int", value: "0x5", problem: `"0x5" is no whole number, allowed: ` + ints},
		{reader: "int", value: "1_0", problem: `"1_0" is no whole number, allowed: ` + ints},
		{reader: "int", value: "5.0", problem: `"5.0" is no whole number, allowed: ` + ints},
		{reader: "int", value: "-", problem: "is a list, allowed: " + ints}, // a list item, to YAML
		{reader: "int", value: "many", problem: `"many" is no whole number, allowed: ` + ints},
		{reader: "int", value: `"5"`, problem: `"5" is text in quotes, allowed: ` + ints},
		{reader: "int", value: "[5]", problem: "is a list, allowed: " + ints},

		{reader: "float", value: "0.25", want: 0.25},
		{reader: "float", value: "1e3", want: 1000.0},
		{reader: "float", value: "12", want: 12.0},
		{reader: "float", value: "1e-400", want: 0.0},
		{reader: "float", value: "-1", problem: `"-1" is out of range, allowed: ` + floats},
		{reader: "float", value: "1e400", problem: `"1e400" is out of range, allowed: ` + floats},
		{reader: "float", value: ".inf", problem: `".inf" is no number, allowed: ` + floats},
		{reader: "float", value: ".nan", problem: `".nan" is no number, allowed: ` + floats},
		{reader: "float", value: "0x1p4", problem: `"0x1p4" is no number, allowed: ` + floats},
		{reader: "float", value: "1-2", problem: `"1-2" is no number, allowed: ` + floats},
		{reader: "float", value: "'1'", problem: `"1" is text in quotes, allowed: ` + floats},

		{reader: "enum", value: "auto", want: 0},
		{reader: "enum", value: "503", want: 2},
		{reader: "enum", value: "'503'", want: 2},
		{reader: "enum", value: "fi-fo", problem: `"fi-fo" is unknown, allowed: ` + enums},
		{reader: "enum", value: "{fifo: 1}", problem: "is a mapping, allowed: " + enums},

		{reader: "duration", value: "250ms", want: 250 * time.Millisecond},
		{reader: "duration", value: "60s", want: time.Minute},
		{reader: "duration", value: "61s", problem: `"61s" is out of range, allowed: ` + durations},
		{reader: "duration", value: "0", problem: `"0" is out of range, allowed: ` + durations},
		{reader: "duration", value: "-1s", problem: `"-1s" is out of range, allowed: ` + durations},
		{reader: "duration", value: "5", problem: `"5" has no unit, allowed: ` + durations},
		{reader: "duration", value: "auto", problem: `"auto" is no duration, allowed: ` + durations},

		{reader: "rate", value: "500/s", want: "500/s"},
		{reader: "rate", value: "60/m", want: "60/m"},
		{reader: "rate", value: "59/m", problem: `"59/m" is out of range, allowed: ` + rates},
		{reader: "rate", value: "500", problem: `"500" has no unit, allowed: ` + rates},

		{reader: "percent", value: "10%", want: 0.1},
		{reader: "percent", value: "101%", problem: `"101%" is out of range, allowed: ` + percents},
		{reader: "percent", value: "0.1", problem: `"0.1" has no % sign, allowed: ` + percents},

		{reader: "size", value: "64KiB", want: int64(65536)},
		{reader: "size", value: "0B", problem: `"0B" is out of range, allowed: ` + sizes},
		{reader: "size", value: "64", problem: `"64" has no unit, allowed: ` + sizes},
		{reader: "size", value: "[64KiB]", problem: "is a list, allowed: " + sizes},
	}
	for _, test := range tests {
		t.Run(test.reader+" "+test.value, func(t *testing.T) {
			if test.value == "-" {
				test.value = "\n  -"
			}
			doc := config.Parse("f", []byte("v: "+test.value+"\n"))
			got := readers[test.reader](doc.Root().Mapping("v").Get("v"))
			want := test.want
			if want == nil {
				want = defaults[test.reader]
			}
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
			if _, said, _ := strings.Cut(text(doc.Err()), ": v: "); said != test.problem {
				t.Errorf("said %s\nwant %s", said, test.problem)
			}
		})
	}

	allowed := map[string]string{
		"text": texts, "bool": bools, "int": ints, "float": floats, "enum": enums,
		"duration": durations, "rate": rates, "percent": percents, "size": sizes,
	}
	for name, read := range readers {
		t.Run(name+" of nothing", func(t *testing.T) {
			doc := config.Parse("f", []byte("v:\nw: ~\n"))
			root := doc.Root().Mapping("v", "w", "x")
			for _, key := range []string{"v", "w", "x"} {
				if n := root.Get(key); n.Present() != (key != "x") || n.IsNull() != (key != "x") {
					t.Errorf("%s: present %t, null %t", key, n.Present(), n.IsNull())
				}
				if got := read(root.Get(key)); got != defaults[name] {
					t.Errorf("%s: got %v, want %v", key, got, defaults[name])
				}
			}
			want := "f:1:1: v: has no value, allowed: " + allowed[name] + "\nf:2:4: w: has no value, allowed: " + allowed[name]
			if got := text(doc.Err()); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

func TestMapping(t *testing.T) {
	doc := config.Parse("f", []byte(`
listen: a
Listen: b
colour: red
max-wait: 1s
listen: c
routes:
  - {path: /}
  - [1]
  -
  - "/x": 2
    paht: 3
`))
	root := doc.Root().Mapping("listen", "max_wait", "routes", "to")
	if got := root.Get("listen").Text(""); got != "a" {
		t.Errorf("listen is %q, want the first", got)
	}
	root.Need("to", "an address")
	for _, route := range root.Get("routes").List(8) {
		m := route.Mapping("path")
		m.Need("path", "a path")
	}
	want := `f:2:1: to: missing, allowed: an address
f:3:1: Listen: unknown key, did you mean listen?
f:4:1: colour: unknown key, allowed: listen, max_wait, routes or to
f:5:1: max-wait: unknown key, did you mean max_wait?
f:6:1: listen: duplicate key, first set in line 2
f:9:5: routes[1]: is a list, allowed: a mapping
f:10:3: routes[2]: has no value, allowed: a mapping
f:11:5: routes[3]["/x"]: unknown key, allowed: path
f:11:5: routes[3].path: missing, allowed: a path
f:12:5: routes[3].paht: unknown key, did you mean path?`
	if got := text(doc.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLater(t *testing.T) {
	doc := config.Parse("f", []byte("limit: 1\nretry: {x: 1}\nretri: 2\n"))
	doc.Root().Later("retry", "coalesce").Mapping("limit", "rate")
	want := "f:2:1: retry: not supported by this version yet\nf:3:1: retri: unknown key, allowed: limit or rate"
	if got := text(doc.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUndeclaredKey(t *testing.T) {
	defer func() {
		if got := recover(); got != "config: Get of the undeclared key b" {
			t.Errorf("Get panicked with %v", got)
		}
	}()
	config.Parse("f", nil).Root().Mapping("a").Get("b")
}

func TestEmptyFile(t *testing.T) {
	for _, data := range []string{"", "# nothing\n", "---\n"} {
		doc := config.Parse("f", []byte(data))
		root := doc.Root().Mapping("routes")
		if root.Present() {
			t.Errorf("%q has a root", data)
		}
		root.Need("routes", "at least one")
		if got, want := text(doc.Err()), "f:1:1: routes: missing, allowed: at least one"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRootOfAnotherKind(t *testing.T) {
	for data, want := range map[string]string{
		"hello":  `f:1:1: "hello", allowed: a mapping`,
		"- 1":    "f:1:1: is a list, allowed: a mapping",
		"null":   "f:1:1: has no value, allowed: a mapping",
		"a: [1,": "f:1:4: not valid YAML: sequence end token ']' not found",
	} {
		doc := config.Parse("f", []byte(data))
		root := doc.Root().Mapping("a", "b")
		root.Need("b", "anything")
		root.Get("a").Int(1, 1, 2)
		if got := text(doc.Err()); got != want {
			t.Errorf("%q: got %s, want %s", data, got, want)
		}
	}
}

// TestNeedInsideAbsent: a required key of an optional mapping is missing only
// where the mapping is there.
func TestNeedInsideAbsent(t *testing.T) {
	doc := config.Parse("f", []byte("a: {}\nb: {}\n"))
	root := doc.Root().Mapping("a", "b", "c")
	for _, key := range []string{"a", "c"} {
		root.Get(key).Mapping("per").Need("per", "a rate")
	}
	if got, want := text(doc.Err()), "f:1:4: a.per: missing, allowed: a rate"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLists(t *testing.T) {
	const data = "none: []\nthree: [1, 2, 3]\none: 1\nempty:\nmap: {a: 1}\n"
	read := func(f func(config.Node) []config.Node) (lengths []int, problems string) {
		doc := config.Parse("f", []byte(data))
		root := doc.Root().Mapping("none", "three", "one", "empty", "map", "absent")
		for _, key := range []string{"none", "three", "one", "empty", "map", "absent"} {
			lengths = append(lengths, len(f(root.Get(key))))
		}
		return lengths, text(doc.Err())
	}
	tests := []struct {
		name     string
		list     func(config.Node) []config.Node
		lengths  string
		problems []string
	}{
		{"List", func(n config.Node) []config.Node { return n.List(2) }, "[0 2 0 0 0 0]", []string{
			"f:1:7: none: 0 items, allowed: 1 to 2",
			"f:2:8: three: 3 items, allowed: 1 to 2",
			`f:3:6: one: "1", allowed: a list of 1 to 2 items`,
			"f:4:1: empty: has no value, allowed: a list of 1 to 2 items",
			"f:5:6: map: is a mapping, allowed: a list of 1 to 2 items",
		}},
		{"ListOrEmpty", func(n config.Node) []config.Node { return n.ListOrEmpty(2) }, "[0 2 0 0 0 0]", []string{
			"f:2:8: three: 3 items, allowed: at most 2",
			`f:3:6: one: "1", allowed: a list of at most 2 items`,
			"f:4:1: empty: has no value, allowed: a list of at most 2 items",
			"f:5:6: map: is a mapping, allowed: a list of at most 2 items",
		}},
		{"OneOrMore", func(n config.Node) []config.Node { return n.OneOrMore(2) }, "[0 2 1 0 1 0]", []string{
			"f:1:7: none: 0 items, allowed: 1 to 2",
			"f:2:8: three: 3 items, allowed: 1 to 2",
			"f:4:1: empty: has no value, allowed: one item or a list of 1 to 2",
		}},
	}
	for _, test := range tests {
		lengths, problems := read(test.list)
		if got := fmt.Sprint(lengths); got != test.lengths {
			t.Errorf("%s: lengths %s, want %s", test.name, got, test.lengths)
		}
		if want := strings.Join(test.problems, "\n"); problems != want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, problems, want)
		}
	}
}

func TestEither(t *testing.T) {
	const what = "auto or a mapping of law and max"
	doc := config.Parse("f", []byte("a: auto\nb: {law: fixed}\nc: [1]\nd:\ne: ten\n"))
	root := doc.Root().Mapping("a", "b", "c", "d", "e", "f")
	var calls []string
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		root.Get(key).Allowing(what).Either(func(n config.Node) {
			calls = append(calls, n.Field()+" scalar")
			if !n.Is("auto") {
				n.Int(0, 1, 2)
			}
		}, func(n config.Node) {
			calls = append(calls, n.Field()+" mapping")
		})
	}
	if got, want := strings.Join(calls, ", "), "a scalar, b mapping, e scalar"; got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
	want := "f:3:4: c: is a list, allowed: " + what + "\nf:4:1: d: has no value, allowed: " + what +
		"\nf:5:4: e: \"ten\" is no whole number, allowed: " + what
	if got := text(doc.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEntries(t *testing.T) {
	doc := config.Parse("f", []byte("m: {gold: 1, silver: 2, gold: 3, 404: 4, 'a b': 5}\nn: [1]\n"))
	root := doc.Root().Mapping("m", "n")
	var got []string
	for _, e := range root.Get("m").Entries(4) {
		got = append(got, fmt.Sprintf("%s %s %d", e.Key, e.Value.Field(), e.Value.Int(0, 0, 9)))
	}
	root.Get("n").Entries(4)
	if want := "gold m.gold 1, silver m.silver 2, 404 m.404 4"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	want := "f:1:4: m: 5 keys, allowed: 4 at most\nf:1:25: m.gold: duplicate key, first set in line 1\nf:2:4: n: is a list, allowed: a mapping"
	if err := text(doc.Err()); err != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
}

func TestProblemBounds(t *testing.T) {
	doc := config.Parse("f", []byte(keys(config.MaxProblems+5, "k%d: 1\n")))
	doc.Root().Mapping("a")
	ps, ok := errors.AsType[config.Problems](doc.Err())
	if !ok || len(ps) != config.MaxProblems+1 {
		t.Fatalf("%d problems, want %d and one that says there are more", len(ps), config.MaxProblems)
	}
	if got, want := ps[len(ps)-1].Error(), "f:1000:1: there are more problems than these"; got != want {
		t.Errorf("last is %s, want %s", got, want)
	}
	first, ok := errors.AsType[*config.Problem](doc.Err())
	if !ok || first.Line != 1 || first.Field != "k0" {
		t.Errorf("AsType found %v, want the first problem", first)
	}
	long := strings.Repeat("é", 5000)
	doc = config.Parse("f", []byte(long+": 1\n"))
	doc.Root().Mapping("a")
	if got := len(text(doc.Err())); got > 200 {
		t.Errorf("a message of %d bytes for a key of 10000", got)
	}
}

func TestProblemWithoutPlace(t *testing.T) {
	p := &config.Problem{Field: "--to", Text: "wrong"}
	if got := p.Error(); got != "--to: wrong" {
		t.Errorf("got %q", got)
	}
}

func TestQuote(t *testing.T) {
	long := strings.Repeat("é", 40)
	for in, want := range map[string]string{
		"a\tb":                       `"a\tb"`,
		strings.Repeat("a", 64):      `"` + strings.Repeat("a", 64) + `"`,
		strings.Repeat("a", 65):      `"` + strings.Repeat("a", 64) + `"...`,
		"a" + long:                   `"a` + long[:62] + `"...`, // not half a letter
		strings.Repeat("\x97", 65):   `"` + strings.Repeat(`\x97`, 60) + `"...`,
		"\x1b[1m" + "\u202e" + "abc": `"\x1b[1m\u202eabc"`,
	} {
		if got := config.Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestSuggestions(t *testing.T) {
	keys := []string{"limit", "waiting_room", "to", "rate", "refuse_with"}
	for key, want := range map[string]string{
		"limitt":       "did you mean limit?",
		"LIMIT":        "did you mean limit?",
		"limti":        "did you mean limit?",
		"waiting-room": "did you mean waiting_room?",
		"waitingroom":  "did you mean waiting_room?",
		"refusewith":   "did you mean refuse_with?",
		"rates":        "did you mean rate?",
		"TO":           "did you mean to?",
		"too":          "did you mean to?",
		"tu":           "allowed: limit, waiting_room, to, rate or refuse_with",
		"zzz":          "allowed: limit, waiting_room, to, rate or refuse_with",
	} {
		doc := config.Parse("f", []byte(key+": 1\n"))
		doc.Root().Mapping(keys...)
		if got := text(doc.Err()); got != "f:1:1: "+key+": unknown key, "+want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

func TestColonsInBrackets(t *testing.T) {
	for data, want := range map[string]string{
		"{a: [http://h:1, ::1/128, x:y:z], b: u:v}": "[http://h:1 ::1/128 x:y:z] u:v ",
		"a: [http://h:1, é:b]\nb: u:v":              "[http://h:1 é:b] u:v ",
		`{"a":[1:2], 'b':c}`:                        "[1:2] c ",
		"{b:1}":                                     `[] def f:1:2: ["b:1"]: unknown key, a space is missing after b:`,
		"{b :1}":                                    "[] 1 ",
		"{c:1}":                                     `[] def f:1:2: ["c:1"]: unknown key, allowed: a or b`,
		"{a: b: c}":                                 `[] def f:1:5: a: "b: c", allowed: a list of 1 to 9 items`,
	} {
		doc := config.Parse("f", []byte(data))
		root := doc.Root().Mapping("a", "b")
		list := []string{}
		for _, n := range root.Get("a").List(9) {
			list = append(list, n.Text(""))
		}
		got := fmt.Sprint(list, " ", root.Get("b").Text("def"), " ", text(doc.Err()))
		if got != want {
			t.Errorf("%s: got %s, want %s", data, got, want)
		}
	}
}

func TestKind(t *testing.T) {
	for data, want := range map[string]string{
		"listen: a\nroutes: []\n":   "routes",
		"flows: {}\n":               "flows",
		"name: x\nstages: {a: {}}":  "stages",
		"stages: {}\nroutes: []\n":  "stages",
		"route: []\n":               "f:1:1: no kind of file that is known, allowed: routes, flows or stages at the top",
		"":                          "f:1:1: no kind of file that is known, allowed: routes, flows or stages at the top",
		"a: {routes: []}\n":         "f:1:1: no kind of file that is known, allowed: routes, flows or stages at the top",
		"routes: [\n":               "f:1:9: not valid YAML: sequence end token ']' not found",
		"- routes\n":                "f:1:1: no kind of file that is known, allowed: routes, flows or stages at the top",
		"routes: &a 1\nflows: *a\n": "f:1:9: anchors are not supported, allowed: the value written out (in quotes if it begins with &)\nf:2:8: aliases are not supported, allowed: the value written out (in quotes if it begins with *)",
	} {
		got, err := config.Kind("f", []byte(data))
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", data, got, want)
		}
	}
}
