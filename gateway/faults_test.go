package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/gateway"
)

// closedAddress is where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return "http://" + l.Addr().String()
}

func TestSickBackends(t *testing.T) {
	answer := func(text string) string {
		return rawBackend(t, func(c net.Conn, in *bufio.Reader) {
			if _, err := http.ReadRequest(in); err == nil {
				_, _ = io.WriteString(c, text)
			}
		})
	}
	tests := []struct {
		name, url, reason string
		safe              bool
	}{
		{"down", closedAddress(t), "dial", true},
		{"closes", answer(""), "reset", false},
		{"garbage", answer("I am not HTTP at all\r\n\r\n"), "bad_answer", false},
		{"bad length", answer("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "bad_answer", false},
		{"two lengths", answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), "bad_answer", false},
		{"half a header", answer("HTTP/1.1 200 OK\r\nX-Whole: 1\r\n"), "reset", false},
		{"half a field", answer("HTTP/1.1 200 OK\r\nX-Half"), "bad_answer", false},
		{"a huge header", answer("HTTP/1.1 200 OK\r\nX-Huge: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), "bad_answer", false},
		{"endless hints", answer(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n", 1<<15)), "bad_answer", false},
		{"uninvited upgrade", answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), "bad_upgrade", false},
	}
	for _, tt := range tests {
		r := serve(t, config(tt.url), gateway.WithTimes(gateway.Times{PenaltyMin: time.Millisecond, PenaltyMax: time.Millisecond}))
		res, body := r.get("/")
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(body, `"reason":"`+tt.reason+`"`) {
			t.Errorf("%s: status %d, %s", tt.name, res.StatusCode, body)
			continue
		}
		if p := r.wantProblem(res, body, http.StatusBadGateway, tt.reason); p.RetrySafe != tt.safe {
			t.Errorf("%s: retry_safe is %t", tt.name, p.RetrySafe)
		}
		r.until(tt.name+": the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
		s := r.State()
		if s.Faults[tt.reason] != 1 {
			t.Errorf("%s: faults are %v", tt.name, s.Faults)
		}
		if s.Stats.Good != 0 && tt.reason != "bad_upgrade" {
			t.Errorf("%s: counted as good", tt.name)
		}
	}
}

// A backend that refuses connections at once must not draw the load to itself.
func TestADeadBackendDoesNotAttract(t *testing.T) {
	cfg := config(backend(t, func(http.ResponseWriter, *http.Request) {}), closedAddress(t))
	cfg.Routes[0].Limit = fixed(4)
	r := serve(t, cfg, gateway.WithTimes(gateway.Times{PenaltyMin: time.Hour, PenaltyMax: time.Hour}))
	bad := 0
	for range 200 {
		res, body := r.get("/")
		switch res.StatusCode {
		case http.StatusOK:
		case http.StatusBadGateway:
			r.wantProblem(res, body, http.StatusBadGateway, "dial")
			bad++
		default:
			t.Fatalf("status %d, %s", res.StatusCode, body)
		}
	}
	// Each failure keeps its slot for the penalty, so the dead gate's four slots
	// bound how many can fail.
	if bad > 4 {
		t.Errorf("%d requests went to the dead backend", bad)
	}
}

func TestTruncatedAnswersDoNotLookWhole(t *testing.T) {
	for _, head := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
		body := "3e8\r\npart of it"
		if strings.HasPrefix(head, "Content") {
			body = "part of it"
		}
		r := serve(t, config(rawBackend(t, func(c net.Conn, in *bufio.Reader) {
			if _, err := http.ReadRequest(in); err == nil {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\n\r\n%s", head, body)
			}
		})))
		res, err := r.client.Get(r.front)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the client got a clean end", head)
		}
		r.until("counted, and the slot is free", func(s gateway.State) bool {
			return s.Faults["truncated"] == 1 && s.Stats.InFlight == 0
		})
	}
}

// hanging is a backend whose answers wait for release.
func hanging(t *testing.T) (url string, arrived chan struct{}, release chan struct{}) {
	arrived, release = make(chan struct{}, 1000), make(chan struct{})
	url = backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "late")
	})
	return url, arrived, release
}

