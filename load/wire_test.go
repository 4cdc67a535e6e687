package load_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/load"
)

// once offers one request.
func once(cfg load.Config) load.Config {
	cfg.Profile, cfg.Even, cfg.For = profile("1/s"), true, time.Second
	return cfg
}

func TestRequestAsTheServerSeesIt(t *testing.T) {
	small, large := []byte("hello"), bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB
	for name, c := range map[string]struct {
		cfg                   load.Config
		method, target, host  string
		length                int64
		header                http.Header
		userAgent, workHeader string
	}{
		"plain": {
			cfg: load.Config{URL: "http://memory"}, method: "GET", target: "/", host: "memory", userAgent: "penstock-load",
		},
		"path, query, port": {
			cfg:    load.Config{URL: "http://memory:8080/a%20b?c=d&e"},
			method: "GET", target: "/a%20b?c=d&e", host: "memory:8080", userAgent: "penstock-load",
		},
		"header": {
			cfg: load.Config{URL: "http://memory/", Method: "DELETE", Header: http.Header{
				"X-One": {"1", "one"}, "Host": {"elsewhere"}, "User-Agent": {"me"}, "Penstock-Work": {"c=critical"},
			}},
			method: "DELETE", target: "/", host: "elsewhere", userAgent: "me",
			header: http.Header{"X-One": {"1", "one"}, "Penstock-Work": {"c=critical"}},
		},
		"body": {
			cfg:    load.Config{URL: "http://memory/", Body: small},
			method: "POST", target: "/", host: "memory", length: 5, userAgent: "penstock-load",
		},
		"large body": {
			cfg:    load.Config{URL: "http://memory/", Method: "PUT", Body: large},
			method: "PUT", target: "/", host: "memory", length: 1 << 20, userAgent: "penstock-load",
		},
		"empty post": {
			cfg:    load.Config{URL: "http://memory/", Method: "POST"},
			method: "POST", target: "/", host: "memory", userAgent: "penstock-load",
		},
		"head": {
			cfg:    load.Config{URL: "http://memory/", Method: "HEAD"},
			method: "HEAD", target: "/", host: "memory", userAgent: "penstock-load",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var body []byte
				var req *http.Request
				r := run(t.Context(), t, once(c.cfg), func(w http.ResponseWriter, r *http.Request) {
					body, _ = io.ReadAll(r.Body)
					req = r
					_, _ = io.WriteString(w, "thanks")
				})
				if r.Good != 1 {
					t.Fatalf("%+v", r)
				}
				if req.Method != c.method || req.RequestURI != c.target || req.Host != c.host ||
					req.ContentLength != c.length || req.UserAgent() != c.userAgent {
					t.Errorf("the server saw %+v", req)
				}
				if !bytes.Equal(body, c.cfg.Body) {
					t.Errorf("the server read %d bytes of body, want %d", len(body), len(c.cfg.Body))
				}
				for k, want := range c.header {
					if got := req.Header[k]; strings.Join(got, "|") != strings.Join(want, "|") {
						t.Errorf("%s: %q, want %q", k, got, want)
					}
				}
			})
		})
	}
}

// TestSendDeadline: the server is told what is left when the request is sent,
// not when it should have been.
func TestSendDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		run(t.Context(), t, load.Config{
			Profile: profile("steps:10/s@300ms"), Even: true, For: time.Second, Connections: 1,
			Deadline: 900 * ms, SendDeadline: true,
		}, func(_ http.ResponseWriter, r *http.Request) {
			told = append(told, r.Header.Get("Penstock-Deadline"))
			time.Sleep(250 * ms)
		})
		// Due at 0, 100, 200; sent at 0, 250, 500.
		if got := strings.Join(told, " "); got != "900 750 600" {
			t.Errorf("the server was told %q, want 900 750 600", got)
		}
	})
}

