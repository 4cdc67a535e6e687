//go:build unix

package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// cheapBackend answers every request with the same bytes, at the least cost that
// a Go program can, so that what is measured is the proxy.
func cheapBackend(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var talks sync.WaitGroup
	b.Cleanup(func() { _ = l.Close(); talks.Wait() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talks.Go(func() {
				in := bufio.NewReader(c)
				for skipHeader(in) == nil {
					if _, err := c.Write(answer); err != nil {
						break
					}
				}
				_ = c.Close()
			})
		}
	}()
	return "http://" + l.Addr().String()
}

func skipHeader(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			return nil
		}
	}
}

// hammer sends requests over a few connections, and reports the processor's time
// per request of everything in this process: clients and backend included, so
// that only differences between proxies mean something.
func hammer(b *testing.B, address string) {
	const conns = 16
	request := []byte("GET /path?x=1 HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n")
	turns := make(chan struct{}, 1024)
	var all sync.WaitGroup
	for range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() {
			defer func() { _ = c.Close() }()
			in := bufio.NewReaderSize(c, 8<<10)
			for range turns {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
			}
		})
	}
	before := processorTime(b)
	b.ReportAllocs()
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	all.Wait()
	b.ReportMetric(float64(processorTime(b)-before)/1e3/float64(b.N), "cpu-us/op")
}

// processorTime is the time that this process has used, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Skip("no processor times here:", err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkForward(b *testing.B) {
	b.Run("proxy=bare", func(b *testing.B) {
		u := addresses(cheapBackend(b))[0]
		transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
		s := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite: func(pr *httputil.ProxyRequest) {
				pr.Out.URL.Scheme, pr.Out.URL.Host = u.Scheme, u.Host
				pr.SetXForwarded()
			},
			Transport:  transport,
			BufferPool: &buffers{},
		})
		hammer(b, s.Listener.Addr().String())
		s.Close()
		transport.CloseIdleConnections()
	})
	b.Run("proxy=gateway", func(b *testing.B) {
		g, stop := quietly(b, config(cheapBackend(b)))
		hammer(b, g.Addr().String())
		stop()
	})
}

type buffers struct{ pool sync.Pool }

func (p *buffers) Get() []byte {
	if b, ok := p.pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}
func (p *buffers) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

func BenchmarkRefuse(b *testing.B) {
	b.Run("by=handler", func(b *testing.B) { // what net/http costs at least
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "full\n")
		}))
		defer s.Close()
		hammer(b, s.Listener.Addr().String())
	})
	b.Run("by=gateway", func(b *testing.B) {
		release := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		defer s.Close()
		cfg := config(s.URL)
		cfg.Routes[0].Limit, cfg.Routes[0].WaitFor = fixed(1), -1
		g, stop := quietly(b, cfg)
		c, err := net.Dial("tcp", g.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // takes the slot
		for g.State().Stats.InFlight == 0 {
			runtime.Gosched()
		}
		hammer(b, g.Addr().String())
		close(release)
		_ = c.Close()
		stop()
	})
}

// quietly starts a gateway for a benchmark.
func quietly(b *testing.B, cfg gateway.Config) (g *gateway.Gateway, stop func()) {
	g, err := gateway.New(cfg, gateway.WithLameDuck(0), gateway.WithDrainTime(0))
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Listen(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(b.Context()) }()
	return g, func() {
		_ = g.Close()
		if err := <-ended; err != nil {
			b.Error(fmt.Errorf("serve: %w", err))
		}
	}
}

type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) WriteHeader(int)             {}
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkHandler is what forwarding by the proxy costs beside the network and
// net/http's server; plain exchanges do not take that way: see BenchmarkForward.
func BenchmarkHandler(b *testing.B) {
	rt := canned{strings.Repeat("x", 1024)}
	u := addresses("http://127.0.0.1:9")[0]
	run := func(b *testing.B, h http.Handler) {
		ctx, cancel := context.WithCancel(context.WithValue(b.Context(), http.ServerContextKey, 1))
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/path?x=1", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"bench"}}
		r.RemoteAddr = "127.0.0.1:12345"
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(&deaf{http.Header{}}, r)
		}
	}
	b.Run("proxy=bare", func(b *testing.B) {
		run(b, &httputil.ReverseProxy{
			Rewrite: func(pr *httputil.ProxyRequest) {
				pr.Out.URL.Scheme, pr.Out.URL.Host = u.Scheme, u.Host
				pr.SetXForwarded()
			},
			Transport: rt, BufferPool: &buffers{},
		})
	})
	b.Run("proxy=gateway", func(b *testing.B) {
		g, err := gateway.New(config(u.String()))
		if err != nil {
			b.Fatal(err)
		}
		defer shut(g)
		g.FakeBackends(rt)
		run(b, g)
	})
}
