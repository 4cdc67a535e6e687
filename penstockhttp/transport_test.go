package penstockhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// inProcess is a RoundTripper that hands requests to a handler, as a server on
// loopback would, and remembers what was asked.
type inProcess struct {
	handler http.Handler
	asked   []*http.Request
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.asked = append(p.asked, r)
	in := r.Clone(context.WithoutCancel(r.Context()))
	in.RemoteAddr, in.RequestURI = loopback, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, in.WithContext(context.Background()))
	return w.Result(), nil
}

// answering is a handler that answers with a status and fields.
func answering(status int, fields ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
	})
}

func get(ctx context.Context, t testing.TB, rt http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := rt.RoundTrip(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	return res, err
}

// TestTransportTells: what is known of a request travels on to the callee,
// without the handler's help.
func TestTransportTells(t *testing.T) {
	back := &inProcess{handler: nothing}
	transport := &penstockhttp.Transport{Base: back}
	front := penstockhttp.Handler(newController(t), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := get(r.Context(), t, transport, "http://stock/items/1"); err != nil {
			t.Error(err)
		}
	}))
	for _, row := range []struct {
		from, fields, want string
		hasDeadline        bool
	}{
		{loopback, "Penstock-Work: c=critical, k=17, a=2", "c=critical, k=17, a=2", false},
		{loopback, "Penstock-Work: c=sheddable, k=5", "c=sheddable, k=5", false},
		{loopback, "Baggage: penstock.c=critical_plus,penstock.k=3", "c=critical_plus, k=3", false},
		{loopback, "Penstock-Work: c=critical, k=500, a=-3", "c=critical, k=127, a=1", false}, // clamped
		{loopback, "Penstock-Deadline: 60000", "", true},
		{loopback, "Penstock-Deadline: 99999999999", "", true},
		{stranger, "Penstock-Work: c=critical_plus, k=0, a=3", "c=sheddable_plus, k=, a=3", false}, // forged
	} {
		back.asked = nil
		r := request(t, row.from, "GET", "/", row.fields)
		do(front, r)
		got := back.asked[0].Header
		work, deadline := got.Get("Penstock-Work"), got.Get("Penstock-Deadline")

		for p := range strings.SplitSeq(row.want, ",") {
			if !strings.Contains(work, strings.TrimSpace(p)) {
				t.Errorf("%s from %s: told %q; want %q in it", row.fields, row.from, work, p)
			}
		}
		if !strings.Contains(work, "k=") {
			t.Errorf("%s: no cohort in %q: it is drawn once, at the root", row.fields, work)
		}
		if row.hasDeadline != (deadline != "") {
			t.Errorf("%s: the deadline told is %q", row.fields, deadline)
		}
		if d, ok := pressure.ParseDeadline(deadline); row.hasDeadline && (!ok || d <= 50*time.Second) {
			t.Errorf("%s: the deadline told is %q", row.fields, deadline)
		}
	}
}

// TestTransportLeavesRequestsAlone: a RoundTripper must not change what it is
// given, and replaces what somebody else put into our fields.
func TestTransportLeavesRequestsAlone(t *testing.T) {
	back := &inProcess{handler: nothing}
	ctx, cancel := context.WithTimeout(penstock.WithWork(t.Context(), penstock.Work{Criticality: penstock.Critical}), time.Minute)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://stock/", nil)
	r.Header.Set("Penstock-Work", "c=critical_plus")
	r.Header.Set("X-Mine", "1")
	if _, err := (&penstockhttp.Transport{Base: back}).RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if len(r.Header) != 2 || r.Header.Get("Penstock-Work") != "c=critical_plus" {
		t.Errorf("the request was changed: %v", r.Header)
	}
	if got := back.asked[0].Header; got.Get("Penstock-Work") != "c=critical" || got.Get("X-Mine") != "1" || got.Get("Penstock-Deadline") == "" {
		t.Errorf("sent %v", got)
	}
}

