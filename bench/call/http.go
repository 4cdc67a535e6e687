package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// What one call says and hears, as penstock writes it of an idle server.
const (
	saidWork     = "c=critical, k=3"
	saidDeadline = "59999"
	saidPressure = "level=0.006"
	saidLoad     = "TEXT application_utilization=0.006,rps_fractional=5812.402,eps=0"
)

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// document answers as most handlers do: with a header of its own, which costs
// net/http a map, whoever is the first to want one.
var document = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
})

// busy keeps a processor busy for two microseconds first: what any work of that
// size costs, where a later answer also finds its reader asleep.
func busy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for begun := time.Now(); time.Since(begun) < 2*time.Microsecond; {
			looks.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

var looks atomic.Int64

// httpRows are calls over HTTP/1.1 that next answers, with a deadline, if timeout is
// positive, and else without. Each row has its own server and connection.
func httpRows(ctx context.Context, ctl *admission.Controller, next http.Handler, timeout time.Duration) ([]row, func(), error) {
	sets := func(base http.RoundTripper) http.RoundTripper { return caller{base, timeout > 0} }
	var stop []func()
	var rows []row
	for _, r := range []struct {
		name    string
		handler http.Handler
		client  func(http.RoundTripper) http.RoundTripper
	}{
		{"plain", next, func(base http.RoundTripper) http.RoundTripper { return base }},
		{"by hand", &byHand{next: next, deadline: timeout > 0}, sets},
		{"with care", &carefulHandler{byHand: byHand{next: next, deadline: timeout > 0}}, func(base http.RoundTripper) http.RoundTripper {
			return &carefulCaller{caller: caller{base, timeout > 0}}
		}},
		{"by hand + 2 us", &byHand{next: busy(next), deadline: timeout > 0}, sets},
		{"penstock", penstockhttp.Handler(ctl, next), func(base http.RoundTripper) http.RoundTripper { return &penstockhttp.Transport{Base: base} }},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		s := &http.Server{Handler: r.handler}
		go func() { _ = s.Serve(l) }() // ends with Close
		base := &http.Transport{}
		stop = append(stop, base.CloseIdleConnections, func() { _ = s.Close() })
		client, url := r.client(base), "http://"+l.Addr().String()+"/items/1"
		rows = append(rows, row{r.name, func() error { return get(ctx, client, url) }})
	}
	return rows, func() {
		for _, f := range stop {
			f()
		}
	}, nil
}

// get makes a call and reads its answer to the end.
func get(ctx context.Context, client http.RoundTripper, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header["Accept"] = acceptValue
	res, err := client.RoundTrip(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return err
}

// The values are shared by all calls: that is the least that a field can cost.
var (
	acceptValue   = []string{"application/json"}
	workValue     = []string{saidWork}
	deadlineValue = []string{saidDeadline}
	pressureValue = []string{saidPressure}
	loadValue     = []string{saidLoad}
)

// A caller sets and reads by hand the fields that a penstockhttp.Transport would.
type caller struct {
	http.RoundTripper
	deadline bool
}

func (c caller) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header[penstockhttp.FieldWork] = workValue // r is ours: who must not change it pays for a copy
	if c.deadline {
		r.Header[penstockhttp.FieldDeadline] = deadlineValue
	}
	res, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if len(res.Header[penstockhttp.FieldPressure]) != 1 {
		return res, errMute
	}
	return res, nil
}

// byHand is a handler that reads and sets by hand the fields that a
// penstockhttp.Handler would. Calls come one at a time.
type byHand struct {
	next     http.Handler
	deadline bool
	loadAt   time.Time
}

func (h *byHand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.Header[penstockhttp.FieldWork]) != 1 || h.deadline != (len(r.Header[penstockhttp.FieldDeadline]) == 1) {
		http.Error(w, "fields are missing", http.StatusBadRequest)
		return
	}
	if h.deadline {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		r = r.WithContext(ctx)
	}
	header := w.Header()
	header[penstockhttp.FieldPressure] = pressureValue
	if now := time.Now(); now.Sub(h.loadAt) >= pressure.LoadEvery {
		header[penstockhttp.FieldLoad] = loadValue
		h.loadAt = now
	}
	h.next.ServeHTTP(w, r)
}
