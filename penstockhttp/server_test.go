package penstockhttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock/penstockhttp"
)

// A server is a real one, over TCP, that counts the bytes it reads.
type server struct {
	*httptest.Server
	read *atomic.Int64
}

type protocol struct {
	name string
	http2,
	tls bool
}

var protocols = []protocol{{name: "http1"}, {name: "http2", http2: true, tls: true}, {name: "h2c", http2: true}}

// each runs a test over every protocol.
func each(t *testing.T, test func(t *testing.T, proto protocol)) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) { test(t, proto) })
	}
}

func serve(t *testing.T, proto protocol, h http.Handler) server {
	t.Helper()
	s := server{httptest.NewUnstartedServer(h), new(atomic.Int64)}
	s.Listener = countingListener{s.Listener, s.read}
	s.Config.ErrorLog = nil
	speaks := new(http.Protocols)
	switch {
	case proto.tls:
		s.EnableHTTP2 = true
		s.StartTLS()
	default:
		speaks.SetHTTP1(true)
		speaks.SetUnencryptedHTTP2(true)
		s.Config.Protocols = speaks
		s.Start()
		only := new(http.Protocols)
		only.SetHTTP1(!proto.http2)
		only.SetUnencryptedHTTP2(proto.http2)
		s.Client().Transport.(*http.Transport).Protocols = only
	}
	t.Cleanup(s.Close)
	return s
}

type countingListener struct {
	net.Listener
	read *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c, l.read}, nil
}

type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// send makes a request; the caller closes the response's body.
func (s server) send(t *testing.T, method, path string, body io.Reader, fields ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	t.Cleanup(cancel)
	r := request(t, "", method, "/", fields...)
	r, err := newRequest(ctx, method, s.URL+path, body, r.Header)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func newRequest(ctx context.Context, method, url string, body io.Reader, h http.Header) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err == nil {
		r.Header = h
	}
	return r, err
}

// A client speaks HTTP/1.1 by hand.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (s server) dial(t *testing.T) client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(watchdog)); err != nil {
		t.Fatal(err)
	}
	return client{t, conn, bufio.NewReader(conn)}
}

func (c client) say(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// hear reads a response, an interim one included.
func (c client) hear(method string) *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

func closeBody(t *testing.T, res *http.Response) {
	t.Helper()
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

// A hijacked connection holds no permit, and works.
func TestHijack(t *testing.T) {
	ctl := capped(t)
	s := serve(t, protocols[0], penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(conn, buf)
	})))
	var open []client
	for range 3 { // more than there are slots
		c := s.dial(t)
		c.say("GET /echo HTTP/1.1", "Host: x", "Upgrade: echo", "Connection: Upgrade")
		if res := c.hear("GET"); res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s", res.Status)
		}
		open = append(open, c)
	}
	if got, want := counts(ctl.Stats()), "good 3"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	for _, c := range open {
		if _, err := io.WriteString(c, "ping\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := c.in.ReadString('\n'); line != "ping\n" || err != nil {
			t.Errorf("%q, %v", line, err)
		}
		_ = c.Close()
	}
}

// A failed Hijack ends nothing: HTTP/2 has none.
func TestHijackHTTP2(t *testing.T) {
	ctl := capped(t)
	s := serve(t, protocols[1], penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Hijacker); ok {
			t.Error("says that it can be hijacked")
		}
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("hijacked")
		}
		if got, want := counts(ctl.Stats()), "in flight 1"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
	})))
	closeBody(t, s.send(t, "GET", "/", nil))
}

// An event stream reaches its client as it is flushed, and holds no permit.
func TestEventStream(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		ctl := capped(t)
		proceed := make(chan struct{})
		s := serve(t, proto, penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
			<-proceed
			_, _ = io.WriteString(w, "data: 2\n\n")
		})))
		res := s.send(t, "GET", "/", nil)
		defer closeBody(t, res)
		in := textproto.NewReader(bufio.NewReader(res.Body))
		if line, err := in.ReadLine(); line != "data: 1" || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if res.Header.Get("Penstock-Pressure") == "" || res.Header.Get("Endpoint-Load-Metrics") == "" {
			t.Errorf("header %v", res.Header)
		}
		if got, want := counts(ctl.Stats()), "good 1"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
		close(proceed)
		if rest, err := io.ReadAll(in.R); string(rest) != "\ndata: 2\n\n" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// Any other response that is flushed keeps its permit until it ends.
func TestFlush(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		ctl := capped(t)
		proceed := make(chan struct{})
		s := serve(t, proto, penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-proceed
			_, _ = io.WriteString(w, "done")
		})))
		res := s.send(t, "GET", "/", nil) // returns at the headers
		defer closeBody(t, res)
		if res.StatusCode != http.StatusOK || res.Header.Get("Penstock-Pressure") == "" {
			t.Errorf("%s, %v", res.Status, res.Header)
		}
		if got, want := counts(ctl.Stats()), "in flight 1"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
		close(proceed)
		if body, err := io.ReadAll(res.Body); string(body) != "done" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// Trailers pass in both directions, with a context of the handler's own.