// TestEarlyRefusalOfALargeBody: a server that refuses before it has read the
// body is heard, and the refusal is not an error.
func TestEarlyRefusalOfALargeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		r := run(t.Context(), t, load.Config{
			Profile: profile("10/s"), Even: true, For: time.Second, Body: make([]byte, 1<<20), Deadline: 5 * time.Second,
		}, func(w http.ResponseWriter, req *http.Request) {
			if n.Add(1)%2 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if m, err := io.Copy(io.Discard, req.Body); m != 1<<20 || err != nil {
				t.Errorf("read %d bytes: %v", m, err)
			}
		})
		if r.Good != 5 || r.Refused != 5 {
			t.Errorf("good %d, refused %d of %d, want 5, 5; errors %v", r.Good, r.Refused, r.Offered, r.ErrorsByKind)
		}
	})
}

func TestAnswersThatAreNotHTTP(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for name, c := range map[string]struct {
		answer string
		hangUp bool
		kind   string // "" is good
	}{
		"fine":                     {ok, false, ""},
		"nothing":                  {"", true, "reset"},
		"half a status line":       {"HTTP/1.1 2", true, "reset"},
		"half a header":            {"HTTP/1.1 200 OK\r\nContent-", true, "reset"},
		"half a body":              {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true, "reset"},
		"half a chunk":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhello", true, "reset"},
		"not HTTP":                 {"220 smtp.example.org ESMTP\r\n", false, "protocol"},
		"HTTP/2":                   {"HTTP/2.0 200 OK\r\n\r\n", false, "protocol"},
		"no status":                {"HTTP/1.1 OK\r\n\r\n", false, "protocol"},
		"field without a name":     {"HTTP/1.1 200 OK\r\n: x\r\n\r\n", false, "protocol"},
		"field without a colon":    {"HTTP/1.1 200 OK\r\nhello\r\n\r\n", false, "protocol"},
		"two lengths":              {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", false, "protocol"},
		"negative length":          {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", false, "protocol"},
		"no chunk size":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n", false, "protocol"},
		"a coding in HTTP/1.0":     {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "protocol"},
		"upgrade":                  {"HTTP/1.1 101 Switching Protocols\r\n\r\n", false, "protocol"},
		"one field of 1 MiB":       {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", false, "protocol"},
		"fields of 1 MiB":          {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1019)+"\r\n", 1024) + "\r\n", false, "protocol"},
		"status line of 1 MiB":     {"HTTP/1.1 200 " + strings.Repeat("x", 1<<20) + "\r\n\r\n", false, "protocol"},
		"endless interim answers":  {strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20_000), false, "protocol"},
		"trailers of 1 MiB":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: 0123456789\r\n", 70_000) + "\r\n", false, "protocol"},
		"a field of 100 KiB is ok": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\nContent-Length: 0\r\n\r\n", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runRaw(t, load.Config{Profile: profile("3/s"), Even: true, For: time.Second, Deadline: time.Second}, c.answer, c.hangUp)
				want := map[string]uint64{}
				if c.kind != "" {
					want[c.kind] = 3
				}
				checkMap(t, "errors", r.ErrorsByKind, want)
				if r.Good+r.Errors != 3 {
					t.Errorf("good %d, errors %d, late %d of %d", r.Good, r.Errors, r.Late, r.Offered)
				}
			})
		})
	}
}

// TestDripIsBoundedByTheDeadline: a server that sends a byte now and then holds
// a client for no longer than its patience.
func TestDripIsBoundedByTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t.Context(), t, load.Config{Profile: profile("5/s"), Even: true, For: time.Second, Deadline: 300 * ms},
			func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(1000))
				for req.Context().Err() == nil {
					if _, err := w.Write([]byte("x")); err != nil {
						return
					}
					_ = http.NewResponseController(w).Flush()
					time.Sleep(10 * ms)
				}
			})
		if r.Late != 5 {
			t.Errorf("%d late, want 5: %+v", r.Late, r)
		}
	})
}
