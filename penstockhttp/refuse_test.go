package penstockhttp_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

func refuse(r *http.Request, err *penstock.RejectedError, how penstockhttp.Refusal) *http.Response {
	w := httptest.NewRecorder()
	penstockhttp.Refuse(w, r, err, how)
	return w.Result()
}

func TestRefuseStatus(t *testing.T) {
	for reason := penstock.ReasonLimit; reason < penstock.Reasons; reason++ {
		for _, with := range []penstockhttp.RefuseWith{penstockhttp.Refuse503, penstockhttp.Refuse429} {
			want := 503
			if with == penstockhttp.Refuse429 || reason == penstock.ReasonRate {
				want = 429
			}
			err := &penstock.RejectedError{Reason: reason, RetryAfter: 120 * time.Millisecond, Pressure: 1, ID: 12345}
			res := refuse(request(t, loopback, "GET", "/"), err, penstockhttp.Refusal{With: with, Limit: "search", Tell: true})
			p := readProblem(t, res)
			if res.StatusCode != want || p.Status != want {
				t.Errorf("%v, with %v: status %d, in the body %d; want %d", reason, with, res.StatusCode, p.Status, want)
			}
			if p.Type != "urn:penstock:refused:"+reason.String() || p.Reason != reason.String() || !strings.HasSuffix(p.Title, ".") {
				t.Errorf("%v: problem %+v", reason, p)
			}
			if *p.Limit != "search" || *p.RetryAfterMS != 120 || !*p.RetrySafe || *p.Pressure != 1 || *p.ID != "9ix" {
				t.Errorf("%v: problem %+v", reason, p)
			}
		}
	}
}

// The document as docs/penstockhttp.md shows it.
func TestProblemDocument(t *testing.T) {
	err := &penstock.RejectedError{Reason: penstock.ReasonQueueFull, RetryAfter: 120 * time.Millisecond, Pressure: 1, ID: 12345}
	res := refuse(request(t, loopback, "GET", "/"), err, penstockhttp.Refusal{Limit: "search", Tell: true})
	got, readErr := io.ReadAll(res.Body)
	const want = `{"type":"urn:penstock:refused:queue_full","title":"As many requests as may wait are waiting.","status":503,` +
		`"reason":"queue_full","limit":"search","retry_after_ms":120,"retry_safe":true,"pressure":1.000,"id":"9ix"}` + "\n"
	if string(got) != want || readErr != nil {
		t.Errorf("got  %s, %v\nwant %s", got, readErr, want)
	}
}

func TestRefuseRetryAfter(t *testing.T) {
	for _, row := range []struct {
		wait    time.Duration
		seconds string
		ms      int64
	}{
		{1, "1", 1},
		{120 * time.Millisecond, "1", 120},
		{time.Second, "1", 1000},
		{time.Second + 1, "2", 1001},
		{29500 * time.Millisecond, "30", 29500},
		{150 * time.Second, "150", 150000},
		{1000 * time.Hour, "86400", 86400000}, // bounded
		{0, "1", 1000},                        // unknown
		{-time.Hour, "1", 1000},
	} {
		err := &penstock.RejectedError{Reason: penstock.ReasonRate, RetryAfter: row.wait}
		res := refuse(request(t, loopback, "GET", "/"), err, penstockhttp.Refusal{})
		if got, p := res.Header.Get("Retry-After"), readProblem(t, res); got != row.seconds || *p.RetryAfterMS != row.ms {
			t.Errorf("%v: Retry-After %s, retry_after_ms %d; want %s, %d", row.wait, got, *p.RetryAfterMS, row.seconds, row.ms)
		}
	}
}

