package penstockhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// How a handler ends is what the controller is told.
func TestOutcomes(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	leave := func(w http.ResponseWriter, r *http.Request) { r.Context().Value(leaveKey{}).(context.CancelFunc)() }
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"says nothing", nothing, "good 1"},
		{"writes", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, "good 1"},
		{"200", answer(200), "good 1"},
		{"101", answer(101), "good 1"},
		{"404", answer(404), "good 1"},
		{"429", answer(429), "dropped 1"},
		{"500", answer(500), "ignored 1"},
		{"502", answer(502), "ignored 1"},
		{"503", answer(503), "dropped 1"},
		{"504", answer(504), "dropped 1"},
		{"only the first status counts", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.WriteHeader(http.StatusOK)
		}, "dropped 1"},
		{"early hints do not count", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "dropped 1"},
		{"client leaves", leave, "dropped 1"},
		{"panics", func(http.ResponseWriter, *http.Request) { panic("bug") }, "ignored 1"},
		{"aborts", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "ignored 1"},
		{"aborts as the client leaves", func(w http.ResponseWriter, r *http.Request) { leave(w, r); panic(http.ErrAbortHandler) }, "dropped 1"},
		{"stream", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("data: 1\n\n"))
			panic(http.ErrAbortHandler)
		}, "good 1"},
		{"failed stream", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "dropped 1"},
	} {
		ctl := capped(t)
		h := penstockhttp.Handler(ctl, row.handler)
		ctx, cancel := context.WithCancel(t.Context())
		r := request(t, loopback, "GET", "/")
		r = r.WithContext(context.WithValue(ctx, leaveKey{}, cancel))
		_ = panicOf(func() { do(h, r) })
		cancel()
		if got := counts(ctl.Stats()); got != row.want {
			t.Errorf("%s: %s; want %s", row.name, got, row.want)
		}
	}
}

type leaveKey struct{}

// A panic goes on as it was, and runtime.Goexit frees the permit as well.
func TestPanicReleases(t *testing.T) {
	ctl := capped(t)
	bug := errors.New("bug")
	h := penstockhttp.Handler(ctl, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(bug) }))
	for range 3 { // each would be refused if the one before had kept its permit
		if got := panicOf(func() { do(h, request(t, loopback, "GET", "/")) }); !errors.Is(got, bug) {
			t.Fatalf("panic %v; want %v", got, bug)
		}
	}
	exits := penstockhttp.Handler(ctl, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }))
	var wg sync.WaitGroup
	wg.Go(func() { do(exits, request(t, loopback, "GET", "/")) })
	wg.Wait()
	if got, want := counts(ctl.Stats()), "ignored 4"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// during serves one request, and inside of it a second: what is left of the
// controller while one request runs.
func during(h func(http.Handler) http.Handler, outer *http.Request, f func(http.Handler)) *http.Response {
	var protected http.Handler
	protected = h(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == outer.URL.Path {
			f(protected)
		}
	}))
	return do(protected, outer)
}

