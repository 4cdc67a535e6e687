package gateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock/gateway"
)

// Reloads under load lose no request: not those that run, not those that wait,
// not those whose route or backend has just gone.
func TestReloadLosesNothing(t *testing.T) {
	named := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
	}
	a, b := backend(t, named("a")), backend(t, named("b"))
	// Waiting rooms long enough that nothing is refused for its load.
	route := func(path string, to ...string) gateway.Route {
		return gateway.Route{Path: path, To: addresses(to...), Limit: fixed(2), WaitFor: time.Minute}
	}
	cfg := config(a)
	with := func(routes ...gateway.Route) gateway.Config {
		c := cfg
		c.Routes = routes
		return c
	}
	variants := []gateway.Config{
		with(route("/", a), route("/x/", b)),
		with(route("/", b)),
		with(route("/x/", a, b), route("/", a, b), route("/y/", b)),
		with(route("/y/", a), route("/", a)),
	}
	r := serve(t, variants[0])
	var stop atomic.Bool
	var requests atomic.Int64
	var clients sync.WaitGroup
	for i := range 8 {
		path := []string{"/", "/x/1", "/y/2"}[i%3]
		clients.Go(func() {
			for !stop.Load() {
				res, body := r.get(path)
				if res.StatusCode != http.StatusOK || body != "a" && body != "b" {
					t.Errorf("%s: status %d, %s", path, res.StatusCode, body)
					return
				}
				requests.Add(1)
			}
		})
	}
	for i := range 200 {
		if err := r.Reload(variants[i%len(variants)]); err != nil {
			t.Fatal(err)
		}
		for before := requests.Load(); requests.Load() < before+5 && !t.Failed(); {
			if res, _ := r.get("/"); res.StatusCode != http.StatusOK {
				t.Fatalf("status %d", res.StatusCode)
			}
		}
	}
	stop.Store(true)
	clients.Wait()
	s := r.State()
	if s.Reloads != 200 || s.Stats.Refused.Total() != 0 {
		t.Errorf("%d reloads, %d refused", s.Reloads, s.Stats.Refused.Total())
	}
	if err := r.Reload(variants[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(variants[0]); err != nil {
		t.Fatal(err)
	}
	if n := r.OldTables(); n > 1 {
		t.Errorf("%d old configurations are remembered with nothing in hand", n)
	}
}

// A request that waits in the room while its route goes away is served.
func TestReloadKeepsWhoWaits(t *testing.T) {
	url, arrived, release := hanging(t)
	cfg := config(url)
	cfg.Routes = []gateway.Route{
		{Path: "/", To: addresses(url), Limit: fixed(1), WaitFor: time.Minute},
		{Path: "/old/", To: addresses(url), Limit: fixed(1), WaitFor: time.Minute},
	}
	r := serve(t, cfg)
	bodies := make(chan string, 2)
	get := func(path string) {
		res, err := r.client.Get(r.front + path)
		if err != nil {
			bodies <- err.Error()
			return
		}
		defer shut(res.Body)
		b, _ := io.ReadAll(res.Body)
		bodies <- string(b)
	}
	go get("/")
	wait(t, "the first", arrived)
	go get("/old/")
	r.until("one waits", func(s gateway.State) bool { return s.Stats.Waiting == 1 })
	limit := r.State().Stats.Gates[0].Limit

	next := cfg
	next.Routes = cfg.Routes[:1]
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if s := r.State(); s.Stats.Waiting != 1 || s.Stats.InFlight != 1 || s.Stats.Gates[0].Limit != limit {
		t.Errorf("after the reload: waiting %d, in flight %d, limit %v", s.Stats.Waiting, s.Stats.InFlight, s.Stats.Gates[0].Limit)
	}
	close(release)
	for range 2 {
		if got := wait(t, "an answer", bodies); got != "late" {
			t.Errorf("got %q", got)
		}
	}
}

func TestReloadErrorsChangeNothing(t *testing.T) {
	url := backend(t, discard)
	cfg := config(url)
	r := serve(t, cfg)
	for _, change := range []func(*gateway.Config){
		func(c *gateway.Config) { c.Listen = "127.0.0.1:1" },
		func(c *gateway.Config) { c.Admin = "127.0.0.1:1" },
		func(c *gateway.Config) { c.Routes = nil },
		func(c *gateway.Config) { c.Routes = []gateway.Route{{Path: "x", To: addresses(url)}} },
		func(c *gateway.Config) { c.Routes = []gateway.Route{{Path: "/", To: nil}} },
		func(c *gateway.Config) { c.Routes = []gateway.Route{{Path: "/", To: addresses("ftp://x")}} },
		func(c *gateway.Config) { c.Routes = append(c.Routes[:1:1], c.Routes[0]) },
		func(c *gateway.Config) {
			c.Routes = []gateway.Route{
				{Path: "/a", To: addresses(url), Limit: fixed(1)}, {Path: "/b", To: addresses(url), Limit: fixed(2)},
			}
		},
	} {
		bad := cfg
		change(&bad)
		if err := r.Reload(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if res, _ := r.get("/"); res.StatusCode != http.StatusOK || r.State().Reloads != 0 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestNewNamesEveryProblem(t *testing.T) {
	cfg := config("ftp://x")
	cfg.Routes = append(cfg.Routes, gateway.Route{Path: "x"})
	_, err := gateway.New(cfg)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"ftp://x", `"x": path`, "must name a backend"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
}

// Draining: not ready, then no new connections, then what is new is refused;
// what is in hand is finished.
func TestDrain(t *testing.T) {
	url, arrived, release := hanging(t)
	r := serve(t, config(url))
	first := make(chan string, 1)
	get := func(out chan string) {
		res, err := r.client.Get(r.front)
		if err != nil {
			out <- err.Error()
			return
		}
		defer shut(res.Body)
		b, err := io.ReadAll(res.Body)
		out <- fmt.Sprint(string(b), err, res.Close)
	}
	go get(first)
	wait(t, "the first", arrived)
	idle, in := r.dial() // open before the drain, used during it
	_, _ = fmt.Fprint(idle, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.until("draining", func(s gateway.State) bool { return s.Draining && !s.Ready })
	for { // until the listener is closed, what is new is served
		c, err := http.Get(r.front + "/") //nolint:bodyclose // fails
		if err != nil {
			break
		}
		_ = c.Body.Close()
	}
	res, err := http.Get(r.admin + "/readyz")
	if err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("readyz: %v, %v", res, err)
	}
	_ = res.Body.Close()

	_, _ = fmt.Fprint(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	refused, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(refused.Body)
	r.wantProblem(refused, string(body), http.StatusServiceUnavailable, "draining")
	if !refused.Close {
		t.Error("the connection stays open")
	}
	close(release)
	if got := wait(t, "the first answer", first); got != "late<nil> true" {
		t.Errorf("the first got %q", got)
	}
	if err := wait(t, "the end of Serve", r.served); err != nil {
		t.Error("Serve:", err)
	}
	r.served <- nil
	http.DefaultClient.CloseIdleConnections()
}

func TestDrainEndsStreams(t *testing.T) {
	told := make(chan struct{})
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(told)
	})))
	res, err := r.client.Get(r.front)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(res.Body)
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.stop()
	wait(t, "the backend is told", told)
	if err := wait(t, "the end of Serve", r.served); err != nil {
		t.Error("Serve:", err)
	}
	r.served <- nil
}

func TestDrainIsBounded(t *testing.T) {
	url, arrived, release := hanging(t)
	r := serve(t, config(url), gateway.WithDrainTime(20*time.Millisecond))
	t.Cleanup(func() { close(release) })
	go r.ask(r.front)
	wait(t, "the request", arrived)
	r.stop()
	if err := wait(t, "the end of Serve", r.served); !errors.Is(err, gateway.ErrDrain) {
		t.Errorf("Serve: %v", err)
	}
	r.served <- nil
}

// A second signal: Close ends a drain at once.
func TestCloseEndsADrain(t *testing.T) {
	url, arrived, release := hanging(t)
	r := serve(t, config(url), gateway.WithDrainTime(time.Hour), gateway.WithLameDuck(time.Hour))
	t.Cleanup(func() { close(release) })
	go r.ask(r.front)
	wait(t, "the request", arrived)
	r.stop()
	r.until("draining", func(s gateway.State) bool { return s.Draining })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "the end of Serve", r.served); err != nil {
		t.Error("Serve:", err)
	}
	r.served <- nil
}