func TestTrailers(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		s := serve(t, proto, penstockhttp.Handler(capped(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Declared")
			_, _ = io.Copy(w, r.Body)
			w.Header().Set("X-Declared", "1")
			w.Header().Set(http.TrailerPrefix+"X-Undeclared", r.Trailer.Get("X-Sum"))
		})))
		ctx, cancel := context.WithTimeout(t.Context(), watchdog)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, io.MultiReader(strings.NewReader("body")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Penstock-Deadline", "60000")
		r.Trailer = http.Header{"X-Sum": {"42"}}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer closeBody(t, res)
		if body, err := io.ReadAll(res.Body); string(body) != "body" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if res.Trailer.Get("X-Declared") != "1" || res.Trailer.Get("X-Undeclared") != "42" {
			t.Errorf("trailer %v", res.Trailer)
		}
	})
}

// The pressure goes with the final headers, not with early hints, and replaces
// what the handler says of it, perhaps copied from a server behind it.
func TestAnnounceReplaces(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		s := serve(t, proto, penstockhttp.Handler(capped(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header()["Penstock-Pressure"] = []string{"level=0.1", "level=0.2"}
			w.WriteHeader(http.StatusNoContent)
		})))
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints++
				if _, told := h["Penstock-Pressure"]; code != 103 || told {
					t.Errorf("%d %v", code, h)
				}
				return nil
			},
		})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer closeBody(t, res)
		if got := res.Header["Penstock-Pressure"]; hints != 1 || len(got) != 1 || got[0] == "level=0.1" {
			t.Errorf("%d hints, Penstock-Pressure %q", hints, got)
		}
	})
}

// A refusal over the wire, on every protocol, to both kinds of caller.
func TestRefusalOnTheWire(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		s := serve(t, proto, penstockhttp.Handler(drained(t), nothing, penstockhttp.WithName("search")))
		for _, method := range []string{"GET", "HEAD", "DELETE"} {
			res := s.send(t, method, "/", nil)
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" ||
				res.Header.Get("Penstock-Pressure") == "" || res.Header.Get("Endpoint-Load-Metrics") == "" || res.Close {
				t.Errorf("%s: %s, %v", method, res.Status, res.Header)
			}
			if method != "HEAD" {
				if p := readProblem(t, res); p.Reason != "draining" || *p.Limit != "search" {
					t.Errorf("%s: %+v", method, p)
				}
			}
			closeBody(t, res)
		}
		closeBody(t, s.send(t, "GET", "/healthz", nil))
	})
}

// Dropping ends the connection, or the stream, with no answer at all.
func TestDropOnTheWire(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		s := serve(t, proto, penstockhttp.Handler(drained(t), nothing, penstockhttp.WithRefuse(penstockhttp.RefuseDrop)))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := s.Client().Do(r); err == nil {
			closeBody(t, res)
			t.Errorf("answered %s", res.Status)
		}
	})
}

// Malformed fields change nothing: the request is served.
func TestMalformedFieldsAreIgnored(t *testing.T) {
	s := serve(t, protocols[0], penstockhttp.Handler(capped(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, ok := r.Context().Deadline(); ok {
			t.Errorf("%v: deadline %v", r.Header, d)
		}
		w.WriteHeader(http.StatusNoContent)
	})))
	for _, field := range malformed {
		if strings.Contains(field, "\x80") {
			continue // Go's client refuses to send it
		}
		res := s.send(t, "GET", "/", nil, field)
		if res.StatusCode != http.StatusNoContent {
			t.Errorf("%.80s: %s", field, res.Status)
		}
		closeBody(t, res)
	}
}

// The handler sees what the server can do: files are sent by the kernel, and a
// ResponseController reaches what the wrapper does not have itself.
func TestWriterFeatures(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, proto protocol) {
		s := serve(t, proto, penstockhttp.Handler(capped(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for feature, there := range map[string]bool{
				"hijack": is[http.Hijacker](w), "read from": is[io.ReaderFrom](w), "push": !is[http.Pusher](w),
			} {
				if there == proto.http2 {
					t.Errorf("%s: %s", proto.name, feature)
				}
			}
			if !is[http.Flusher](w) || !is[io.StringWriter](w) {
				t.Errorf("%s: no Flusher, no StringWriter", proto.name)
			}
			if p, ok := w.(http.Pusher); ok {
				if err := p.Push("/style.css", nil); err == nil {
					t.Error("pushed to a client that wants none")
				}
			}
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(watchdog)); err != nil {
				t.Error(err)
			}
			http.ServeFile(w, r, name)
		})))
		res := s.send(t, "GET", "/", nil)
		defer closeBody(t, res)
		body, err := io.ReadAll(res.Body)
		if err != nil || len(body) != 1<<20 || res.ContentLength != 1<<20 || res.Header.Get("Penstock-Pressure") == "" {
			t.Errorf("%d bytes, %v, %v", len(body), err, res.Header)
		}
	})
}

func is[T any](w http.ResponseWriter) bool { _, ok := w.(T); return ok }

// A client that leaves while its request runs: the context ends, and the work
// counts as lost.
func TestClientLeaves(t *testing.T) {
	each(t, func(t *testing.T, proto protocol) {
		ctl := capped(t)
		running, ended := make(chan struct{}), make(chan struct{})
		inner := penstockhttp.Handler(ctl, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(running)
			<-r.Context().Done()
		}))
		s := serve(t, proto, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			inner.ServeHTTP(w, r)
		}))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { <-running; cancel() }()
		if res, err := s.Client().Do(r); err == nil {
			closeBody(t, res)
			t.Errorf("answered %s", res.Status)
		}
		<-ended
		if got, want := counts(ctl.Stats()), "dropped 1"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
	})
}