// TestTransportListens: what a callee says refuses the next call here, with its
// reason and its wait, and nothing of it reaches the callee but what explores.
func TestTransportListens(t *testing.T) {
	for name, fields := range map[string][]string{
		"Penstock-Pressure": {"Penstock-Pressure: level=1.0, price=1024, retry=200"},
		"ORCA":              {"Endpoint-Load-Metrics: TEXT application_utilization=1.0,named_metrics.penstock_price=1024"},
		"the better of both": {
			"Penstock-Pressure: level=1.0, price=1024", "Endpoint-Load-Metrics: TEXT application_utilization=0.1",
		},
	} {
		back := &inProcess{handler: answering(http.StatusServiceUnavailable, fields...)}
		transport := &penstockhttp.Transport{Base: back}
		const calls = 500
		refused := 0
		for range calls {
			_, err := get(t.Context(), t, transport, "http://stock/items")
			if r, ok := errors.AsType[*penstock.RejectedError](err); ok {
				refused++
				if r.Reason != penstock.ReasonPriority || r.RetryAfter <= 0 || r.Pressure < 0.9 {
					t.Fatalf("%s: %+v", name, r)
				}
			}
		}
		if refused < calls*9/10 || len(back.asked) < 1+calls/150 || refused+len(back.asked) != calls {
			t.Errorf("%s: %d of %d refused here, %d asked", name, refused, calls, len(back.asked))
		}
		if _, err := get(t.Context(), t, transport, "http://stock/other"); err != nil {
			t.Errorf("%s: another route: %v", name, err)
		}
		if s := transport.Stats(); int(s.Refused.Total()) != refused || int(s.Sent) != len(back.asked) {
			t.Errorf("%s: stats %+v", name, s)
		}
	}
}

// TestTransportOnNonsense: malformed and forged fields never refuse anything and
// never panic.
func TestTransportOnNonsense(t *testing.T) {
	for _, field := range []string{
		"Penstock-Pressure: level=full", "Penstock-Pressure: price=", "Penstock-Pressure: " + strings.Repeat("level=1, ", 500) + "price=1024",
		"Penstock-Pressure: level=-5, price=-5, delay=-1, retry=-1", "Endpoint-Load-Metrics: TEXT application_utilization=nan",
		"Endpoint-Load-Metrics: BIN !!!", "Endpoint-Load-Metrics: JSON {", "Retry-After: soon",
	} {
		transport := &penstockhttp.Transport{Base: &inProcess{handler: answering(http.StatusOK, field)}}
		for range 200 {
			if _, err := get(t.Context(), t, transport, "http://stock/"); err != nil {
				t.Fatalf("%.60s: %v", field, err)
			}
		}
	}
}

// TestChain: what the last of three says arrives in the first one's answer,
// while each one's ORCA report speaks of itself, and the refusal keeps its way.
func TestChain(t *testing.T) {
	last := answering(http.StatusServiceUnavailable, "Penstock-Pressure: level=0.95, price=700, delay=9.0, retry=150", "Retry-After: 1")
	optional := false
	hop := func(next http.Handler) http.Handler {
		transport := &penstockhttp.Transport{Base: &inProcess{handler: next}}
		return penstockhttp.Handler(newController(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if optional {
				ctx = caller.Optional(ctx)
			}
			res, err := get(ctx, t, transport, "http://next/")
			switch {
			case optional:
			case err != nil:
				penstockhttp.Error(w, r, err)
			default:
				if !strings.Contains(r.RemoteAddr, "127.0.0.1") || penstock.PressureFrom(r.Context()) < 0.9 {
					t.Errorf("the handler sees a pressure of %v", penstock.PressureFrom(r.Context()))
				}
				if refused, ok := penstockhttp.RefusalOf(res); ok {
					penstockhttp.Error(w, r, refused)
				}
			}
		}))
	}
	front := hop(hop(last))
	res := do(front, request(t, loopback, "GET", "/"))
	s, ok := pressure.Parse(res.Header.Get("Penstock-Pressure"))
	if !ok || s.Level != 0.95 || s.Price != 700 || s.Retry < 100*time.Millisecond || s.Delay != 0 || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s with %+v", res.Status, s)
	}
	if l, ok := pressure.ParseLoad(res.Header.Get("Endpoint-Load-Metrics")); !ok || l.Level > 0.8 || l.Price != 0 {
		t.Errorf("its own report says %+v", l)
	}
	optional = true
	res = do(hop(hop(last)), request(t, loopback, "GET", "/"))
	if s, _ := pressure.Parse(res.Header.Get("Penstock-Pressure")); s.Level > 0.8 || s.Price != 0 || res.StatusCode != http.StatusOK {
		t.Errorf("optional calls: %s with %+v", res.Status, s)
	}
}

