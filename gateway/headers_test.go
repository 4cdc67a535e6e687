package gateway_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/gateway"
	"github.com/penstock-go/penstock/pressure"
)

// echoHeader answers with the request's header as JSON, and with signals of its
// own.
func echoHeader(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Penstock-Pressure", "level=0.999")
	w.Header().Set("Penstock-Else", "x")
	w.Header().Set("Endpoint-Load-Metrics", "TEXT application_utilization=0.999")
	w.Header().Set("Connection", "X-Mine")
	w.Header().Set("X-Mine", "for the gateway alone")
	w.Header().Set("Keep-Alive", "timeout=1")
	_ = json.NewEncoder(w).Encode(r.Header)
}

func (r *rig) echo(fields string) (*http.Response, http.Header) {
	r.Helper()
	c, in := r.dial()
	_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n%s\r\n", strings.ReplaceAll(fields, "\n", "\r\n"))
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		r.Fatal(err)
	}
	defer shut(res.Body)
	var h http.Header
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		r.Fatal(err)
	}
	return res, h
}

const manyFields = `Connection: X-Secret, keep-alive
X-Secret: for the gateway alone
Keep-Alive: timeout=5
Proxy-Authorization: Basic eDp5
Te: trailers, deflate
Via: 1.0 fred
X-Forwarded-For: 203.0.113.9, 127.0.0.3
X-Forwarded-Proto: https
X-Forwarded-Host: outside.example
Forwarded: for=203.0.113.9
Penstock-Work: c=critical_plus, k=5, a=3
Penstock-Deadline: 60000
Penstock-Anything: 1
X-Plain: stays
`

func TestHeaders(t *testing.T) {
	tests := []struct {
		name  string
		trust bool
		want  map[string]string // "" is absent
	}{
		{"stranger", false, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example",
			"Penstock-Work": "c=sheddable_plus, k=?, a=3",
		}},
		{"trusted", true, map[string]string{
			"X-Forwarded-For": "203.0.113.9, 127.0.0.3, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "outside.example",
			"Penstock-Work": "c=critical_plus, k=5, a=3",
		}},
	}
	for _, tt := range tests {
		cfg := config(backend(t, echoHeader))
		if tt.trust {
			cfg.Trust = loopback
		}
		r := serve(t, cfg)
		res, h := r.echo(manyFields)
		for name, want := range map[string]string{
			"X-Secret": "", "Keep-Alive": "", "Proxy-Authorization": "", "Connection": "", "Forwarded": "", "Penstock-Anything": "",
			"Te": "trailers", "X-Plain": "stays", "User-Agent": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: the backend got %s: %q, want %q", tt.name, name, got, want)
			}
		}
		if got := strings.Join(h["Via"], ", "); got != "1.0 fred, 1.1 penstock" {
			t.Errorf("%s: Via is %q", tt.name, got)
		}
		for name, want := range tt.want {
			got := h.Get(name)
			if strings.Contains(want, "?") { // a cohort that was drawn
				w, ok := pressure.ParseWork(got)
				if !ok || w.Criticality != penstock.SheddablePlus || w.Attempt != 3 || !w.Cohort.Specified() {
					t.Errorf("%s: the backend got %s: %q, want %s", tt.name, name, got, want)
				}
				continue
			}
			if got != want {
				t.Errorf("%s: the backend got %s: %q, want %q", tt.name, name, got, want)
			}
		}
		if left, ok := pressure.ParseDeadline(h.Get("Penstock-Deadline")); !ok || left <= 0 || left.Seconds() > 60 {
			t.Errorf("%s: Penstock-Deadline is %q", tt.name, h.Get("Penstock-Deadline"))
		}
		for _, name := range []string{"X-Mine", "Keep-Alive", "Penstock-Else"} {
			if got := res.Header.Get(name); got != "" {
				t.Errorf("%s: the client got %s: %q", tt.name, name, got)
			}
		}
	}
}

func TestTheSignalIsOurOwn(t *testing.T) {
	tests := []struct {
		expose gateway.Expose
		trust  []netip.Prefix
		told   bool
	}{
		{gateway.ExposeAll, nil, true},
		{gateway.ExposeTrusted, nil, false},
		{gateway.ExposeTrusted, loopback, true},
		{gateway.ExposeNone, loopback, false},
	}
	for _, tt := range tests {
		cfg := config(backend(t, echoHeader))
		cfg.Expose, cfg.Trust = tt.expose, tt.trust
		r := serve(t, cfg)
		res, _ := r.echo("")
		signal, orca := res.Header["Penstock-Pressure"], res.Header["Endpoint-Load-Metrics"]
		if !tt.told {
			if signal != nil || orca != nil {
				t.Errorf("expose %d, trust %v: told %q, %q", tt.expose, tt.trust, signal, orca)
			}
			continue
		}
		if len(signal) != 1 || len(orca) != 1 {
			t.Fatalf("expose %d, trust %v: told %q, %q", tt.expose, tt.trust, signal, orca)
		}
		if s, ok := pressure.Parse(signal[0]); !ok || s.Level > 0.9 {
			t.Errorf("Penstock-Pressure: %q", signal[0])
		}
		if l, ok := pressure.ParseLoad(orca[0]); !ok || l.Level > 0.9 {
			t.Errorf("endpoint-load-metrics: %q", orca[0])
		}
	}
}

