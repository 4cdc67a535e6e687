package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/demo"
	"github.com/penstock-go/penstock/internal/golden"
)

// quick are flags of a demo that costs little.
var quick = []string{"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2", "--service", "2ms", "--peak", "1.1"}

func TestDemo(t *testing.T) {
	code, stdout, stderr := runMain(t, "", append(quick, "--for", "400ms")...)
	if code != 0 || stderr != "" {
		t.Fatalf("code %d, %q", code, stderr)
	}
	for _, want := range []string{
		"unprotected  http://127.0.0.1:", "protected    http://127.0.0.1:", "(admin http://127.0.0.1:",
		"Two services of 2 workers x 2ms: each can do 1000/s.", "\n0.5x ", "\n1.1x ", "\n0.8x ",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("there is no %q in:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") || strings.Contains(stdout, "Try:") {
		t.Errorf("drawn for a terminal, or staying up:\n%s", stdout)
	}
}

func TestDemoJSON(t *testing.T) {
	code, stdout, stderr := runMain(t, "", append(quick, "--for", "400ms", "--json")...)
	var s demo.Summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || code != 0 || stderr != "" {
		t.Fatalf("code %d, %q, %v: %s", code, stderr, err, stdout)
	}
	if len(s.Phases) != 3 || s.Capacity != 1000 || s.Interrupted || s.Phases[1].Protected.Offered == 0 {
		t.Errorf("got %+v", s)
	}
}

// lines tells of each line as it is written.
type lines struct {
	all  bytes.Buffer
	each func(line string)
}

func (l *lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l.each(line)
	}
	return l.all.Write(p)
}

// TestDemoInterrupted: Ctrl-C ends the load early, and sums up what there was.
func TestDemoInterrupted(t *testing.T) {
	signals := make(chan os.Signal, 1)
	out := &lines{each: func(line string) {
		if strings.Contains(line, " left, 0.5x | unprotected: ") && len(signals) == 0 {
			signals <- os.Interrupt
		}
	}}
	var errOut bytes.Buffer
	exit := func(code int) { t.Errorf("exit(%d)", code) }
	code := run(t.Context(), append(quick, "--for", "1h"), os.Stdin, out, &errOut, signals, exit)
	if code != 0 || errOut.Len() > 0 || !strings.Contains(out.all.String(), "\nThe load was interrupted.\n") {
		t.Errorf("code %d, %q:\n%s", code, errOut.String(), out.all.String())
	}
	if strings.Contains(out.all.String(), "\n0.8x ") {
		t.Errorf("sums up phases that did not begin:\n%s", out.all.String())
	}
}

func TestDemoUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"zeroes":  {[]string{"--for", "0", "--workers", "0", "--peak", "0", "--deadline", "0"}, []string{"for: 0 is", "workers: 0 is", "peak: 0 is", "deadline: 0 is"}},
		"service": {[]string{"--service", "pareto:1ms"}, []string{`"pareto" is not a law of service times`}},
		"two":     {[]string{"--workers", "-1", "--retries", "99"}, []string{"workers: -1", "retries: 99"}},
		"NaN":     {[]string{"--peak", "NaN"}, []string{"peak: NaN"}},
	} {
		code, stdout, stderr := runMain(t, "", append([]string{"demo"}, c.args...)...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%s: code %d, printed %q", name, code, stdout)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q does not say %q", name, stderr, want)
			}
		}
	}
}

func TestHints(t *testing.T) {
	s := demo.Summary{
		Capacity: 800, DeadlineMS: 100, Refusal: "1kqz8h2v0c3xw",
		Addresses: demo.Addresses{Unprotected: "http://127.0.0.1:41231", Protected: "http://127.0.0.1:8080", Admin: defaultAdmin},
	}
	text := addresses(s.Addresses) + hints(s, "bin/penstock")
	s.Addresses.Admin = "http://127.0.0.1:43210"
	text += "\n--- another admin address\n" + hints(s, "penstock")
	s.Refusal = ""
	golden.Check(t, "hints.txt", text+"\n--- nothing refused\n"+hints(s, "penstock"))
}

func TestPicture(t *testing.T) {
	f := demo.Frame{Capacity: 800, Phases: []demo.Phase{{Load: 0.5, For: time.Second}}, Phase: 1}
	f.Lanes[0].Name, f.Lanes[1].Name = "unprotected", "protected"
	for _, c := range []struct{ width, height, lines int }{
		{80, 24, 14}, {80, 15, 14}, {80, 14, 1}, {63, 24, 1}, {10, 2, 1}, {1, 1, 1},
	} {
		lines := picture(f, c.width, c.height, false)
		if len(lines) != c.lines {
			t.Errorf("%d x %d: %d lines, want %d", c.width, c.height, len(lines), c.lines)
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > c.width {
				t.Errorf("%d x %d: %d columns: %q", c.width, c.height, n, line)
			}
		}
	}
}

// TestRedraw replays frames on a terminal that knows the four sequences.
func TestRedraw(t *testing.T) {
	frames := [][]string{{"one", "two", "three"}, {"1", "2"}, {"a", "b", "c", "d"}, nil, {"end"}}
	var rows []string
	row, last := 0, 0
	for i, frame := range frames {
		text := redraw(last, frame)
		last = len(frame)
		for text != "" {
			switch {
			case strings.HasPrefix(text, "\x1b["):
				end := strings.IndexAny(text, "AKJ")
				switch text[end] {
				case 'A':
					row -= int(text[2] - '0')
				case 'K':
					rows[row] += "|" // what follows is erased
				case 'J':
					rows = rows[:row]
				}
				text = text[end+1:]
			case text[0] == '\r':
				text = text[1:]
			case text[0] == '\n':
				row++
				text = text[1:]
			default:
				end := strings.IndexAny(text, "\x1b\r\n")
				for len(rows) <= row {
					rows = append(rows, "")
				}
				rows[row] = text[:end]
				text = text[end:]
			}
		}
		want := strings.Join(frame, "|")
		if got := strings.TrimSuffix(strings.Join(rows, ""), "|"); got != want || row != len(frame) {
			t.Errorf("frame %d shows %q in row %d, want %q", i, got, row, want)
		}
	}
}
