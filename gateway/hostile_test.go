package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/gateway"
)

// discard is a backend that reads everything and says how much.
func discard(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	_, _ = fmt.Fprint(w, n)
}

// trickle writes a byte at a time, each when the last was taken, until the
// other side has had enough.
func trickle(c net.Conn, every time.Duration, stop <-chan struct{}) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		case <-stop:
			return
		}
	}
}

func TestSlowClients(t *testing.T) {
	short := gateway.Times{
		Header: 50 * time.Millisecond, Body: 50 * time.Millisecond, Linger: 10 * time.Millisecond, BodyBytes: 1000,
	}
	long := strings.Repeat("x", 2*gateway.ReadAhead)
	tests := []struct {
		name, sent string // and then a byte now and then
		status     int    // 0: closed without an answer
		fault      string
	}{
		{"no request", "", 0, ""},                       // not a byte: nothing to count
		{"half a line", "GET / HT", 400, "bad_request"}, // the parser takes what it has for the line
		{"half a header", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", 0, "half_request"},
		{"half a small body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\nx", 408, "slow_body"},
		{"half a small chunked body", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\nx", 408, "slow_body"},
		{"half a large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + long, 408, "slow_body"},
		{"no body after 100", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n", 408, "slow_body"},
	}
	for _, tt := range tests {
		r := serve(t, config(backend(t, discard)), gateway.WithTimes(short))
		c, in := r.dial()
		_, _ = io.WriteString(c, tt.sent)
		stop := make(chan struct{})
		if tt.sent != "" {
			go trickle(c, 5*time.Millisecond, stop)
		}
		res, err := http.ReadResponse(in, nil)
		if err == nil && res.StatusCode == http.StatusContinue {
			res, err = http.ReadResponse(in, nil)
		}
		switch {
		case tt.status == 0 && err == nil:
			t.Errorf("%s: status %d", tt.name, res.StatusCode)
		case tt.status != 0 && (err != nil || res.StatusCode != tt.status):
			t.Errorf("%s: %v, %v", tt.name, res, err)
		}
		close(stop)
		if err == nil { // and the connection does not go on
			if _, err := io.Copy(io.Discard, in); err != nil && !isReset(err) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		r.until(tt.name+": nothing is left", func(s gateway.State) bool {
			return s.Front.Connections == 0 && s.Front.InHand == 0 && s.Stats.InFlight == 0 && (tt.fault == "" || s.Faults[tt.fault] == 1)
		})
	}
}

func isReset(err error) bool { return strings.Contains(err.Error(), "reset") }

// A client that never reads its answer is cut off, and its slot is free.
func TestAClientThatDoesNotRead(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})), gateway.WithTimes(gateway.Times{Write: 100 * time.Millisecond}))
	c, _ := r.dial()
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r.until("the answer has begun", func(s gateway.State) bool { return s.Stats.InFlight == 1 })
	r.until("nothing is left", func(s gateway.State) bool { return s.Front.Connections == 0 && s.Stats.InFlight == 0 })
}

func TestMalformedRequests(t *testing.T) {
	tests := []struct {
		name, sent string
		status     int
		fault      string
	}{
		{"rubbish", "\x00\x01\x02\x03\r\n\r\n", 400, "bad_request"},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "bad_request"},
		{"bad version", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505, "bad_request"},
		{"bad field", "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400, "bad_request"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, "bad_request"},
		{"negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "bad_request"},
		{"large header", "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 2*gateway.MaxHeaderBytes) + "\r\n\r\n", 431, "header_too_large"},
		{"connect", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 405, "method"},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_body"},
		{"large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413, "body_too_large"},
		{"large chunked body", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n", 413, "body_too_large"},
	}
	r := serve(t, config(backend(t, discard)), gateway.WithMaxBody(1000), gateway.WithTimes(gateway.Times{Linger: 10 * time.Millisecond}))
	for i, tt := range tests {
		before := r.State().Faults[tt.fault]
		c, in := r.dial()
		go send(c, tt.sent)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != tt.status {
			t.Errorf("%d %s: %v, %v, want status %d", i, tt.name, res, err, tt.status)
			continue
		}
		r.until(tt.name+" is counted as "+tt.fault, func(s gateway.State) bool { return s.Faults[tt.fault] == before+1 })
		_ = c.Close()
	}
	if res, body := r.get("/"); res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: status %d, %s", res.StatusCode, body)
	}
	r.until("no slot was taken for long", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
}

// A body of exactly the bound passes; a larger one that is streamed fails when
// it passes the bound.
func TestBodyBoundWhileStreaming(t *testing.T) {
	const bound = 3 * gateway.ReadAhead
	r := serve(t, config(backend(t, discard)), gateway.WithMaxBody(bound), gateway.WithTimes(gateway.Times{Linger: 10 * time.Millisecond}))
	for _, size := range []int{bound, bound + 1} {
		c, in := r.dial()
		go func() {
			_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", size)
			_, _ = c.Write(make([]byte, size))
			_, _ = io.WriteString(c, "\r\n0\r\n\r\n")
		}()
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		if size == bound {
			if string(body) != strconv.Itoa(bound) {
				t.Errorf("status %d, %s", res.StatusCode, body)
			}
			continue
		}
		r.wantProblem(res, string(body), http.StatusRequestEntityTooLarge, "body_too_large")
	}
	r.until("no slot is left", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
	// The first is good, unless most of its time was the client's.
	if s := r.State().Stats; s.Ignored < 1 || s.Good+s.Ignored != 2 {
		t.Errorf("ignored %d, good %d", s.Ignored, s.Good)
	}
}

// What a refused upload still sends must not be taken for the next request.
func TestNoRequestIsSmuggledBehindARefusal(t *testing.T) {
	hits := make(chan string, 10)
	release := make(chan struct{})
	cfg := config(backend(t, func(_ http.ResponseWriter, r *http.Request) { hits <- r.URL.Path; <-release }))
	cfg.Routes[0].Limit = fixed(1)
	cfg.Routes[0].WaitFor = -1
	r := serve(t, cfg, gateway.WithTimes(gateway.Times{Linger: 50 * time.Millisecond}))
	go r.ask(r.front + "/first")
	wait(t, "the first", hits)

	c, in := r.dial()
	inner := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	_, _ = fmt.Fprintf(c, "POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 10*gateway.ReadAhead, strings.Repeat("x", gateway.ReadAhead))
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !res.Close {
		t.Fatalf("%v, %v", res, err)
	}
	close(release)
	_, _ = io.WriteString(c, inner+inner)
	_, _ = io.Copy(io.Discard, in)
	r.until("nothing is left", func(s gateway.State) bool { return s.Front.InHand == 0 })
	select {
	case path := <-hits:
		t.Fatalf("the backend got %s", path)
	default:
	}
}

func TestPanicsAreContained(t *testing.T) {
	r := serve(t, config(backend(t, discard)))
	for _, begun := range []bool{false, true} {
		w := &panicky{begun: begun, header: http.Header{}}
		req, _ := http.NewRequest(http.MethodGet, "/", nil)
		req.RemoteAddr = "192.0.2.1:1"
		got := func() (v any) {
			defer func() { v = recover() }()
			r.ServeHTTP(w, req)
			return nil
		}()
		if err, _ := got.(error); begun && !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("after the header: panic %v", got)
		}
		if !begun && (got != nil || w.status != http.StatusInternalServerError) {
			t.Errorf("before the header: panic %v, status %d", got, w.status)
		}
	}
	if n := r.State().Faults["panic"]; n != 2 {
		t.Errorf("%d panics are counted", n)
	}
	r.until("no slot is left", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Front.InHand == 0 })
}

// A panicky ResponseWriter breaks once: when its header is first asked for, or
// when the first body is written.
type panicky struct {
	begun, broke bool
	header       http.Header
	status       int
}

func (p *panicky) Header() http.Header {
	if !p.begun && !p.broke {
		p.broke = true
		panic("broken before")
	}
	return p.header
}
func (p *panicky) WriteHeader(status int) { p.status = status }
func (p *panicky) Write(b []byte) (int, error) {
	if p.begun && !p.broke {
		p.broke = true
		panic("broken within")
	}
	return len(b), nil
}
