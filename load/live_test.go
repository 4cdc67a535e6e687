package load_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock/load"
)

// These tests run over TCP and in real time, and assert nothing about time but
// what a server imposed. The deadline is a watchdog.
const patience = 30 * time.Second

func live(t *testing.T, cfg load.Config) load.Report {
	t.Helper()
	cfg.Deadline = orPatience(cfg.Deadline)
	r, err := load.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, r)
	return r
}

func orPatience(d time.Duration) time.Duration {
	if d == 0 {
		return patience
	}
	return d
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestLive(t *testing.T) {
	var served atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = io.WriteString(w, "hello")
	})
	r := live(t, load.Config{URL: url, Profile: profile("2000/s"), Even: true, For: 250 * ms, Connections: 8})
	if r.Offered != 500 || r.Good != 500 || served.Load() != 500 {
		t.Errorf("offered %d, good %d, served %d, want 500", r.Offered, r.Good, served.Load())
	}
	if r.Connections == 0 || r.Connections > 8 {
		t.Errorf("%d connections, want 1 to 8", r.Connections)
	}
	if r.Interrupted || r.Duration != 250*ms {
		t.Errorf("interrupted %v, duration %v", r.Interrupted, r.Duration)
	}
}

func TestLiveTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	r := live(t, load.Config{
		URL: server.URL, Profile: profile("200/s"), Even: true, For: 250 * ms, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
	if r.Good != 50 || r.Bytes != 50*int64(len("HTTP/1.1")) {
		t.Errorf("good %d of %d, %d bytes; errors %v", r.Good, r.Offered, r.Bytes, r.ErrorsByKind)
	}
	server.Config.ErrorLog = nil
	r = live(t, load.Config{URL: server.URL, Profile: profile("20/s"), Even: true, For: 250 * ms}) // does not trust it
	if r.ErrorsByKind["connect"] != 5 {
		t.Errorf("an unknown authority: errors %v, want 5 of connect", r.ErrorsByKind)
	}
}

func TestLiveNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	r := live(t, load.Config{URL: "http://" + address, Profile: profile("100/s"), Even: true, For: 100 * ms})
	if r.Offered != 10 || r.ErrorsByKind["connect"] != 10 {
		t.Errorf("offered %d, errors %v, want 10 of connect", r.Offered, r.ErrorsByKind)
	}
}

// TestLiveServerClosesIdleConnections: a server that closes after each answer
// without saying so costs a connection per request and no error, because the
// generator looks before it sends.
func TestLiveServerClosesIdleConnections(t *testing.T) {
	address := serveConns(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
	})
	r := live(t, load.Config{URL: "http://" + address, Profile: profile("2/s"), Even: true, For: time.Second})
	if r.Good != 2 || r.Connections != 2 {
		t.Errorf("good %d of %d on %d connections; errors %v", r.Good, r.Offered, r.Connections, r.ErrorsByKind)
	}
}

// TestLiveServerDropsConnections: a server that closes instead of answering is
// heard, once per request: nothing is sent a second time behind the user's back.
func TestLiveServerDropsConnections(t *testing.T) {
	var requests atomic.Int64
	address := serveConns(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			requests.Add(1)
		}
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	r := live(t, load.Config{URL: "http://" + address, Profile: profile("50/s"), Even: true, For: 200 * ms})
	if r.ErrorsByKind["reset"] != 10 || requests.Load() != 10 {
		t.Errorf("errors %v after %d requests, want 10 of reset after 10", r.ErrorsByKind, requests.Load())
	}
}

// TestLiveStall holds back every answer until the last request has been offered:
// each latency is at least the time from its own instant to that one.
func TestLiveStall(t *testing.T) {
	const n = 20
	release := make(chan struct{})
	var offered atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if offered.Add(1) == n {
			close(release)
		}
		<-release
	})
	r := live(t, load.Config{URL: url, Profile: profile("100/s"), Even: true, For: n * 10 * ms})
	if r.Good != n {
		t.Fatalf("good %d of %d", r.Good, r.Offered)
	}
	// The first was due 190 ms before the last could arrive, the median 90.
	if r.Latency.Max < 190*ms || r.Latency.P50 < 90*ms {
		t.Errorf("latency %+v: p50 below 90 ms or max below 190 ms", r.Latency)
	}
}

// TestLiveHangingServer: the server hears that its client has left.
func TestLiveHangingServer(t *testing.T) {
	var left sync.WaitGroup
	left.Add(5)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		left.Done()
	})
	r := live(t, load.Config{URL: url, Profile: profile("50/s"), Even: true, For: 100 * ms, Deadline: 50 * ms})
	if r.Late != 5 {
		t.Errorf("late %d of %d", r.Late, r.Offered)
	}
	left.Wait()
}

func TestLiveCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 10 {
			cancel()
		}
	})
	r, err := load.Run(ctx, load.Config{URL: url, Profile: profile("1000/s"), For: time.Hour})
	if err != nil || !r.Interrupted || r.Good < 10 || r.Good != r.Offered {
		t.Errorf("interrupted %v, good %d of %d, %v", r.Interrupted, r.Good, r.Offered, err)
	}
	checkSums(t, r)
}

// serveConns gives each connection to a function and closes it afterwards.
func serveConns(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = c.Close() }()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// BenchmarkRun is the processor's time for offering, carrying and answering one
// request over loopback: generator and server together.
func BenchmarkRun(b *testing.B) {
	body := make([]byte, 1024)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer server.Close()
	b.ReportAllocs()
	for b.Loop() {
		r, err := load.Run(b.Context(), load.Config{
			URL: server.URL, Profile: profile("10000/s"), Even: true, For: 100 * ms, Deadline: patience,
		})
		if err != nil || r.Good != 1000 {
			b.Fatalf("good %d, %v", r.Good, err)
		}
	}
}
