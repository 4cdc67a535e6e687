package demo_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/internal/demo"
	"github.com/penstock-go/penstock/sim"
)

// small is a demo that costs little: two workers of 2 ms do 1000/s, and are
// offered little more than that. Nothing here asserts how well the lanes do, which
// is the machine's matter too.
func small() demo.Config {
	return demo.Config{
		Workers: 2, Service: sim.Exponential(2 * time.Millisecond), For: 400 * time.Millisecond, Peak: 1.2,
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0",
	}
}

func start(t *testing.T, cfg demo.Config) *demo.Demo {
	t.Helper()
	d, err := demo.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// get asks once, on a connection of its own.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestDemo(t *testing.T) {
	d := start(t, small())
	if f := d.Frame(); f.Phase != 0 || f.Left != 400*time.Millisecond || f.Capacity != 1000 {
		t.Errorf("before: phase %d, %v left, capacity %v", f.Phase, f.Left, f.Capacity)
	}
	s, err := d.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Interrupted || s.Workers != 2 || s.Service != "exp:2ms" || s.Capacity != 1000 || s.DeadlineMS != 100 {
		t.Errorf("got %+v", s)
	}
	if len(s.Phases) != 3 {
		t.Fatalf("%d phases, want 3", len(s.Phases))
	}
	for i, want := range []demo.Phase{{Load: 0.5, For: 100 * time.Millisecond}, {Load: 1.2, For: 200 * time.Millisecond}, {Load: 0.8, For: 100 * time.Millisecond}} {
		p := s.Phases[i]
		if p.Load != want.Load || p.Seconds != want.For.Seconds() {
			t.Errorf("phase %d: %gx for %v s, want %v", i+1, p.Load, p.Seconds, want)
		}
		checkLane(t, i, "unprotected", p.Unprotected)
		checkLane(t, i, "protected", p.Protected)
		if p.Unprotected.Offered != p.Protected.Offered {
			t.Errorf("phase %d: the lanes were offered %d and %d", i+1, p.Unprotected.Offered, p.Protected.Offered)
		}
	}
	if f := d.Frame(); f.Phase != 4 || f.Left != 0 || f.Lanes[0].Offered != 0 {
		t.Errorf("after: phase %d, %v left, %v/s offered", f.Phase, f.Left, f.Lanes[0].Offered)
	}
	if _, err := d.Load(t.Context()); err == nil {
		t.Error("a second Load succeeded")
	}
}

// checkLane: every request was offered, and has one fate.
func checkLane(t *testing.T, phase int, name string, l demo.LaneSummary) {
	t.Helper()
	if sum := l.Good + l.Late + l.Refused + l.Errors + l.NotSent + l.Unfinished; sum != l.Offered || l.Offered == 0 {
		t.Errorf("phase %d, %s: offered %d, fates sum up to %d", phase+1, name, l.Offered, sum)
	}
	if l.NotSent != 0 || l.Unfinished != 0 {
		t.Errorf("phase %d, %s: %d not sent, %d unfinished", phase+1, name, l.NotSent, l.Unfinished)
	}
}

// TestStaysUp: after the load, every address answers as the hints say.
func TestStaysUp(t *testing.T) {
	d := start(t, small())
	a := d.Addresses()
	for _, url := range []string{a.Unprotected, a.Protected} {
		status, body := get(t, url+"/")
		if status != http.StatusOK || !strings.HasPrefix(body, "done: waited ") {
			t.Errorf("%s: %d, %q", url, status, body)
		}
	}
	status, body := get(t, a.Admin+"/v1/state")
	var state struct {
		Stats struct{ Offered, Good int }
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, body)
	}
	if state.Stats.Offered != 1 || state.Stats.Good != 1 {
		t.Errorf("the gateway counted %+v, want the one request through it", state.Stats)
	}
}

// TestTakenPorts: where others listen already, the demo finds ports of its own.
func TestTakenPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Addr().String()
	cfg := small()
	cfg.Listen, cfg.Admin = taken, taken
	a := start(t, cfg).Addresses()
	if strings.Contains(a.Protected+a.Admin, taken) || a.Protected == a.Admin {
		t.Errorf("got %+v, with %s taken", a, taken)
	}
}

// TestCancel: a cancelled load ends early, and says what there was.
func TestCancel(t *testing.T) {
	cfg := small()
	cfg.For = time.Hour
	d := start(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		demo.Summary
		error
	}
	ended := make(chan result)
	go func() {
		s, err := d.Load(ctx)
		ended <- result{s, err}
	}()
	for d.Frame().Lanes[0].Offered == 0 { // until the load has made itself known
		get(t, d.Addresses().Unprotected)
	}
	cancel()
	r := <-ended
	if r.error != nil || !r.Interrupted || len(r.Phases) != 1 {
		t.Fatalf("%v, interrupted %v, %d phases, want the first alone", r.error, r.Interrupted, len(r.Phases))
	}
	for _, l := range []demo.LaneSummary{r.Phases[0].Unprotected, r.Phases[0].Protected} {
		if sum := l.Good + l.Late + l.Refused + l.Errors + l.NotSent + l.Unfinished; sum != l.Offered || l.Offered == 0 {
			t.Errorf("offered %d, fates sum up to %d", l.Offered, sum)
		}
	}
}

// TestCancelledBefore: nothing was offered, and nothing is claimed.
func TestCancelledBefore(t *testing.T) {
	d := start(t, small())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := d.Load(ctx)
	if err != nil || !s.Interrupted || len(s.Phases) != 0 {
		t.Errorf("%v, %+v", err, s)
	}
}

// TestCloseWithClients: a client in the service's endless queue does not keep
// the demo from ending.
func TestCloseWithClients(t *testing.T) {
	cfg := small()
	cfg.Service = sim.Constant(demo.MaxService)
	d := start(t, cfg)
	status := make(chan int)
	for _, url := range []string{d.Addresses().Unprotected, d.Addresses().Protected} {
		go func() {
			code := 0
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			transport := &http.Transport{DisableKeepAlives: true}
			if res, err := transport.RoundTrip(req); err == nil {
				code = res.StatusCode
				_ = res.Body.Close()
			}
			status <- code
		}()
	}
	for f := d.Frame(); f.Lanes[0].InService+f.Lanes[1].InService < 2; f = d.Frame() {
		get(t, d.Addresses().Admin+"/healthz") // until both have arrived
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if code := <-status; code == http.StatusOK {
			t.Error("a job of ten seconds was done at once")
		}
	}
}