func TestADeadlineLeavesAZombie(t *testing.T) {
	url, arrived, release := hanging(t)
	cfg := config(url)
	cfg.Routes[0].Deadline = 50 * time.Millisecond
	r := serve(t, cfg)
	req, _ := http.NewRequest(http.MethodPost, r.front, strings.NewReader("a body that outlives its client"))
	res, body := r.do(req)
	r.wantProblem(res, body, http.StatusGatewayTimeout, "deadline")
	wait(t, "the backend", arrived)
	r.until("a zombie", func(s gateway.State) bool { return s.Stats.Zombies == 1 && s.Stats.InFlight == 1 })
	close(release)
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.Zombies == 0 && s.Stats.InFlight == 0 })
	if s := r.State(); s.Stats.Wasted != 1 || s.Stats.Good != 0 {
		t.Errorf("good %d, wasted %d", s.Stats.Good, s.Stats.Wasted)
	}
}

func TestAClientThatLeavesLeavesAZombie(t *testing.T) {
	url, arrived, release := hanging(t)
	r := serve(t, config(url))
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.front, nil)
		_, err := r.client.Do(req)
		left <- err
	}()
	wait(t, "the backend", arrived)
	cancel()
	if wait(t, "the client", left) == nil {
		t.Fatal("the client got an answer")
	}
	r.until("a zombie", func(s gateway.State) bool { return s.Stats.Zombies == 1 && s.Faults["client_left"] == 1 })
	if n := r.State().Front.InHand; n != 0 {
		t.Errorf("%d requests are still in hand", n)
	}
	close(release)
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Stats.Wasted == 1 })
}

func TestAbandonedCancel(t *testing.T) {
	told := make(chan struct{})
	cfg := config(backend(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(told)
	}))
	cfg.Routes[0].Abandoned = gateway.Cancel
	cfg.Routes[0].Deadline = 20 * time.Millisecond
	r := serve(t, cfg)
	res, body := r.get("/")
	r.wantProblem(res, body, http.StatusGatewayTimeout, "deadline")
	wait(t, "the backend is told", told)
	if s := r.State(); s.Stats.Zombies != 0 || s.Stats.InFlight != 0 || s.Stats.Dropped != 1 {
		t.Errorf("zombies %d, in flight %d, dropped %d", s.Stats.Zombies, s.Stats.InFlight, s.Stats.Dropped)
	}
}

// A zombie whose backend never answers is given up.
func TestZombiesDie(t *testing.T) {
	told := make(chan struct{})
	cfg := config(backend(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(told)
	}))
	cfg.Routes[0].Deadline = 10 * time.Millisecond
	r := serve(t, cfg, gateway.WithTimes(gateway.Times{Zombie: 30 * time.Millisecond}))
	res, body := r.get("/")
	r.wantProblem(res, body, http.StatusGatewayTimeout, "deadline")
	wait(t, "the backend is told", told)
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Stats.Zombies == 0 })
}

func TestABackendThatNeverAnswersTimesOut(t *testing.T) {
	url, _, release := hanging(t)
	r := serve(t, config(url), gateway.WithTimes(gateway.Times{Answer: 30 * time.Millisecond}))
	t.Cleanup(func() { close(release) })
	res, body := r.get("/")
	r.wantProblem(res, body, http.StatusGatewayTimeout, "answer_timeout")
	r.until("counted as lost to load", func(s gateway.State) bool { return s.Stats.Dropped == 1 })
}

// The client leaves in the middle of an answer that goes on for ever.
func TestAClientThatLeavesADownload(t *testing.T) {
	told := make(chan struct{})
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				break
			}
		}
		close(told)
	})))
	c, in := r.dial()
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	wait(t, "the backend is told", told)
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 && s.Faults["client_left"] == 1 })
}

// The client leaves while the backend has sent its header and nothing more.
func TestAClientThatLeavesASilentAnswer(t *testing.T) {
	told := make(chan struct{})
	r := serve(t, config(backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(told)
	})))
	c, in := r.dial()
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r.until("the answer has begun", func(s gateway.State) bool { return s.Routes[0].Answers["2xx"] == 1 })
	_ = in
	_ = c.Close()
	wait(t, "the backend is told", told)
	r.until("the slot is free", func(s gateway.State) bool { return s.Stats.InFlight == 0 })
}

func TestBackendOverloadIsPassedOnAndCounts(t *testing.T) {
	for _, status := range []int{429, 503, 504} {
		r := serve(t, config(backend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		})))
		res, _ := r.get("/")
		if res.StatusCode != status || res.Header.Get("Retry-After") != "7" {
			t.Errorf("status %d, header %v", res.StatusCode, res.Header)
		}
		if s := r.State(); s.Stats.Dropped != 1 || s.Stats.Refused.Total() != 0 {
			t.Errorf("%d: dropped %d, refused %d", status, s.Stats.Dropped, s.Stats.Refused.Total())
		}
	}
}
