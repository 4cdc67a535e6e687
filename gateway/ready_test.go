package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/gateway"
)

// Refusals that are kept ready look like those that are not, one after another
// on one connection, pipelined or not, between answers of other kinds.
func TestReadyRefusals(t *testing.T) {
	url, arrived, release := hanging(t)
	cfg := config(url)
	cfg.Routes[0].Limit = fixed(1)
	cfg.Routes[0].WaitFor = -1
	r := serve(t, cfg)
	first := make(chan struct{})
	go func() {
		defer close(first)
		r.get("/")
	}()
	<-arrived

	c, in := r.dial()
	read := func(method string) (*http.Response, string) {
		t.Helper()
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	send := func(text string) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	var want *http.Response
	for i, request := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", // by the server's own way
		get, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", get, get,
	} {
		send(request)
		method, _, _ := strings.Cut(request, " ")
		res, body := read(method)
		if method != http.MethodHead {
			r.wantProblem(res, body, http.StatusServiceUnavailable, "queue_full")
		}
		if want == nil {
			want = res
			continue
		}
		for name := range want.Header {
			if res.Header.Get(name) == "" && (method != http.MethodHead || name != "Content-Length") {
				t.Errorf("request %d: no %s, of %v", i, name, want.Header)
			}
		}
		for name := range res.Header {
			if want.Header.Get(name) == "" {
				t.Errorf("request %d: %s, which is not among %v", i, name, want.Header)
			}
		}
		if date, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(date).Abs() > time.Hour {
			t.Errorf("request %d: Date is %q", i, res.Header.Get("Date"))
		}
	}
	send(strings.Repeat(get, 20)) // pipelined
	for range 20 {
		res, body := read(http.MethodGet)
		r.wantProblem(res, body, http.StatusServiceUnavailable, "queue_full")
	}
	close(release)
	<-first
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
	send(get)
	if res, body := read(http.MethodGet); res.StatusCode != http.StatusOK || body != "late" {
		t.Errorf("after it: %d, %q", res.StatusCode, body)
	}
	// A client that wants the connection closed gets that.
	send("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if res, _ := read(http.MethodGet); !res.Close {
		t.Error("the connection stays open")
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the last answer: %v", err)
	}
}