func TestRefusal(t *testing.T) {
	ctl := capped(t)
	var refused *http.Response
	admitted := during(func(next http.Handler) http.Handler {
		return penstockhttp.Handler(ctl, next, penstockhttp.WithName("search"))
	}, request(t, loopback, "GET", "/outer"), func(h http.Handler) {
		refused = do(h, request(t, stranger, "GET", "/inner"))
	})
	if admitted.StatusCode != http.StatusOK || refused.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("admitted %s, refused %s", admitted.Status, refused.Status)
	}
	p := readProblem(t, refused)
	if p.Reason != "limit" || *p.Limit != "search" || !*p.RetrySafe || *p.RetryAfterMS < 50 || *p.RetryAfterMS > 30000 {
		t.Errorf("problem %+v", p)
	}
	id, err := penstock.ParseRefusalID(*p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := ctl.ExplainRefusal(id); !ok {
		t.Errorf("id %s explains nothing: %q", *p.ID, text)
	}
	for _, res := range []*http.Response{admitted, refused} {
		if _, ok := pressure.Parse(res.Header.Get("Penstock-Pressure")); !ok {
			t.Errorf("%s: Penstock-Pressure %q", res.Status, res.Header.Get("Penstock-Pressure"))
		}
		if _, ok := pressure.ParseLoad(res.Header.Get("Endpoint-Load-Metrics")); !ok {
			t.Errorf("%s: endpoint-load-metrics %q", res.Status, res.Header.Get("Endpoint-Load-Metrics"))
		}
	}
	if got, want := counts(ctl.Stats()), "good 1, refused 1"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestRefuseWith(t *testing.T) {
	for _, row := range []struct {
		with   penstockhttp.RefuseWith
		status int
	}{{penstockhttp.Refuse503, 503}, {penstockhttp.Refuse429, 429}} {
		h := penstockhttp.Handler(drained(t), nothing, penstockhttp.WithRefuse(row.with))
		res := do(h, request(t, stranger, "GET", "/"))
		if p := readProblem(t, res); res.StatusCode != row.status || p.Reason != "draining" || *p.Limit != "default" {
			t.Errorf("%v: %s, %+v", row.with, res.Status, p)
		}
	}
	h := penstockhttp.Handler(drained(t), nothing, penstockhttp.WithRefuse(penstockhttp.RefuseDrop))
	if got := panicOf(func() { do(h, request(t, stranger, "GET", "/")) }); !errors.Is(got, http.ErrAbortHandler) {
		t.Errorf("drop: panic %v", got)
	}
}

func TestExempt(t *testing.T) {
	paths := []string{"/healthz", "/readyz", "/livez", "/healthz/", "/", "/x/healthz"}
	for _, row := range []struct {
		name string
		opts []penstockhttp.Option
		want []int
	}{
		{"default", nil, []int{200, 200, 200, 503, 503, 503}},
		{"own", []penstockhttp.Option{penstockhttp.WithExempt(func(r *http.Request) bool { return r.URL.Path == "/" })}, []int{503, 503, 503, 503, 200, 503}},
		{"none", []penstockhttp.Option{penstockhttp.WithExempt(nil)}, []int{503, 503, 503, 503, 503, 503}},
	} {
		ctl := drained(t)
		h := penstockhttp.Handler(ctl, nothing, row.opts...)
		passed := uint64(0)
		for i, path := range paths {
			res := do(h, request(t, stranger, "GET", path))
			if res.StatusCode != row.want[i] {
				t.Errorf("%s, %s: %s; want %d", row.name, path, res.Status, row.want[i])
			}
			if res.StatusCode == http.StatusOK {
				passed++
				if _, told := res.Header["Penstock-Pressure"]; told {
					t.Errorf("%s, %s: told the pressure", row.name, path)
				}
			}
		}
		if got := ctl.Stats().Offered; got != uint64(len(paths))-passed {
			t.Errorf("%s: %d offered, %d exempt", row.name, got, passed)
		}
	}
}

func TestExpose(t *testing.T) {
	for _, row := range []struct {
		expose           penstockhttp.Expose
		trusted, unknown bool
	}{
		{penstockhttp.ExposeAll, true, true},
		{penstockhttp.ExposeTrusted, true, false},
		{penstockhttp.ExposeNone, false, false},
	} {
		for remote, want := range map[string]bool{loopback: row.trusted, stranger: row.unknown} {
			admitted := do(penstockhttp.Handler(capped(t), nothing, penstockhttp.WithExpose(row.expose)), request(t, remote, "GET", "/"))
			refused := do(penstockhttp.Handler(drained(t), nothing, penstockhttp.WithExpose(row.expose)), request(t, remote, "GET", "/"))
			for _, res := range []*http.Response{admitted, refused} {
				for _, name := range []string{penstockhttp.FieldPressure, penstockhttp.FieldLoad} {
					if _, told := res.Header[name]; told != want {
						t.Errorf("expose %v, %s, %s: %s told: %v", row.expose, remote, res.Status, name, told)
					}
				}
			}
			if p := readProblem(t, refused); (p.Pressure != nil) != want {
				t.Errorf("expose %v, %s: problem %+v", row.expose, remote, p)
			}
		}
	}
}

// The options say what the request is, each after the other.
func TestWorkOf(t *testing.T) {
	seen := func(opts []penstockhttp.Option, r *http.Request) (w penstock.Work) {
		opts = append(opts, penstockhttp.WithClassifier(func(_ *http.Request, work *penstock.Work) { w = *work }))
		do(penstockhttp.Handler(capped(t), nothing, opts...), r)
		return w
	}
	length := func(r *http.Request) int { return len(r.URL.Path) }
	flow := func(*http.Request) uint64 { return 77 }
	critical := "Penstock-Work: c=critical_plus, k=3, a=2"
	for _, row := range []struct {
		name   string
		opts   []penstockhttp.Option
		remote string
		fields []string
		want   penstock.Work
	}{
		{"loopback is trusted", nil, loopback, []string{critical}, penstock.Work{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(3), Attempt: 2}},
		{"strangers are not", nil, stranger, []string{critical}, penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 2}},
		{
			"unless named",
			[]penstockhttp.Option{penstockhttp.WithTrust(netip.MustParsePrefix("203.0.113.0/24"))},
			stranger,
			[]string{critical},
			penstock.Work{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(3), Attempt: 2},
		},
		{"nobody is", []penstockhttp.Option{penstockhttp.WithTrust()}, loopback, []string{critical}, penstock.Work{Criticality: penstock.SheddablePlus, Attempt: 2}},
		{
			"cost and flow",
			[]penstockhttp.Option{penstockhttp.WithCost(length), penstockhttp.WithFlow(flow)},
			loopback, nil,
			penstock.Work{Cost: 5, Flow: 77},
		},
	} {
		if got := seen(row.opts, request(t, row.remote, "GET", "/path", row.fields...)); got != row.want {
			t.Errorf("%s: %+v; want %+v", row.name, got, row.want)
		}
	}
}