// TestSlotsAreLent: while a request is with a callee that says how full it is, it
// holds no slot of the server that serves it; with one that says nothing, it does.
// A limit that was given is left alone.
func TestSlotsAreLent(t *testing.T) {
	found := admission.New(admission.Config{Seed: 1})
	t.Cleanup(found.Close)
	for _, row := range []struct {
		name string
		ctl  *admission.Controller
		says []string
		away int
	}{
		{"found, and the callee speaks", found, []string{"Penstock-Pressure: level=0.2"}, 1},
		{"found, and the callee is silent", found, nil, 0},
		{"given, and the callee speaks", newController(t), []string{"Penstock-Pressure: level=0.2"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			calls := 0
			back := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls == 2 { // the first made it known
					g := row.ctl.Stats().Gates[0]
					if g.Away != row.away || g.InFlight != 1-row.away {
						t.Errorf("%d in flight and %d away; want %d away", g.InFlight, g.Away, row.away)
					}
				}
				answering(http.StatusOK, row.says...).ServeHTTP(w, r)
			})
			transport := &penstockhttp.Transport{Base: &inProcess{handler: back}}
			front := penstockhttp.Handler(row.ctl, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				for range 2 {
					if _, err := get(r.Context(), t, transport, "http://next/"); err != nil {
						t.Error(err)
					}
				}
				if g := row.ctl.Stats().Gates[0]; g.Away != 0 || g.InFlight != 1 {
					t.Errorf("after the calls %d in flight and %d away", g.InFlight, g.Away)
				}
			}))
			do(front, request(t, loopback, "GET", "/"))
			if g := row.ctl.Stats().Gates[0]; g.Away+g.InFlight != 0 {
				t.Errorf("in the end %d in flight and %d away", g.InFlight, g.Away)
			}
		})
	}
}

// TestRefusalBelowIsNoLoad: that a callee refuses says nothing of this server: its
// own limit must not fall for it.
func TestRefusalBelowIsNoLoad(t *testing.T) {
	for name, row := range map[string]struct {
		fields []string
		want   string
	}{
		"refused": {[]string{"Retry-After: 1"}, "ignored 1"},
		"sick":    {nil, "dropped 1"},
	} {
		ctl := newController(t)
		transport := &penstockhttp.Transport{Base: &inProcess{handler: answering(http.StatusServiceUnavailable, row.fields...)}}
		do(penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			res, err := get(r.Context(), t, transport, "http://next/")
			if err != nil {
				t.Error(err)
				return
			}
			w.WriteHeader(res.StatusCode)
		})), request(t, loopback, "GET", "/"))
		if got := counts(ctl.Stats()); got != row.want {
			t.Errorf("%s: %s; want %s", name, got, row.want)
		}
	}
}

