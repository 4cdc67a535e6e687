package penstockhttp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// watchdog ends a test that hangs; nothing is expected to take so long.
const watchdog = 20 * time.Second

const (
	loopback = "127.0.0.1:40000"
	stranger = "203.0.113.7:40000"
)

// newController returns a controller over one slot, closed when the test ends.
func newController(t testing.TB, routes ...admission.Route) *admission.Controller {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(1), Routes: routes, Seed: 1})
	t.Cleanup(ctl.Close)
	return ctl
}

// capped admits one request at a time and lets nothing wait: the second is
// refused with reason limit.
func capped(t testing.TB) *admission.Controller {
	return newController(t, admission.Route{Name: "search", Cap: 1})
}

// drained refuses everything with reason draining.
func drained(t testing.TB) *admission.Controller {
	ctl := newController(t)
	ctl.Drain()
	return ctl
}

// request returns a server's request. Fields are "Name: value".
func request(t testing.TB, remote, method, target string, fields ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.RemoteAddr = remote
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ": ")
		if !ok {
			t.Fatalf("field %q", field)
		}
		r.Header.Add(name, value)
	}
	return r
}

// do serves one request without a network.
func do(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// panicOf returns the error that f panics with, nil if it does not panic.
func panicOf(f func()) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case error:
			err = v
		default:
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	f()
	return nil
}

// A problem is a refusal's document as a client reads it. Pointers tell what is
// not there from what is zero.
type problem struct {
	Type         string
	Title        string
	Status       int
	Reason       string
	Limit        *string
	RetryAfterMS *int64 `json:"retry_after_ms"`
	RetrySafe    *bool  `json:"retry_safe"`
	Pressure     *float64
	ID           *string
}

func readProblem(t testing.TB, res *http.Response) problem {
	t.Helper()
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%s: Content-Type %q", res.Status, got)
	}
	var p problem
	d := json.NewDecoder(res.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%s: body: %v", res.Status, err)
	}
	return p
}

// counts writes what the controller counted, leaving out what is 0.
func counts(s penstock.Stats) string {
	var b strings.Builder
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"good", s.Good},
		{"dropped", s.Dropped},
		{"ignored", s.Ignored},
		{"wasted", s.Wasted},
		{"left", s.Left},
		{"refused", s.Refused.Total()},
		{"stale", s.StaleDone},
		{"in flight", uint64(s.InFlight)},
	} {
		if c.n > 0 {
			fmt.Fprintf(&b, "%s %d, ", c.name, c.n)
		}
	}
	return strings.TrimSuffix(b.String(), ", ")
}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// multipartRequest is a form with one file, and a deadline.
func multipartRequest(t testing.TB) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if _, err := form.CreateFormFile("file", "name"); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Penstock-Deadline", "60000")
	return r
}
