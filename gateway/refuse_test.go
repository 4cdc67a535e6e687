package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

func TestRefuseWith(t *testing.T) {
	release := make(chan struct{})
	url := backend(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	for with, want := range map[gateway.RefuseWith]int{gateway.Refuse503: 503, gateway.Refuse429: 429, gateway.RefuseDrop: 0} {
		cfg := config(url)
		cfg.Routes[0].Limit, cfg.Routes[0].WaitFor, cfg.Routes[0].RefuseWith = fixed(1), -1, with
		r := serve(t, cfg)
		go r.ask(r.front)
		r.until("slot taken", func(s gateway.State) bool { return s.Stats.InFlight == 1 })
		c, in := r.dial()
		_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if want == 0 {
			if err == nil {
				t.Errorf("drop: got status %d", res.StatusCode)
			}
		} else if err != nil || res.StatusCode != want || res.Header.Get("Retry-After") == "" || res.Close {
			t.Errorf("want %d: got %v, %v", want, res, err)
		}
		if n := r.State().Routes[0].Refused["queue_full"]; n != 1 {
			t.Errorf("%d refusals are counted", n)
		}
	}
}

func TestRates(t *testing.T) {
	tests := []struct {
		name   string
		rate   gateway.Rate
		trust  bool
		fields []string
		want   []int
	}{
		{"route", gateway.Rate{PerSecond: 1e-6, Burst: 2}, false, []string{"", "", ""}, []int{200, 200, 429}},
		{
			"header",
			gateway.Rate{PerSecond: 1e-6, Burst: 1, Header: "X-Api-Key"},
			false,
			[]string{"X-Api-Key: a\n", "X-Api-Key: b\n", "X-Api-Key: a\n", "", ""},
			[]int{200, 200, 429, 200, 429},
		},
		{
			"client",
			gateway.Rate{PerSecond: 1e-6, Burst: 1, PerClient: true},
			true,
			[]string{"X-Forwarded-For: 203.0.113.1\n", "X-Forwarded-For: 203.0.113.2\n", "X-Forwarded-For: 203.0.113.1\n", "", ""},
			[]int{200, 200, 429, 200, 429},
		},
		{
			"a stranger's word",
			gateway.Rate{PerSecond: 1e-6, Burst: 1, PerClient: true},
			false,
			[]string{"X-Forwarded-For: 203.0.113.1\n", "X-Forwarded-For: 203.0.113.2\n"},
			[]int{200, 429},
		},
	}
	url := backend(t, echoHeader)
	for _, tt := range tests {
		cfg := config(url)
		cfg.Routes[0].Rate = tt.rate
		if tt.trust {
			cfg.Trust = loopback
		}
		r := serve(t, cfg)
		for i, fields := range tt.fields {
			c, in := r.dial()
			_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", strings.ReplaceAll(fields, "\n", "\r\n"))
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != tt.want[i] {
				t.Errorf("%s, request %d: %v, %v, want %d", tt.name, i, res, err, tt.want[i])
				continue
			}
			if body, _ := io.ReadAll(res.Body); tt.want[i] == 429 {
				r.wantProblem(res, string(body), 429, "rate")
			}
		}
	}
}

// Observe mode refuses nothing, and counts what it would have.
func TestObserve(t *testing.T) {
	release := make(chan struct{})
	cfg := config(backend(t, func(http.ResponseWriter, *http.Request) { <-release }))
	cfg.Observe = true
	cfg.Routes[0].Limit, cfg.Routes[0].WaitFor = fixed(1), -1
	cfg.Routes[0].Rate = gateway.Rate{PerSecond: 1e-6, Burst: 1}
	r := serve(t, cfg)
	status := make(chan int, 3)
	for range 3 {
		go func() {
			res, err := r.client.Get(r.front)
			if err != nil {
				status <- 0
				return
			}
			_ = res.Body.Close()
			status <- res.StatusCode
		}()
	}
	r.until("all at once", func(s gateway.State) bool { return s.Stats.InFlight == 3 })
	close(release)
	for range 3 {
		if got := wait(t, "an answer", status); got != http.StatusOK {
			t.Errorf("status %d", got)
		}
	}
	s := r.State()
	if s.Stats.WouldRefuse.Total() != 2 || s.Routes[0].WouldRefuse["rate"] != 2 || s.Stats.Refused.Total() != 0 {
		t.Errorf("would refuse %d and %v, refused %d", s.Stats.WouldRefuse.Total(), s.Routes[0].WouldRefuse, s.Stats.Refused.Total())
	}
}
