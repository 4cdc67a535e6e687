package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// A wired is a transport and the backend behind it, which counts.
type wired struct {
	transport interface {
		http.RoundTripper
		CloseIdleConnections()
	}
	url                   string
	connections, requests atomic.Int32
}

// wire connects to a backend that answers as told; answer may close c.
func wire(t *testing.T, answer func(c net.Conn, req *http.Request)) *wired {
	t.Helper()
	w := &wired{}
	w.url = rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		w.connections.Add(1)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			w.requests.Add(1)
			_, _ = io.Copy(io.Discard, req.Body)
			answer(c, req)
		}
	})
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	w.transport = gateway.NewTransport(u)
	t.Cleanup(w.transport.CloseIdleConnections)
	return w
}

func (w *wired) ask(ctx context.Context, method, body string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.url, nil)
	if err != nil {
		return nil, "", err
	}
	if body != "" {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(body))
	}
	res, err := w.transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	got, err := io.ReadAll(res.Body)
	return res, string(got), errors.Join(err, res.Body.Close())
}

// One connection serves exchange after exchange, whatever the answers look like.
func TestAWireServesAgain(t *testing.T) {
	for name, tt := range map[string]struct{ method, answer, body string }{
		"length":           {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"chunks":           {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"},
		"trailer":          {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n", "hello"},
		"empty":            {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"no content":       {"GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		"head":             {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""},
		"not modified":     {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""},
		"post":             {"POST", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"},
		"hints before it":  {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"},
		"1.0 kept by name": {"GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok"},
	} {
		w := wire(t, func(c net.Conn, _ *http.Request) { _, _ = io.WriteString(c, tt.answer) })
		sent := ""
		if tt.method == http.MethodPost {
			sent = "a body"
		}
		for range 3 {
			res, body, err := w.ask(t.Context(), tt.method, sent)
			if err != nil || body != tt.body {
				t.Errorf("%s: %q, %v", name, body, err)
			} else if name == "trailer" && res.Trailer.Get("X-End") != "1" {
				t.Errorf("%s: %v", name, res.Trailer)
			}
		}
		if n, requests := w.connections.Load(), w.requests.Load(); n != 1 || requests != 3 {
			t.Errorf("%s: %d connections for %d requests", name, n, requests)
		}
	}
}

// After these answers a connection must not serve again.
func TestAWireIsNotUsedAgain(t *testing.T) {
	for name, answer := range map[string]string{
		"close":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"1.0":       "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"to come":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray",
		"two modes": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nok",
	} {
		w := wire(t, func(c net.Conn, _ *http.Request) { _, _ = io.WriteString(c, answer) })
		for range 3 {
			if _, body, err := w.ask(t.Context(), http.MethodGet, ""); err != nil || body != "ok" {
				t.Errorf("%s: %q, %v", name, body, err)
			}
		}
		if n := w.connections.Load(); n != 3 {
			t.Errorf("%s: %d connections for 3 requests", name, n)
		}
	}
	// Nor after one that was not read to its end.
	w := wire(t, func(c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
	})
	for range 2 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
		res, err := w.transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if n, err := res.Body.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("read %d bytes of a closed answer, %v", n, err)
		}
	}
	if n := w.connections.Load(); n != 2 {
		t.Errorf("%d connections for 2 answers that were left", n)
	}
}

// A connection that the backend closed while it lay idle costs nobody an error,
// and no request that changes something is sent twice.
func TestClosedWires(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		closed := make(chan struct{}, 10)
		w := wire(t, func(c net.Conn, _ *http.Request) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			_ = c.Close()
			closed <- struct{}{}
		})
		for i := range 3 {
			if _, body, err := w.ask(t.Context(), method, "sent"); err != nil || body != "ok" {
				t.Errorf("%s %d: %q, %v", method, i, body, err)
			}
			<-closed
		}
		if n := w.requests.Load(); n != 3 {
			t.Errorf("%s: %d requests arrived, want 3", method, n)
		}
	}
	// The backend reads a request on a kept connection and dies of it.
	var deadly atomic.Bool
	w := wire(t, func(c net.Conn, _ *http.Request) {
		if deadly.Load() {
			_ = c.Close()
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	if _, _, err := w.ask(t.Context(), http.MethodPost, "sent"); err != nil {
		t.Fatal(err)
	}
	deadly.Store(true)
	if _, _, err := w.ask(t.Context(), http.MethodPost, "sent"); err == nil {
		t.Error("an answer of a dead backend")
	}
	if n := w.requests.Load(); n != 2 {
		t.Errorf("%d requests arrived, want 2: a POST may not be sent twice", n)
	}
}

// A backend may answer before it has read the body, and close.
func TestAnEarlyAnswerIsRead(t *testing.T) {
	url := rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
	})
	r := serve(t, config(url))
	req, _ := http.NewRequest(http.MethodPost, r.front, bytes.NewReader(make([]byte, 60<<10)))
	if res, body := r.do(req); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, %s", res.StatusCode, body)
	}
}

// The end of the context ends a round trip and an answer, and the connection.
func TestAWireIsCut(t *testing.T) {
	asked := make(chan struct{})
	w := wire(t, func(net.Conn, *http.Request) { asked <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, _, err := w.ask(ctx, http.MethodGet, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}

	w = wire(t, func(c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
	})
	ctx, cancel = context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	res, err := w.transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := res.Body.Read(make([]byte, 5)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("an answer that was cut ended with %v", err)
	}
	_ = res.Body.Close()

	if _, _, err := w.ask(ctx, http.MethodGet, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cut before it began: %v", err)
	}
}

// Hints reach whoever traces them, who may end the exchange.
func TestAWirePassesHints(t *testing.T) {
	w := wire(t, func(c net.Conn, _ *http.Request) {
		for i := range 3 {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: <%d>\r\n\r\n", i)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	var hints []string
	enough := errors.New("enough")
	bound := 10
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h.Get("Link")))
			if len(hints) > bound {
				return enough
			}
			return nil
		},
	})
	if _, body, err := w.ask(ctx, http.MethodGet, ""); err != nil || body != "ok" {
		t.Errorf("%q, %v", body, err)
	}
	if want := []string{"103<0>", "103<1>", "103<2>"}; !slices.Equal(hints, want) {
		t.Errorf("%v, want %v", hints, want)
	}
	bound = 4
	if _, _, err := w.ask(ctx, http.MethodGet, ""); !errors.Is(err, enough) {
		t.Errorf("%v, want the hook's error", err)
	}
}
