package cli

import (
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/internal/golden"
)

// runMain runs the command as Main does, with a standard input but without the
// process's signals.
func runMain(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	exit := func(code int) { t.Errorf("exit(%d)", code) }
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errOut, nil, exit)
	return code, out.String(), errOut.String()
}

func TestHelp(t *testing.T) {
	helps := map[string][]string{
		"root":    {"--help"},
		"demo":    {"demo", "--help"},
		"gateway": {"gateway", "--help"},
		"load":    {"load", "--help"},
		"check":   {"check", "--help"},
		"explain": {"explain", "--help"},
		"flow":    {"flow", "--help"},
		"lab":     {"lab", "--help"},
		"version": {"version", "--help"},
	}
	for _, c := range flowCommand().Commands() {
		helps["flow-"+c.Name()] = []string{"flow", c.Name(), "--help"}
	}
	for name, args := range helps {
		code, stdout, stderr := runMain(t, "", args...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: code %d, %q", name, code, stderr)
		}
		golden.Check(t, "help-"+name+".txt", stdout)
	}
}

// TestHelpIsComplete: every command has a golden help text.
func TestHelpIsComplete(t *testing.T) {
	for _, c := range Root().Commands() {
		if _, err := os.Stat("testdata/help-" + c.Name() + ".txt"); err != nil {
			t.Errorf("TestHelp leaves %s out: %v", c.Name(), err)
		}
	}
}

func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no such command":   {[]string{"gatewy"}, []string{`unknown command "gatewy"`, "Did you mean this?", "gateway", "penstock --help"}},
		"no such flag":      {[]string{"--frob"}, []string{"unknown flag: --frob", "'penstock --help'"}},
		"flag of a command": {[]string{"explain", "--frob"}, []string{"unknown flag: --frob", "'penstock explain --help'"}},
		"flag's value":      {[]string{"demo", "--for", "10"}, []string{"--for", "'penstock demo --help'"}},
		"flag without":      {[]string{"explain", "1", "--admin"}, []string{"flag needs an argument: --admin"}},
		"no file":           {[]string{"check"}, []string{"requires at least 1 arg"}},
		"no id":             {[]string{"explain"}, []string{"accepts 1 arg(s), received 0"}},
		"two ids":           {[]string{"explain", "1", "2"}, []string{"accepts 1 arg(s), received 2"}},
		"version of what":   {[]string{"version", "x"}, []string{`unknown command "x"`}},
		"demo of what":      {[]string{"demo", "x"}, []string{`unknown command "x"`}},
		"two rates":         {[]string{"load", "http://127.0.0.1:1/", "--rate", "1/s", "--profile", "1/s"}, []string{"rate", "profile"}},
		"gateway to where":  {[]string{"gateway"}, []string{"--to URL or --config FILE is needed"}},
	} {
		code, stdout, stderr := runMain(t, "", c.args...)
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

// TestMainItself: Main is run with what it takes from the process.
func TestMainItself(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := Main([]string{"--version"}, &out, &errOut); code != 0 || !strings.HasPrefix(out.String(), "penstock ") || errOut.Len() > 0 {
		t.Errorf("code %d, %q, %q", code, out.String(), errOut.String())
	}
	long := out.String()
	if code, short, _ := runMain(t, "", "version"); code != 0 || short != long {
		t.Errorf("version says %q, --version %q", short, long)
	}
}

func TestDescribe(t *testing.T) {
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: modified}}
	}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3, go1.26.8":                                    {GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}},
		"unknown, go1.26.8":                                   {GoVersion: "go1.26.8"},
		"(devel), commit 0123456789ab, go1.26.8":              {GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: vcs("false")},
		"(devel), commit 0123456789ab with changes, go1.26.8": {GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: vcs("true")},
	} {
		if got := describe(info); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestSignals: the first signal ends the context, the second the program.
func TestSignals(t *testing.T) {
	signals := make(chan os.Signal)
	done, exited := make(chan struct{}), make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go watch(signals, done, cancel, func(code int) { exited <- code })
	if ctx.Err() != nil {
		t.Fatal("cancelled without a signal")
	}
	signals <- os.Interrupt
	<-ctx.Done()
	select {
	case code := <-exited:
		t.Fatalf("the first signal ended the program with %d", code)
	default:
	}
	signals <- os.Interrupt
	if code := <-exited; code != 130 {
		t.Errorf("the second signal ended the program with %d, want 130", code)
	}
}
