package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

// scripted is a backend whose answers are these bytes, whatever it is asked. It
// keeps its connections open.
func scripted(t *testing.T, answer string) string {
	return rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			send(c, answer)
		}
	})
}

// answer sends one request and returns the answer's header as it is written, and
// its body.
func (r *rig) answer(c net.Conn, in *bufio.Reader, method, fields string) (head []string, res *http.Response, body string) {
	r.Helper()
	send(c, method+" / HTTP/1.1\r\nHost: shop.example\r\n"+fields+"\r\n")
	var text strings.Builder
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			r.Fatalf("after %q: %v", text.String(), err)
		}
		head = append(head, strings.TrimSuffix(line, "\r\n"))
		text.WriteString(line)
	}
	whole := bufio.NewReader(io.MultiReader(strings.NewReader(text.String()), in))
	res, err := http.ReadResponse(whole, &http.Request{Method: method})
	if err != nil {
		r.Fatalf("%q: %v", text.String(), err)
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatalf("%q: %v", text.String(), err)
	}
	if whole.Buffered() > 0 {
		r.Fatalf("%d bytes behind the answer %q", whole.Buffered(), text.String())
	}
	return head, res, string(got)
}

// untold is config where nobody is told the pressure, which changes.
func untold(backend string) gateway.Config {
	cfg := config(backend)
	cfg.Expose = gateway.ExposeNone
	return cfg
}

// byProxy makes a request one that only the proxy can forward, and means nothing.
const byProxy = "Connection: keep-alive, x-none\r\n"

// A plain answer is passed on line by line as the backend wrote it, but for what
// was meant for the gateway.
func TestAPlainAnswerIsPassedOn(t *testing.T) {
	r := serve(t, untold(scripted(t, plainAnswer+"hello, world")))
	c, in := r.dial()
	for range 3 {
		head, _, body := r.answer(c, in, http.MethodGet, "")
		want := []string{"HTTP/1.1 200 OK", "Server: me", "Date: yesterday", "Set-Cookie: a=1", "Content-Length: 12", "Set-Cookie: b=2", "X-Empty: ", ""}
		if !slices.Equal(head, want) || body != "hello, world" {
			t.Errorf("%q, %q", head, body)
		}
	}
}