// TestTransportRetries: refused requests go out again, marked, with their bodies,
// if those can be read again.
func TestTransportRetries(t *testing.T) {
	for _, row := range []struct {
		what    string
		body    io.Reader
		refuse  int // so many times
		fields  []string
		calls   int
		status  int
		attempt string // marked on the last
	}{
		{what: "no body", refuse: 1, calls: 2, status: 200, attempt: "a=2"},
		{what: "a body that can be read again", body: strings.NewReader("hello"), refuse: 2, calls: 3, status: 200, attempt: "a=3"},
		{what: "one that cannot", body: io.MultiReader(strings.NewReader("hello")), refuse: 1, calls: 1, status: 503},
		{what: "refused to the end", refuse: 9, calls: 3, status: 503, attempt: "a=3"},
		{what: "come back in an hour", refuse: 9, fields: []string{"Retry-After: 3600"}, calls: 1, status: 503},
	} {
		calls := 0
		back := &inProcess{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			if b, _ := io.ReadAll(r.Body); row.body != nil && string(b) != "hello" {
				t.Errorf("%s: call %d has the body %q", row.what, calls, b)
			}
			if calls <= row.refuse {
				fields := row.fields
				if fields == nil {
					fields = []string{"Penstock-Pressure: level=0.5, retry=1"}
				}
				answering(http.StatusServiceUnavailable, fields...).ServeHTTP(w, r)
			}
		})}
		transport := &penstockhttp.Transport{Base: back, Retry: caller.NewRetrier(caller.RetryConfig{Backoff: time.Millisecond, Budget: new(1.0)})}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://stock/", row.body)
		for range 3 { // something to spend: a budget is a share of first attempts
			_ = transport.Retry.Do(t.Context(), func(context.Context) error { return nil })
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Errorf("%s: %v", row.what, err)
			continue
		}
		if got := back.asked[len(back.asked)-1].Header.Get("Penstock-Work"); calls != row.calls || res.StatusCode != row.status || !strings.Contains(got, row.attempt) {
			t.Errorf("%s: %d calls, %s, the last marked %q; want %d, %d, %q", row.what, calls, res.Status, got, row.calls, row.status, row.attempt)
		}
	}
}

// failing is a RoundTripper without an answer.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestTransportThrottles: a callee that says nothing of itself and takes nothing
// is asked less and less, whatever it fails with; callers that leave say nothing.
func TestTransportThrottles(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, row := range map[string]struct {
		base     http.RoundTripper
		ctx      context.Context
		throttle bool
	}{
		"429":             {&inProcess{handler: answering(http.StatusTooManyRequests)}, t.Context(), true},
		"503":             {&inProcess{handler: answering(http.StatusServiceUnavailable)}, t.Context(), true},
		"502":             {&inProcess{handler: answering(http.StatusBadGateway)}, t.Context(), true},
		"no answer":       {failing{errors.New("connection refused")}, t.Context(), true},
		"500":             {&inProcess{handler: answering(http.StatusInternalServerError)}, t.Context(), false},
		"404":             {&inProcess{handler: answering(http.StatusNotFound)}, t.Context(), false},
		"fine":            {&inProcess{handler: nothing}, t.Context(), false},
		"the caller left": {failing{context.Canceled}, gone, true}, // what is not answered counts as asked
	} {
		transport := &penstockhttp.Transport{Base: row.base}
		for range 600 {
			_, _ = get(row.ctx, t, transport, "http://stock/")
		}
		refused := transport.Stats().Refused[penstock.ReasonBreaker][penstock.Critical]
		if throttled := refused > 200; throttled != row.throttle {
			t.Errorf("%s: %d of 600 refused here", name, refused)
		}
	}
}

// TestError: callers further up are told what they understand.
func TestError(t *testing.T) {
	for _, row := range []struct {
		err    error
		status int
		retry  bool
	}{
		{&penstock.RejectedError{Reason: penstock.ReasonPriority, RetryAfter: time.Second}, 503, true},
		{&penstock.RejectedError{Reason: penstock.ReasonRate}, 429, true},
		{context.DeadlineExceeded, 504, false},
		{errors.New("connection refused"), 502, false},
	} {
		w := httptest.NewRecorder()
		penstockhttp.Error(w, request(t, loopback, "GET", "/"), row.err)
		res := w.Result()
		if res.StatusCode != row.status || (res.Header.Get("Retry-After") != "") != row.retry {
			t.Errorf("%v: %s, %v", row.err, res.Status, res.Header)
		}
		if row.retry {
			if p := readProblem(t, res); *p.Limit != "callee" {
				t.Errorf("%v: limit %q", row.err, *p.Limit)
			}
		}
	}
}