// The classifier's word is the one that counts.
func TestClassifierDecides(t *testing.T) {
	ctl := drained(t)
	h := penstockhttp.Handler(ctl, nothing, penstockhttp.WithClassifier(func(r *http.Request, w *penstock.Work) {
		if r.URL.Path == "/checkout" {
			w.Criticality = penstock.CriticalPlus
		}
	}))
	do(h, request(t, stranger, "GET", "/checkout"))
	do(h, request(t, stranger, "GET", "/search"))
	refused := ctl.Stats().Refused[penstock.ReasonDraining]
	if refused[penstock.CriticalPlus] != 1 || refused[penstock.SheddablePlus] != 1 {
		t.Errorf("refused by criticality: %v", refused)
	}
}

func TestObserve(t *testing.T) {
	ctl := admission.New(admission.Config{
		Limit: limit.Fixed(1), Routes: []admission.Route{{Cap: 1}}, Observe: true, Seed: 1,
	})
	defer ctl.Close()
	var inner *http.Response
	outer := during(func(next http.Handler) http.Handler { return penstockhttp.Handler(ctl, next) },
		request(t, stranger, "GET", "/outer"), func(h http.Handler) { inner = do(h, request(t, stranger, "GET", "/inner")) })
	if outer.StatusCode != http.StatusOK || inner.StatusCode != http.StatusOK {
		t.Errorf("outer %s, inner %s", outer.Status, inner.Status)
	}
	s := ctl.Stats()
	if s.Refused.Total() != 0 || s.WouldRefuse.Of(penstock.ReasonLimit) != 1 || s.Good != 2 {
		t.Errorf("refused %v, would have refused %v, good %d", s.Refused, s.WouldRefuse, s.Good)
	}
}

