package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/gateway"
	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// watchdog ends a test that hangs. Nothing is measured by it.
const watchdog = 20 * time.Second

// config is a gateway's over backends that trusts nobody.
func config(backends ...string) gateway.Config {
	return gateway.Config{
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Streams: 100,
		Routes: []gateway.Route{{Path: "/", To: addresses(backends...), Limit: fixed(64)}},
	}
}

func addresses(backends ...string) []*url.URL {
	var to []*url.URL
	for _, b := range backends {
		u, err := url.Parse(b)
		if err != nil {
			panic(err)
		}
		to = append(to, u)
	}
	return to
}

func fixed(n float64) gateway.Limit {
	return gateway.Limit{Law: "fixed", Max: n, New: func() limit.Law { return limit.Fixed(n) }}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// A rig is a gateway that serves.
type rig struct {
	*testing.T
	*gateway.Gateway
	front, admin string // URLs
	client       *http.Client
	stop         context.CancelFunc
	served       chan error
}

// serve starts a gateway, and ends it with the test, checking that nothing is
// left.
func serve(t *testing.T, cfg gateway.Config, opts ...gateway.Option) *rig {
	t.Helper()
	opts = append([]gateway.Option{gateway.WithLameDuck(0), gateway.WithTimes(gateway.Times{Drain: 300 * time.Millisecond})}, opts...)
	g, err := gateway.New(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, g)
}

// run is serve with a gateway that was made already.
func run(t *testing.T, g *gateway.Gateway) *rig {
	t.Helper()
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1000}
	r := &rig{
		T: t, Gateway: g, front: "http://" + g.Addr().String(), stop: stop, served: make(chan error, 1),
		client: &http.Client{
			Transport: transport, Timeout: watchdog,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if a := g.AdminAddr(); a != nil {
		r.admin = "http://" + a.String()
	}
	go func() { r.served <- g.Serve(ctx) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := g.Close(); err != nil {
			t.Error("Close:", err)
		}
		stop()
		select {
		case err := <-r.served:
			if err != nil && !errors.Is(err, gateway.ErrDrain) {
				t.Error("Serve:", err)
			}
		case <-time.After(watchdog):
			t.Fatal("Serve did not return")
		}
		if handlers, work, streams := g.InHand(); handlers != 0 || work != 0 || streams != 0 {
			t.Errorf("left after Close: %d handlers, %d in hand, %d streams", handlers, work, streams)
		}
		if n := g.State().Stats.StaleDone; n != 0 {
			t.Errorf("%d permits were returned twice", n)
		}
	})
	return r
}

// backend starts a server that ends with the test.
func backend(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// rawBackend accepts connections and hands each to talk, which is to end when
// the connection does.
func rawBackend(t *testing.T, talk func(c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer shut(c)
				talk(c, bufio.NewReader(c))
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return "http://" + l.Addr().String()
}

// dial opens a connection to the front.
func (r *rig) dial() (net.Conn, *bufio.Reader) {
	r.Helper()
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(watchdog)); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	return c, bufio.NewReader(c)
}

// get asks the front and returns status, header and body.
func (r *rig) get(path string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, r.front+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	return r.do(req)
}

func (r *rig) do(req *http.Request) (*http.Response, string) {
	r.Helper()
	res, err := r.client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer shut(res.Body)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	return res, string(body)
}

// problem is the body of an answer of the gateway's own.
type problem struct {
	Type      string `json:"type"`
	Status    int    `json:"status"`
	Reason    string `json:"reason"`
	Limit     string `json:"limit"`
	RetrySafe bool   `json:"retry_safe"`
	ID        string `json:"id"`
}

// wantProblem checks an answer of the gateway's own.
func (r *rig) wantProblem(res *http.Response, body string, status int, reason string) problem {
	r.Helper()
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		r.Fatalf("status %d, body %q: %v", res.StatusCode, body, err)
	}
	if res.StatusCode != status || p.Status != status || p.Reason != reason {
		r.Fatalf("got status %d and %+v, want %d with reason %s", res.StatusCode, p, status, reason)
	}
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		r.Fatalf("Content-Type is %q", got)
	}
	return p
}

// until waits for an event that only the gateway's state shows.
func (r *rig) until(what string, cond func(gateway.State) bool) {
	r.Helper()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	end := time.After(watchdog)
	for {
		s := r.State()
		if cond(s) {
			return
		}
		select {
		case <-ticks.C:
		case <-end:
			r.Fatalf("never came: %s; state: %+v", what, s)
		}
	}
}

// wait is a receive with a watchdog.
func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(watchdog):
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}

func shut(c io.Closer) { _ = c.Close() }

func send(c io.Writer, text string) { _, _ = io.WriteString(c, text) }

// ask sends a request whose answer nobody looks at.
func (r *rig) ask(url string) {
	if res, err := r.client.Get(url); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

// A canned transport answers at once, without a network.
type canned struct{ body string }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"1024"}},
		ContentLength: int64(len(c.body)), Body: io.NopCloser(strings.NewReader(c.body)),
	}, nil
}
func (canned) CloseIdleConnections() {}
