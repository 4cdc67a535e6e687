package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock/load"
)

// runLoad runs penstock load with the given arguments.
func runLoad(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return runLoadUntil(t.Context(), args...)
}

// runLoadUntil runs it until ctx ends, as the first Ctrl-C does.
func runLoadUntil(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd := loadCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetContext(ctx)
	err = cmd.Execute()
	return out.String(), errOut.String(), err
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Code
	}
	return -1
}

func TestLoadUsage(t *testing.T) {
	const url = "http://127.0.0.1:1/"
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no address":     {nil, []string{"0 addresses given", "http://"}},
		"two addresses":  {[]string{url, url}, []string{"2 addresses given"}},
		"no such flag":   {[]string{url, "--rat", "1/s"}, []string{"--rat"}},
		"address":        {[]string{"127.0.0.1"}, []string{`url: "127.0.0.1" is not an address`}},
		"rate":           {[]string{url, "--rate", "1000"}, []string{`--rate: "1000" is not a rate`, "100/s"}},
		"rate of 0":      {[]string{url, "--rate", "0/s"}, []string{"--rate", "not a rate above 0"}},
		"profile":        {[]string{url, "--profile", "ramp:1/s"}, []string{"--profile", "steps:, spike:, onoff: and diurnal:"}},
		"both":           {[]string{url, "--profile", "1/s", "--rate", "1/s"}, []string{"only one of --rate, --profile"}},
		"two bodies":     {[]string{url, "--body", "x", "--body-size", "1B"}, []string{"only one of --body, --body-file, --body-size"}},
		"arrivals":       {[]string{url, "--arrivals", "even"}, []string{`"even" is not poisson or constant`}},
		"header":         {[]string{url, "-H", "x"}, []string{`"x" is not a field`}},
		"framing header": {[]string{url, "-H", "Content-Length: 5"}, []string{"frames the message"}},
		"body size":      {[]string{url, "--body-size", "5"}, []string{"--body-size"}},
		"large body":     {[]string{url, "--body-size", "65MiB"}, []string{"more than the 64MiB"}},
		"body file":      {[]string{url, "--body-file", "/does/not/exist"}, []string{"--body-file"}},
		"retry on":       {[]string{url, "--retry-on", "late,good"}, []string{`"good" is not refused, late or error`}},
		"duration":       {[]string{url, "--for", "10"}, []string{"--for"}},
		"warmup":         {[]string{url, "--for", "1s", "--warmup", "1s"}, []string{"warmup: 1s is not a part of the 1s"}},
		"several": {
			[]string{"localhost", "--rate", "x", "--deadline", "0", "--connections", "0", "--arrivals", "x"},
			[]string{`url: "localhost"`, "--rate", "--deadline: 0 is not a time above 0", "--connections: 0 is not", "--arrivals"},
		},
	} {
		stdout, _, err := runLoad(t, c.args...)
		if exitCode(err) != exitUsage || stdout != "" {
			t.Errorf("%s: code %d, %v, printed %q", name, exitCode(err), err, stdout)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
	}
}

func TestLoadReports(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	args := []string{server.URL, "--rate", "200/s", "--arrivals", "constant", "--for", "100ms"}
	stdout, stderr, err := runLoad(t, args...)
	if err != nil || stderr != "" {
		t.Fatalf("%v, printed %q", err, stderr)
	}
	for _, want := range []string{"GET " + server.URL, "constant arrivals, 200/s, for 100ms", "offered              20 ", "good                 20 "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("does not say %q:\n%s", want, stdout)
		}
	}
	stdout, stderr, err = runLoad(t, append(args, "--json")...)
	var r load.Report
	if err := errors.Join(err, json.Unmarshal([]byte(stdout), &r)); err != nil || stderr != "" {
		t.Fatalf("%v, printed %q", err, stderr)
	}
	if r.Offered != 20 || r.Good != 20 || r.Seed != 1 || r.Deadline != load.DefaultDeadline {
		t.Errorf("%+v", r)
	}
}

// TestLoadFlags: the flags reach the requests that the server sees.
func TestLoadFlags(t *testing.T) {
	var mu sync.Mutex
	var seen []*http.Request
	var bodies []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen, bodies = append(seen, r), append(bodies, string(body))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	_, _, err := runLoad(t, server.URL, "--insecure", "--profile", "steps:1000/s@1ms", "--arrivals", "constant", "--for", "1s",
		"-X", "PUT", "-H", "X-One: 1", "-H", "x-one: 2", "--body", "hello", "--send-deadline", "--deadline", "30s",
		"--retries", "2", "--retry-backoff", "1ms", "--retry-on", "refused")
	if err != nil || len(seen) != 3 {
		t.Fatalf("%d requests, want one and two retries: %v", len(seen), err)
	}
	for i, r := range seen {
		if r.Method != http.MethodPut || strings.Join(r.Header["X-One"], ",") != "1,2" || bodies[i] != "hello" ||
			r.Header.Get("Penstock-Deadline") == "" || r.Header.Get("Penstock-Work") != []string{"", "a=2", "a=3"}[i] {
			t.Errorf("request %d: %s with %q, %v", i, r.Method, bodies[i], r.Header)
		}
	}
}

func TestLoadBody(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]loadFlags{
		"": {}, "hello": {body: "hello"}, "from a file": {bodyFile: file}, "xxx": {bodySize: "3B"},
	} {
		if got, err := f.readBody(); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestLoadFailsWhenEveryRequestFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	stdout, _, err := runLoad(t, server.URL, "--rate", "100/s", "--for", "100ms", "--arrivals", "constant")
	if exitCode(err) != exitFailed || !strings.Contains(err.Error(), "every request") || !strings.Contains(stdout, "status 10") {
		t.Errorf("code %d, %v:\n%s", exitCode(err), err, stdout)
	}
}

func TestLoadInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 5 {
			interrupt()
		}
	}))
	defer server.Close()
	stdout, _, err := runLoadUntil(ctx, server.URL, "--rate", "200/s", "--for", "1h", "--json")
	var r load.Report
	if uerr := json.Unmarshal([]byte(stdout), &r); err != nil || uerr != nil {
		t.Fatalf("%v, %v: %s", err, uerr, stdout)
	}
	if !r.Interrupted || r.Good < 5 || r.Offered != r.Good {
		t.Errorf("interrupted %v, good %d of %d", r.Interrupted, r.Good, r.Offered)
	}
}

func TestProgressText(t *testing.T) {
	p := load.Progress{
		Left: 7 * time.Second, OfferedPerSecond: 1000.4, GoodPerSecond: 790, RefusedPerSecond: 200,
		ErrorsPerSecond: 10, P99: 12300 * time.Microsecond, Outstanding: 5,
	}
	const want = "1000/s offered  790/s good  p99 12.3 ms  200/s refused  10/s errors  7s left"
	if got := progressText(p); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p.Left = 0
	if got := progressText(p); !strings.HasSuffix(got, "  waiting for 5 answers") {
		t.Errorf("got %q", got)
	}
	var b bytes.Buffer
	line := progressLine{w: &b}
	line.clear()
	if b.Len() > 0 {
		t.Errorf("cleared %q without having shown anything", b.String())
	}
	line.show(p)
	line.clear()
	if want := clearLine + progressText(p) + clearLine; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