// Whichever way an answer takes, the client gets the same of it.
func TestAnswersByBothWays(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20000)
	for name, tt := range map[string]struct{ method, answer string }{
		"length":         {"GET", "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 5\r\n\r\nhello"},
		"long":           {"GET", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: %d\r\n\r\n%s", len(long), long)},
		"empty":          {"GET", "HTTP/1.1 404 Nope\r\nContent-Length: 0\r\n\r\n"},
		"odd status":     {"GET", "HTTP/1.1 299 Fine\r\nContent-Length: 2\r\n\r\nok"},
		"untyped":        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"},
		"cookies":        {"GET", "HTTP/1.1 200 OK\r\nset-cookie: b=1\r\nSet-Cookie: a=2\r\nSET-COOKIE: c=3\r\nContent-Length: 2\r\n\r\nok"},
		"head":           {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nEtag: \"x\"\r\n\r\n"},
		"no content":     {"GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"},
		"not modified":   {"GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n"},
		"chunks":         {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		"trailer":        {"GET", "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"},
		"many fields":    {"GET", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 300) + "Content-Length: 2\r\n\r\nok"},
		"a large header": {"GET", "HTTP/1.1 200 OK\r\nX-Large: " + strings.Repeat("x", 30<<10) + "\r\nContent-Length: 2\r\n\r\nok"},
		"for this hop":   {"GET", "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok"},
		"posted":         {"POST", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	} {
		r := serve(t, untold(scripted(t, tt.answer)))
		c, in := r.dial()
		_, direct, body := r.answer(c, in, tt.method, "")
		_, proxied, want := r.answer(c, in, tt.method, byProxy)
		if direct.StatusCode != proxied.StatusCode || body != want || !maps.EqualFunc(direct.Trailer, proxied.Trailer, slices.Equal) {
			t.Errorf("%s: %d and %d bytes, trailer %v; by the proxy %d and %d, %v",
				name, direct.StatusCode, len(body), direct.Trailer, proxied.StatusCode, len(want), proxied.Trailer)
		}
		direct.Header.Del("Date") // a second may have passed
		proxied.Header.Del("Date")
		if !maps.EqualFunc(direct.Header, proxied.Header, slices.Equal) {
			t.Errorf("%s: %v; by the proxy %v", name, direct.Header, proxied.Header)
		}
	}
}

// Whichever way a request takes, the backend gets the same.
func TestRequestsByBothWays(t *testing.T) {
	seen := make(chan *http.Request, 1)
	url := rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			req.Header["Body"] = []string{string(body), fmt.Sprint(req.ContentLength, req.TransferEncoding, req.Host, req.Proto)}
			seen <- req
			send(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	for _, trust := range []bool{false, true} {
		cfg := config(url)
		if trust {
			cfg.Trust = loopback
		}
		r := serve(t, cfg)
		c, in := r.dial()
		for _, text := range []string{
			"GET / HTTP/1.1\r\nHost: a\r\n",
			"GET /a%2Fb/%zz HTTP/1.1\r\nHost: a\r\n",
			"GET /a b HTTP/1.1\r\nHost: a\r\n",
			"GET /a%2Fb/c[1]\"x\"?x=1;y&&z=%zz#f HTTP/1.1\r\nHost: a:80\r\n",
			"GET //double/../x? HTTP/1.1\r\nHost: a\r\n",
			"GET http://b/x?y HTTP/1.1\r\nHost: a\r\n",
			"GET http://b?y HTTP/1.1\r\nHost: a\r\n",
			"GET /\xc3\xbc?\xc3\xbc HTTP/1.1\r\nHost: a\r\n",
			"GET / HTTP/1.1\r\nHost: [::1]:80\r\n",
			"GET / HTTP/1.1\r\nHost: [fe80::1%25en0]:80\r\n",
			"GET / HTTP/1.1\r\nHost: \r\n",
			"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
			"HEAD /h HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nAccept:\r\n",
			"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
			"PATCH / HTTP/1.1\r\nHost: a\r\n",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nx-y: 1\r\nX-Y:   2\t\r\nX-y: \xff\r\nCookie: a=1; b=2\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nTe: trailers, deflate\r\nExpect: nothing\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Authenticate: y\r\nProxy-Connection: z\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred\r\nVia: 1.1 p\r\nForwarded: for=x\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 127.0.0.2\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: wss\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nPenstock-Work: c=critical, k=9, a=3\r\nPenstock-Anything: 1\r\nEndpoint-Load-Metrics-X: 1\r\nX-Envoy-Expected-Rq-Timeout-Ms: x\r\n",
		} {
			head, body, _ := strings.Cut(text, "\r\n\r\n")
			if body == "" {
				head = strings.TrimSuffix(head, "\r\n")
			}
			var got [2]*http.Request
			var status [2]int
			for i, more := range []string{"", byProxy} {
				send(c, head+"\r\n"+more+"\r\n"+body)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				if status[i] = res.StatusCode; res.StatusCode == http.StatusOK && len(seen) > 0 {
					got[i] = <-seen
					got[i].Header.Del("Penstock-Work") // a cohort may be drawn
				}
				if res.Close {
					c, in = r.dial()
				}
			}
			if status[0] != status[1] {
				t.Errorf("%q: status %d; by the proxy %d", text, status[0], status[1])
			}
			if got[0] == nil || got[1] == nil {
				if got[0] != got[1] {
					t.Errorf("%q: only one came to the backend: %v, %v", text, got[0], got[1])
				}
				continue
			}
			if got[0].Method != got[1].Method || got[0].RequestURI != got[1].RequestURI {
				t.Errorf("%q: %s %s; by the proxy %s %s", text, got[0].Method, got[0].RequestURI, got[1].Method, got[1].RequestURI)
			}
			if !maps.EqualFunc(got[0].Header, got[1].Header, slices.Equal) {
				t.Errorf("%q:\n%v; by the proxy\n%v", text, got[0].Header, got[1].Header)
			}
		}
	}
}

// What a backend says behind an answer is nobody's, and its connection is done.
func TestGarbageBehindAnAnswer(t *testing.T) {
	connections := make(chan net.Conn, 10)
	r := serve(t, config(rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		connections <- c
		for {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			send(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")
		}
	})))
	c, in := r.dial()
	for range 3 {
		if _, _, body := r.answer(c, in, http.MethodGet, ""); body != "ok" {
			t.Errorf("%q", body)
		}
	}
	if n := len(connections); n != 3 {
		t.Errorf("%d connections for 3 answers", n)
	}
}

// An answer that comes byte by byte is the same answer, whole or broken off.
func TestAnswersByTheByte(t *testing.T) {
	text := plainAnswer + "hello, world"
	turn := make(chan int, 1)
	r := serve(t, config(rawBackend(t, func(c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		for i := range <-turn {
			send(c, text[i:i+1])
		}
	})), gateway.WithTimes(gateway.Times{PenaltyMin: 1, PenaltyMax: 1}))
	for n := 1; n <= len(text); n += 5 {
		turn <- n
		res, err := r.client.Get(r.front)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch {
		case n < len(plainAnswer):
			if res.StatusCode != http.StatusBadGateway {
				t.Fatalf("%d bytes: status %d", n, res.StatusCode)
			}
		case res.StatusCode != http.StatusOK || (err == nil) != (n == len(text)):
			t.Fatalf("%d bytes: status %d, %q, %v", n, res.StatusCode, body, err)
		}
	}
	turn <- len(text)
	if res, body := r.get("/"); res.StatusCode != http.StatusOK || body != "hello, world" {
		t.Errorf("status %d, %q", res.StatusCode, body)
	}
	r.until("no slot is left", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
}

// Requests in one packet are answered in order, directly or not.
func TestPipelinedRequests(t *testing.T) {
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(r.URL.Path)))
		_, _ = io.WriteString(w, r.URL.Path)
	})))
	c, in := r.dial()
	var all strings.Builder
	for i := range 50 {
		fields := [...]string{"", byProxy, "Content-Length: 3\r\n"}[i%3]
		body := [...]string{"", "", "abc"}[i%3]
		fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a\r\n%s\r\n%s", i, fields, body)
	}
	send(c, all.String())
	for i := range 50 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(i, err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != fmt.Sprintf("/%d", i) {
			t.Fatalf("%d: %q, %v", i, body, err)
		}
	}
}

// A client that leaves is noticed wherever its request is: in the room, at a
// backend that is told, and whichever way the request takes.
func TestLeavingIsNoticed(t *testing.T) {
	for _, fields := range []string{"", byProxy} {
		arrived, told := make(chan struct{}, 1), make(chan struct{}, 1)
		cfg := config(backend(t, func(_ http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			<-r.Context().Done()
			told <- struct{}{}
		}))
		cfg.Routes[0].Limit, cfg.Routes[0].Abandoned = fixed(1), gateway.Cancel
		r := serve(t, cfg)
		first, _ := r.dial()
		send(first, "GET / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n")
		wait(t, "the first", arrived)
		second, _ := r.dial()
		send(second, "GET / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n")
		r.until("the second waits", func(s gateway.State) bool { return s.Stats.Waiting == 1 })
		_ = second.Close()
		r.until("the room is empty", func(s gateway.State) bool { return s.Stats.Waiting == 0 && s.Stats.Left == 1 })
		_ = first.Close()
		wait(t, "the backend is told", told)
		r.until("nothing is left", func(s gateway.State) bool {
			return s.Stats.InFlight == 0 && s.Front.Connections == 0 && s.Faults["client_left"] == 2
		})
	}
}