// What strangers write into our fields is ignored, whatever it is.
func TestMalformedSignalsAreIgnored(t *testing.T) {
	cfg := config(backend(t, echoHeader))
	cfg.Trust = loopback // even then
	r := serve(t, cfg)
	for _, fields := range []string{
		"Penstock-Work: c=\n", "Penstock-Work: ,,,\n", "Penstock-Work: c=emperor, k=-1\n", "Penstock-Work: c=\"critical\"\n",
		"Penstock-Work: " + strings.Repeat("a=1,", 500) + "\n",
		"Penstock-Work: k=99999999999999999999\n",
		"Penstock-Deadline: soon\n", "Penstock-Deadline: 1e9\n", "Penstock-Deadline: 1000\nPenstock-Deadline: 2000\n",
		"Penstock-Deadline: 99999999999999999999999\n", "X-Envoy-Expected-Rq-Timeout-Ms: -5\n",
		"Baggage: penstock.c=%ff;;;,,,=\n", "Baggage: " + strings.Repeat("x=y,", 5000) + "\n",
		"Priority: u=99, i=perhaps\n", "Priority: u=0\n",
		"X-Forwarded-For: nobody, 1.2.3, ::::\n", "Penstock-Pressure: level=nan\n",
	} {
		res, h := r.echo(fields)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%.40q: status %d", fields, res.StatusCode)
		}
		w, ok := pressure.ParseWork(h.Get("Penstock-Work"))
		if !ok || w.Criticality != penstock.SheddablePlus || w.Attempt > 1 {
			t.Errorf("%.40q: became %q", fields, h.Get("Penstock-Work"))
		}
		if h.Get("Penstock-Pressure") != "" {
			t.Errorf("%.40q: the backend got Penstock-Pressure", fields)
		}
	}
}

func TestCriticalityRule(t *testing.T) {
	rule := gateway.CriticalityRule{
		Default: penstock.Sheddable, Header: "X-Tier",
		Map: map[string]penstock.Criticality{"gold": penstock.Critical},
	}
	tests := []struct {
		trust  bool
		fields string
		want   penstock.Criticality
	}{
		{false, "", penstock.Sheddable},
		{false, "X-Tier: gold\n", penstock.Critical},
		{false, "X-Tier: tin\n", penstock.Sheddable},
		{false, "Penstock-Work: c=critical_plus\n", penstock.Sheddable},
		{true, "Penstock-Work: c=critical_plus\nX-Tier: gold\n", penstock.CriticalPlus},
		{true, "Baggage: penstock.c=critical_plus\n", penstock.CriticalPlus},
		{true, "X-Tier: gold\n", penstock.Critical},
	}
	url := backend(t, echoHeader)
	for _, tt := range tests {
		cfg := config(url)
		cfg.Routes[0].Criticality = rule
		if tt.trust {
			cfg.Trust = loopback
		}
		r := serve(t, cfg)
		_, h := r.echo(tt.fields)
		if w, _ := pressure.ParseWork(h.Get("Penstock-Work")); w.Criticality != tt.want {
			t.Errorf("trust %t, %q: %v, want %v", tt.trust, tt.fields, w.Criticality, tt.want)
		}
	}
}

func TestForwardedFor(t *testing.T) {
	trust := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	tests := []struct {
		values []string
		want   string // "" is nobody
	}{
		{nil, ""},
		{[]string{"203.0.113.9"}, "203.0.113.9"},
		{[]string{"198.51.100.1, 203.0.113.9, 10.1.2.3"}, "203.0.113.9"}, // what stands before it is hearsay
		{[]string{"203.0.113.9", "10.1.2.3,10.9.9.9"}, "203.0.113.9"},
		{[]string{"10.1.2.3"}, ""},
		{[]string{"203.0.113.9, rubbish, 10.1.2.3"}, ""},
		{[]string{"2001:db8::1, ::1"}, "2001:db8::1"},
		{[]string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{[]string{", ,"}, ""},
	}
	for _, tt := range tests {
		got := ""
		if a := gateway.ForwardedFor(tt.values, trust...); a.IsValid() {
			got = a.String()
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestLoopsEnd(t *testing.T) {
	// The gateway is its own backend: the listener's address must be known
	// before the gateway is, so it is taken from a listener that is closed again.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cfg := config("http://" + address)
	cfg.Listen = address
	r := serve(t, cfg)
	res, body := r.get("/")
	r.wantProblem(res, body, http.StatusLoopDetected, "loop")
	if n := r.State().Routes[0].Requests; n != gateway.MaxHops+1 {
		t.Errorf("the request went round %d times, want %d", n, gateway.MaxHops+1)
	}
}

// The gate of a backend that says how long work waits in it is steered by that;
// one that says nothing, or nonsense, is left to what can be inferred.
func TestABackendsReportIsHeard(t *testing.T) {
	for _, tt := range []struct {
		field string
		heard bool
	}{
		{"level=0.9, delay=12.5", true},
		{"level=0.1", true},
		{"level=", false},
		{"", false},
	} {
		cfg := config(backend(t, func(w http.ResponseWriter, _ *http.Request) {
			if tt.field != "" {
				w.Header().Set("Penstock-Pressure", tt.field)
			}
		}))
		cfg.Routes[0].Limit = gateway.Limit{}
		r := serve(t, cfg)
		for range 3 {
			r.get("/")
		}
		if s := r.State(); strings.Contains(s.Explain, "callee") != tt.heard {
			t.Errorf("%q: %s", tt.field, s.Explain)
		}
	}
}