// TestTransportClosesBodies: whatever comes of a request, its body is closed.
func TestTransportClosesBodies(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://stock/", nil)
	body := &closing{}
	r.Body = body
	_, err := (&penstockhttp.Transport{Base: failing{errors.New("never asked")}}).RoundTrip(r)
	if refused, ok := errors.AsType[*penstock.RejectedError](err); !ok || refused.Reason != penstock.ReasonDeadline || !body.closed {
		t.Errorf("after its deadline: %v, closed %v", err, body.closed)
	}
}

type closing struct{ closed bool }

func (*closing) Read([]byte) (int, error) { return 0, io.EOF }
func (c *closing) Close() error           { c.closed = true; return nil }

// loop is a RoundTripper that costs next to nothing: it calls the handler with
// the request as it is.
type loop struct {
	handler http.Handler
	w       sinkWriter
	res     http.Response
}

func newLoop(h http.Handler) *loop {
	l := &loop{handler: h, w: sinkWriter{header: http.Header{}}}
	l.res = http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: l.w.header}
	return l
}

func (l *loop) RoundTrip(r *http.Request) (*http.Response, error) {
	clear(l.w.header)
	r.RemoteAddr = loopback
	l.handler.ServeHTTP(&l.w, r)
	return &l.res, nil
}

// calls are what a call costs, without a network: handler and transport.
func calls(t testing.TB) map[string]http.RoundTripper {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(8), Seed: 1})
	t.Cleanup(ctl.Close)
	return map[string]http.RoundTripper{
		"bare":      newLoop(nothing),
		"handler":   newLoop(penstockhttp.Handler(ctl, nothing)),
		"transport": &penstockhttp.Transport{Base: newLoop(nothing)},
		"both":      &penstockhttp.Transport{Base: newLoop(penstockhttp.Handler(ctl, nothing))},
	}
}

func callRequest(t testing.TB) *http.Request {
	ctx := penstock.WithWork(t.Context(), penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(3)})
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://stock/items/1", nil)
	return r
}

func TestCallAllocations(t *testing.T) {
	all := calls(t)
	for name, most := range map[string]float64{"bare": 0, "handler": 1, "transport": 3, "both": 4} {
		r := callRequest(t)
		if got := testing.AllocsPerRun(200, func() { _, _ = all[name].RoundTrip(r) }); got > most {
			t.Errorf("%s: %v allocations; want at most %v", name, got, most)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for name, rt := range calls(b) {
		b.Run(name, func(b *testing.B) {
			r := callRequest(b)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = rt.RoundTrip(r)
			}
		})
	}
}

// BenchmarkLoopback is a call over a real connection, with and without all of
// it: the difference is what it costs.
func BenchmarkLoopback(b *testing.B) {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(8), Seed: 1})
	b.Cleanup(ctl.Close)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	for _, row := range []struct {
		name    string
		handler http.Handler
		client  http.RoundTripper
		timeout time.Duration
	}{
		{"plain", nothing, base, 0},
		{"penstock", penstockhttp.Handler(ctl, nothing), &penstockhttp.Transport{Base: base}, 0},
		{"plain/deadline", nothing, base, time.Minute},
		{"penstock/deadline", penstockhttp.Handler(ctl, nothing), &penstockhttp.Transport{Base: base}, time.Minute},
	} {
		b.Run(row.name, func(b *testing.B) {
			server := httptest.NewServer(row.handler)
			defer server.Close()
			ctx := penstock.WithWork(b.Context(), penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(3)})
			if row.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, row.timeout)
				defer cancel()
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := get(ctx, b, row.client, server.URL+"/items/1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