// Each route has its own cap, its own name and its own pressure.
func TestWithRoute(t *testing.T) {
	ctl := admission.New(admission.Config{
		Limit: limit.Fixed(8), Routes: []admission.Route{{Name: "a", Cap: 1}, {Name: "b", Cap: 1}}, Seed: 1,
	})
	defer ctl.Close()
	var same, other *http.Response
	during(func(next http.Handler) http.Handler {
		b := penstockhttp.Handler(ctl, next, penstockhttp.WithRoute(1), penstockhttp.WithName("b"))
		a := penstockhttp.Handler(ctl, nothing, penstockhttp.WithRoute(0), penstockhttp.WithName("a"))
		mux := http.NewServeMux()
		mux.Handle("/a", a)
		mux.Handle("/", b)
		return mux
	}, request(t, stranger, "GET", "/b"), func(h http.Handler) {
		same = do(h, request(t, stranger, "GET", "/b2"))
		other = do(h, request(t, stranger, "GET", "/a"))
	})
	if other.StatusCode != http.StatusOK {
		t.Errorf("the other route: %s", other.Status)
	}
	if p := readProblem(t, same); same.StatusCode != http.StatusServiceUnavailable || *p.Limit != "b" {
		t.Errorf("the same route: %s, %+v", same.Status, p)
	}
}

// Callers of a route are told of its own gates.
func TestPressureOfRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := admission.New(admission.Config{
			Gates:  []admission.Gate{{Name: "idle", Limit: limit.Fixed(1)}, {Name: "busy", Limit: limit.Fixed(1)}},
			Routes: []admission.Route{{Name: "idle", Gates: []int{0}}, {Name: "busy", Gates: []int{1}, Cap: 1}},
			Seed:   1,
		})
		sleepy := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) })
		idle := penstockhttp.Handler(ctl, nothing)
		busy := penstockhttp.Handler(ctl, sleepy, penstockhttp.WithRoute(1))
		var wg sync.WaitGroup
		wg.Go(func() { do(busy, request(t, stranger, "GET", "/")) })
		time.Sleep(5 * time.Second)
		level := func(h http.Handler) float64 {
			s, ok := pressure.Parse(do(h, request(t, stranger, "GET", "/")).Header.Get("Penstock-Pressure"))
			if !ok {
				t.Error("told nothing")
			}
			return s.Level
		}
		if i, b := level(idle), level(busy); i > 0.1 || b < 0.7 {
			t.Errorf("levels %v of the idle route, %v of the busy", i, b)
		}
		wg.Wait()
		ctl.Close()
	})
}

// ORCA's rates count finished work, never refusals.
func TestReportedRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := capped(t)
		h := penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/fails" {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
		report := func(res *http.Response) pressure.Load {
			l, ok := pressure.ParseLoad(res.Header.Get("Endpoint-Load-Metrics"))
			if !ok {
				t.Fatalf("%s: %v", res.Status, res.Header)
			}
			return l
		}
		for i := range 400 {
			path := "/works"
			if i%4 == 0 {
				path = "/fails"
			}
			do(h, request(t, stranger, "GET", path))
			time.Sleep(50 * time.Millisecond)
		}
		before := report(do(h, request(t, stranger, "GET", "/works")))
		if before.RPS < 19 || before.RPS > 21 || before.EPS < 4.5 || before.EPS > 5.5 {
			t.Errorf("20 per second, 5 of them failing, are reported as %+v", before)
		}
		ctl.Drain()
		var after pressure.Load
		for range 1000 {
			after = report(do(h, request(t, stranger, "GET", "/works")))
		}
		if after.RPS > before.RPS+0.6 { // the one that reported before
			t.Errorf("refusals raise the rate from %v to %v", before.RPS, after.RPS)
		}
		ctl.Close()
	})
}

func TestHandlerNeedsBoth(t *testing.T) {
	for _, f := range []func(){
		func() { penstockhttp.Handler(nil, nothing) },
		func() { penstockhttp.Handler(capped(t), nil) },
	} {
		if panicOf(f) == nil {
			t.Error("no panic")
		}
	}
}

// What the handler learns of a request with a deadline, whose context is its
// own, the server knows as well.
func TestRequestIsHandedBack(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /item/{id}", nothing)
	r := request(t, stranger, "GET", "/item/5", "Penstock-Deadline: 60000")
	do(penstockhttp.Handler(capped(t), mux), r)
	if r.Pattern != "GET /item/{id}" {
		t.Errorf("pattern %q", r.Pattern)
	}
	r = multipartRequest(t)
	do(penstockhttp.Handler(capped(t), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			t.Error(err)
		}
	})), r)
	if r.MultipartForm == nil {
		t.Error("the form's temporary files would stay")
	}
}
