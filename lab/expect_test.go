package lab_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/lab"
)

func TestParseExpectation(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"push.goodput[90s:120s] < 5% of push.offered", ""},
		{"backpressure.recovery < 2s", ""},
		{"backpressure.p99(api) < 80ms", ""},
		{"goodput>=500/s", "goodput >= 500/s"},
		{" a.b ( c ) [ 0s : 90s ] <= 0.5 ", "a.b(c)[0s:90s] <= 0.5"},
		{"a.p99 < 1000ms and a.p99>1us and b.deaths <= 2", "a.p99 < 1000ms and a.p99 > 1us and b.deaths <= 2"},
		{"busy(line/saw) > 90% and queue(api/2) < 10", ""},
		{"x.queue_max(api) < 1.50", ""},
		{"x.held(dam) < 300000000000", "x.held(dam) < 300000000000"},
		{"a.goodput > 600/m", ""},
		{"a.memory < 65536KiB", ""},
		{"a-b.c_d(e-f) < 1", ""},
	} {
		if c.want == "" {
			c.want = c.in
		}
		e, err := lab.ParseExpectation(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := e.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestParseExpectationErrors(t *testing.T) {
	for _, c := range []struct {
		in     string
		column int
		want   string
	}{
		{"", 1, "ends too early, allowed: a metric"},
		{"goodput", 8, "ends too early, allowed: <, <=, > or >="},
		{"goodput =", 9, `"=" is unexpected, allowed: <, <=, > or >=`},
		{"goodput < ", 11, "ends too early, allowed: a number"},
		{"goodput < api", 11, `"api" is unexpected, allowed: a number`},
		{"goodput < 5 %", 13, `"%" is unexpected, allowed: "and", or the end`},
		{"goodput < 5%%", 11, `"5%%" is no percentage`},
		{"goodput < 5/d", 11, `unknown unit "d"`},
		{"goodput < 1e9", 11, `"1e9" has no unit`},
		{"goodput < 5% of", 16, "ends too early, allowed: a metric"},
		{"goodput < 5% of of", 17, `"of" is unexpected`},
		{"and.goodput < 5%", 1, `"and" is unexpected`},
		{"push. < 5%", 7, `"<" is unexpected, allowed: a metric such as goodput`},
		{"goodput( < 5%", 10, "allowed: the name of a stage"},
		{"goodput(api < 5%", 13, "allowed: )"},
		{"goodput[5s] < 5%", 11, "allowed: :"},
		{"goodput[5s:4s] < 5%", 9, "the window [5s:4s] ends before it begins"},
		{"goodput[5:6s] < 5%", 9, "a time of the run"},
		{"goodput < NaN", 11, `"NaN" is unexpected`},
		{"goodput < -5", 11, `"-" is unexpected`},
		{"goodput < 5 and", 16, "ends too early"},
		{"é < 5", 1, `"é" is unexpected`},
		{"goodput é", 9, `"é" is unexpected`},
		{strings.Repeat("a", 2000), 1, "2000 bytes, allowed: 1000 at most"},
		{strings.Repeat("a<1 and ", 20) + "a<1", 125, "too many comparisons"},
		{"queue(api/x", 12, "allowed: )"},
		{"queue(api/1.5) < 1", 11, `"1.5" is unexpected`},
	} {
		_, err := lab.ParseExpectation(c.in)
		se, ok := err.(*lab.SyntaxError) //nolint:errorlint // it is documented to be one
		if !ok {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if se.Column != c.column || !strings.Contains(se.Text, c.want) {
			t.Errorf("%q: character %d: %s; want %d: %s", c.in, se.Column, se.Text, c.column, c.want)
		}
	}
}

// FuzzExpectation: whatever is read is written so that the same is read again.
func FuzzExpectation(f *testing.F) {
	for _, s := range []string{
		"push.goodput[90s:120s] < 5% of push.offered", "backpressure.p99(api) < 80ms and a.b >= 1/h",
		"a(b/2)[0s:1ns] <= 0.00001%", "a < 1PiB", "a<1h2m3.5s of b", "a < 9223372036854775807B", "a[1s:2s", "a < 0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := lab.ParseExpectation(s)
		if err != nil {
			se, ok := err.(*lab.SyntaxError) //nolint:errorlint // it is documented to be one
			if !ok || se.Column < 1 || se.Column > len(s)+1 || se.Text == "" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		text := e.String()
		usual, err := lab.ParseExpectation(text)
		if err != nil {
			t.Fatalf("%q is written %q: %v", s, text, err)
		}
		again, err := lab.ParseExpectation(usual.String())
		if err != nil || !reflect.DeepEqual(usual, again) || usual.String() != text {
			t.Fatalf("%q is written %q and read as %+v, %+v: %v", s, text, usual, again, err)
		}
	})
}
