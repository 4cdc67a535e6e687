package gateway_test

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/gateway"
)

// kept is the path of the requests that keep a gateway refusing.
const kept = "/kept"

// A refuser is a gateway whose only slot is taken, and which refuses all else
// early where it can.
type refuser struct {
	*rig
	served  *atomic.Int64 // requests that the HTTP server has seen
	release func()        // ends the slot's work, and waits for that
}

func refusing(t *testing.T, change func(*gateway.Config), opts ...gateway.Option) *refuser {
	t.Helper()
	url, arrived, held := hanging(t)
	cfg := untold(url)
	cfg.Routes[0].Limit, cfg.Routes[0].WaitFor = fixed(1), -1
	if change != nil {
		change(&cfg)
	}
	others := cfg.Routes[0]
	others.Path = kept
	cfg.Routes = append(cfg.Routes, others)
	g, err := gateway.New(cfg, append([]gateway.Option{gateway.WithLameDuck(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	r := &refuser{served: g.CountServed(kept)}
	r.rig = run(t, g)
	first, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(first)
		r.ask(r.front + kept)
	}()
	wait(t, "the slot is taken", arrived)
	var keeper sync.WaitGroup
	keeper.Go(func() { // a gateway that refuses nothing for a while stops to refuse early
		for {
			select {
			case <-over:
				return
			default:
				r.ask(r.front + kept)
			}
		}
	})
	r.release = sync.OnceFunc(func() {
		close(over)
		keeper.Wait()
		close(held)
		<-first
	})
	t.Cleanup(r.release)
	r.until("it refuses early", func(gateway.State) bool { return r.Refusing() })
	return r
}

// books are what was counted for all routes but one.
func (r *refuser) books() map[string]uint64 {
	all := map[string]uint64{}
	s := r.State()
	for _, rt := range s.Routes {
		if rt.Route == kept {
			continue
		}
		all[rt.Route] = rt.Requests
		for why, n := range rt.Refused {
			all[rt.Route+" "+why] = n
		}
		for class, n := range rt.Answers {
			all[rt.Route+" "+class] = n
		}
	}
	maps.Copy(all, s.Faults)
	return all
}

// count is what one request adds to the books.
func (r *refuser) count(request func()) map[string]uint64 {
	before := r.books()
	request()
	added := map[string]uint64{}
	for k, n := range r.books() {
		if n != before[k] {
			added[k] = n - before[k]
		}
	}
	return added
}

// changing is what differs between two refusals of one kind; telling are the fields
// whose values do, as pressure fades between refusals that are a while apart.
var (
	changing = regexp.MustCompile(`(?m)^(Date|Retry-After): .*$|"id":"[^"]*"|"retry_after_ms":\d+|"retry_after":[\d.]+|"pressure":[\d.]+`)
	telling  = regexp.MustCompile(`(?m)^(Penstock-Pressure|Endpoint-Load-Metrics): .*$`)
)

// textOf sends a request and returns the answer as it is written, but for what
// changes.
func (r *rig) textOf(c net.Conn, in *bufio.Reader, method, request string) string {
	r.Helper()
	send(c, request)
	var text bytes.Buffer
	// The answer's bytes and no others are read: the second reader sees one at a time.
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(iotest.OneByteReader(in), &text)), &http.Request{Method: method})
	if err != nil {
		r.Fatalf("%q: %v", request, err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		r.Fatalf("%q: %v", request, err)
	}
	if in.Buffered() > 0 {
		r.Fatalf("%q: %d bytes behind the answer %q", request, in.Buffered(), text.String())
	}
	return telling.ReplaceAllString(changing.ReplaceAllString(text.String(), ""), "$1")
}

// ordinarily makes a request one that is never refused early, and means nothing.
const ordinarily = "Te: \r\n"

// Whichever way a request is refused, the client gets the same bytes, and the
// same is counted.
func TestRefusalsByBothWays(t *testing.T) {
	for _, trust := range []bool{false, true} {
		r := refusing(t, func(cfg *gateway.Config) {
			if trust {
				cfg.Trust, cfg.Expose = loopback, gateway.ExposeTrusted
			}
			with := func(path string, change func(*gateway.Route)) {
				route := cfg.Routes[0]
				route.Path = path
				change(&route)
				cfg.Routes = append(cfg.Routes, route)
			}
			with("/rated", func(rt *gateway.Route) { rt.Rate = gateway.Rate{PerSecond: 1e6, Burst: 1e6} })
			with("/429", func(rt *gateway.Route) { rt.RefuseWith = gateway.Refuse429 })
			with("/tiers", func(rt *gateway.Route) {
				rt.Rate.Header = "x-key"
				rt.Criticality = gateway.CriticalityRule{Header: "X-Tier", Map: map[string]penstock.Criticality{"gold": penstock.CriticalPlus}}
			})
		})
		c, in := r.dial()
		r.textOf(c, in, "GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // a connection's first is net/http's
		for _, tt := range []struct {
			text  string
			early bool
		}{
			{"GET / HTTP/1.1\r\nHost: a\r\n", true},
			{"DELETE /x?y=z HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\n", true},
			{"OPTIONS /x HTTP/1.1\r\nHost: other.example\r\nConnection: keep-alive\r\n", true},
			{"GET / HTTP/1.1\r\nHost: a\r\nPenstock-Work: c=critical, k=9, a=3\r\nbaggage: x=y\r\n", true},
			{"GET / HTTP/1.1\r\nHost: a\r\npenstock-deadline: 100\r\n", true},
			{"GET / HTTP/1.1\r\nHost: a\r\nPenstock-Deadline: 0\r\n", true},
			{"GET / HTTP/1.1\r\nHost: a\r\nX-ENVOY-expected-rq-timeout-ms: 1000\r\n", true},
			{"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 127.0.0.2\r\n", true},
			{"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 penstock\r\nvia: 1.1 penstock\r\n", true},
			{"GET /tiers HTTP/1.1\r\nHost: a\r\nx-tier: gold\r\nX-Key: k\r\n", true},
			{"GET /429 HTTP/1.1\r\nHost: a\r\n", true},
			{"GET /rated/x HTTP/1.1\r\nHost: a\r\n", false},
			{"GET /x HTTP/1.1\r\nHost: a\r\nVia: " + strings.Repeat("1.1 penstock, ", 9) + "\r\n", false},
			{"GET /%61 HTTP/1.1\r\nHost: a\r\n", false},
			{"HEAD / HTTP/1.1\r\nHost: a\r\n", false},
			{"POST / HTTP/1.1\r\nHost: a\r\n", false},
			{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n", false},
			{"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 5000) + "\r\n", false},
		} {
			method, _, _ := strings.Cut(tt.text, " ")
			var early, late string
			want := r.count(func() { late = r.textOf(c, in, method, tt.text+ordinarily+"\r\n") })
			for tries := 1; ; tries++ {
				before := r.served.Load()
				got := r.count(func() { early = r.textOf(c, in, method, tt.text+"\r\n") })
				if early != late {
					t.Errorf("trust %t, %q:\n%s\nby net/http:\n%s", trust, tt.text, early, late)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("trust %t, %q: counted %v, by net/http %v", trust, tt.text, got, want)
				}
				seen := r.served.Load() > before
				if seen != tt.early || tries == 1000 { // it may have paused to refuse
					if seen == tt.early {
						t.Errorf("trust %t, %q: net/http has seen it: %t", trust, tt.text, seen)
					}
					break
				}
			}
		}
	}
}

// A recording has the same of a request whichever way it was refused.
func TestEarlyRefusalsAreRecorded(t *testing.T) {
	var recording lockedBuffer
	const each = 50
	r := refusing(t, func(cfg *gateway.Config) {
		early := cfg.Routes[0]
		early.Path = "/early"
		cfg.Routes = append(cfg.Routes, early)
	}, gateway.WithRecording(&recording))
	c, in := r.dial()
	for _, path := range []string{"/", "/early"} {
		for range each {
			r.textOf(c, in, "GET", "GET "+path+" HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nPenstock-Deadline: 250\r\n"+
				map[string]string{"/": ordinarily}[path]+"\r\n")
		}
	}
	if n := r.served.Load(); n >= 2*each {
		t.Fatalf("net/http has seen all of %d", n)
	}
	r.release()
	_ = r.Close()
	kinds := map[string]int{}
	for line := range strings.Lines(recording.String()) {
		if !strings.Contains(line, kept) {
			kinds[regexp.MustCompile(`^\{"at_us":\d+,`).ReplaceAllString(line, "")]++
		}
	}
	var rest []string
	for kind, n := range kinds {
		before, after, ok := strings.Cut(kind, `"route":"/"`)
		if !ok {
			continue
		}
		rest = append(rest, after)
		if m := kinds[before+`"route":"/early"`+after]; n != each || m != each {
			t.Errorf("%s: %d times, and %d times early", kind, n, m)
		}
	}
	if len(rest) != 1 || !strings.Contains(rest[0], `"refused":"queue_full"`) {
		t.Errorf("recorded: %v", kinds)
	}
}

// Wherever the bytes of many requests are cut, each is answered once, and as it
// is to be: what comes in pieces, or in company, is for net/http.
func TestEarlyRefusalsInPieces(t *testing.T) {
	r := refusing(t, nil)
	const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	c, in := r.dial()
	r.textOf(c, in, "GET", request)
	want := r.textOf(c, in, "GET", request)
	for cut := 1; cut < 2*len(request); cut++ {
		send(c, (request + request)[:cut])
		if cut >= len(request) { // so that the rest begins a read of its own
			if got := r.textOf(c, in, "GET", ""); got != want {
				t.Fatalf("cut at %d: %q", cut, got)
			}
			send(c, (request + request)[cut:])
		} else {
			send(c, (request + request)[cut:])
			if res, err := http.ReadResponse(in, nil); err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			} else if n, err := io.Copy(io.Discard, res.Body); err != nil || n == 0 || res.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("cut at %d: %d, %v", cut, res.StatusCode, err)
			}
		}
		if got := r.textOf(c, in, "GET", ""); got != want {
			t.Fatalf("cut at %d: then %q", cut, got)
		}
	}
	all := r.books()["/"]
	if want := uint64(2 + 2*(2*len(request)-1)); all != want {
		t.Errorf("%d requests were counted, of %d", all, want)
	}
}

// Half a request behind early refusals is cut off in time, and counted.
func TestHalfARequestBehindEarlyRefusals(t *testing.T) {
	r := refusing(t, nil, gateway.WithTimes(gateway.Times{Header: 50 * time.Millisecond}))
	c, in := r.dial()
	for r.served.Load() == 0 || uint64(r.served.Load()) == r.books()["/"] {
		r.textOf(c, in, "GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	send(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ") // a field without its colon would be a bad request
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("half a request: %v", err)
	}
	r.until("it is counted", func(s gateway.State) bool { return s.Faults["half_request"] == 1 })
}

// A drain loses no answer of those that it finds refused early: each connection
// is told that it closes, and no request is left without an answer.
func TestDrainWhileRefusingEarly(t *testing.T) {
	r := refusing(t, nil, gateway.WithLameDuck(300*time.Millisecond))
	const clients = 8
	var asking sync.WaitGroup
	var answers atomic.Int64
	for range clients {
		c, in := r.dial()
		asking.Go(func() {
			for {
				send(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Errorf("a request has no answer: %v", err)
					return
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("status %d, %v", res.StatusCode, err)
				}
				if answers.Add(1); res.Close {
					return
				}
			}
		})
	}
	r.until("many are refused", func(gateway.State) bool { return answers.Load() > 1000 })
	if n := r.served.Load(); n > answers.Load()/2 {
		t.Errorf("net/http has seen %d of %d", n, answers.Load())
	}
	r.stop()
	asking.Wait()
	r.release()
	r.until("all is counted", func(s gateway.State) bool { return r.books()["/"] == uint64(answers.Load()) })
	if err := wait(t, "the drain", r.rig.served); err != nil {
		t.Error("Serve:", err)
	}
	r.rig.served <- nil // for the test's end
}