// What is not known, or not for everybody, is left out.
func TestRefuseLeavesOut(t *testing.T) {
	load := pressure.Load{Signal: pressure.Signal{Level: 1, Price: 300}}
	err := &penstock.RejectedError{Reason: penstock.ReasonPriority}
	res := refuse(request(t, loopback, "GET", "/"), err, penstockhttp.Refusal{Load: load})
	p := readProblem(t, res)
	if p.Limit != nil || p.Pressure != nil || p.ID != nil {
		t.Errorf("problem %+v", p)
	}
	for _, name := range []string{penstockhttp.FieldPressure, penstockhttp.FieldLoad} {
		if got, there := res.Header[name]; there {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestRefuseTells(t *testing.T) {
	load := pressure.Load{Signal: pressure.Signal{Level: 1, Price: 300, Delay: 2 * time.Millisecond, Retry: time.Second}, RPS: 800, EPS: 1}
	res := refuse(request(t, loopback, "GET", "/"), &penstock.RejectedError{Reason: penstock.ReasonPriority, Pressure: 0.9876},
		penstockhttp.Refusal{Tell: true, Load: load})
	if got, want := res.Header.Get("Penstock-Pressure"), "level=1.0, price=300, delay=2.0, retry=1000"; got != want {
		t.Errorf("Penstock-Pressure %q; want %q", got, want)
	}
	got, ok := pressure.ParseLoad(res.Header.Get("Endpoint-Load-Metrics"))
	want := load
	want.Retry = 0
	if !ok || got != want {
		t.Errorf("endpoint-load-metrics %+v; want %+v", got, want)
	}
	if p := readProblem(t, res); *p.Pressure != 0.988 {
		t.Errorf("pressure %v; want 0.988", *p.Pressure)
	}
}

// The connection of a body not worth reading is closed, where there is one
// connection per request.
func TestRefuseClosesConnection(t *testing.T) {
	for _, row := range []struct {
		major  int
		length int64
		want   string
	}{
		{1, 0, ""},
		{1, penstockhttp.MaxDrain, ""},
		{1, penstockhttp.MaxDrain + 1, "close"},
		{1, -1, "close"}, // chunked
		{2, -1, ""},
		{2, 1 << 40, ""},
	} {
		r := request(t, loopback, "POST", "/")
		r.ProtoMajor, r.ContentLength = row.major, row.length
		res := refuse(r, &penstock.RejectedError{Reason: penstock.ReasonLimit}, penstockhttp.Refusal{})
		if got := res.Header.Get("Connection"); got != row.want {
			t.Errorf("HTTP/%d, %d bytes: Connection %q; want %q", row.major, row.length, got, row.want)
		}
	}
}

func TestRefuseHead(t *testing.T) {
	res := refuse(request(t, loopback, "HEAD", "/"), &penstock.RejectedError{Reason: penstock.ReasonLimit}, penstockhttp.Refusal{})
	if body, err := io.ReadAll(res.Body); res.StatusCode != http.StatusServiceUnavailable || len(body) > 0 || err != nil || res.Header.Get("Retry-After") != "1" {
		t.Errorf("%s, %v, body %q, %v", res.Status, res.Header, body, err)
	}
}

func TestRefuseDrop(t *testing.T) {
	w := httptest.NewRecorder()
	got := panicOf(func() {
		penstockhttp.Refuse(w, request(t, loopback, "GET", "/"), &penstock.RejectedError{}, penstockhttp.Refusal{With: penstockhttp.RefuseDrop})
	})
	if !errors.Is(got, http.ErrAbortHandler) || len(w.Header()) > 0 || w.Body.Len() > 0 {
		t.Errorf("panic %v, %v, %q", got, w.Header(), w.Body)
	}
}

// What handlers outside said of the body that they expected does not describe
// the refusal, and what they change in its fields changes no other response.
func TestRefuseOwnsItsHeader(t *testing.T) {
	for range 2 {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Length", "7")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Etag", `"x"`)
		w.Header().Set("X-Other", "stays")
		penstockhttp.Refuse(w, request(t, loopback, "GET", "/"), &penstock.RejectedError{Reason: penstock.ReasonLimit}, penstockhttp.Refusal{Tell: true})
		h := w.Result().Header
		if h.Get("Content-Length") != "" || h.Get("Content-Encoding") != "" || h.Get("Etag") != "" || h.Get("X-Other") != "stays" {
			t.Errorf("header %v", h)
		}
		if h.Get("Content-Type") != "application/problem+json" {
			t.Errorf("header %v", h)
		}
		for name, values := range w.Header() {
			w.Header().Add(name, "more") // must not overwrite a neighbour
			values[0] = "spoilt"
		}
		for name, values := range w.Header() {
			if len(values) != 2 || values[1] != "more" {
				t.Errorf("%s: %q", name, values)
			}
		}
	}
}

// Whatever the limit is called, and whatever the error says, the body is JSON.
func FuzzProblem(f *testing.F) {
	f.Add("search", uint8(2), int64(1e9), 0.5, uint64(7))
	f.Add("a\\b\"c\t\u2028é", uint8(4), int64(1), 1.0, uint64(1<<63))
	f.Add("q\"\\\x00\x1f\x7f\u2028é\xff</script>", uint8(200), int64(-1), 1e300, uint64(0))
	f.Fuzz(func(t *testing.T, limit string, reason uint8, wait int64, level float64, id uint64) {
		err := &penstock.RejectedError{
			Reason: penstock.Reason(reason), RetryAfter: time.Duration(wait), Pressure: level, ID: penstock.RefusalID(id),
		}
		res := refuse(request(t, loopback, "GET", "/"), err, penstockhttp.Refusal{Limit: limit, Tell: true})
		body, _ := io.ReadAll(res.Body)
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("not JSON: %q", body)
		}
		res.Body = io.NopCloser(strings.NewReader(string(body)))
		p := readProblem(t, res)
		if limit != "" && utf8.ValidString(limit) && *p.Limit != limit {
			t.Fatalf("limit %q, read as %q", limit, *p.Limit)
		}
		if *p.RetryAfterMS < 1 || *p.Pressure < 0 || *p.Pressure > 1 || (p.ID != nil) != (id != 0) {
			t.Fatalf("body %s", body)
		}
	})
}
