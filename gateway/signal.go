package gateway

import (
	"net/http"
	"sync/atomic"

	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// A signalCache holds the rates that answers report: finished work per second,
// and how much of it failed. The watch renews it once a second.
type signalCache struct{ rates atomic.Pointer[rates] }

type rates struct{ rps, eps float64 }

// told is a route's signal as header fields. It is made again when the signal
// has changed: once per tick of the controller, not per answer.
type told struct {
	signal pressure.Signal
	rates  *rates
	own    []string // Penstock-Pressure
	orca   []string // endpoint-load-metrics
}

// tells reports whether this caller may know the pressure.
func (x *exchange) tells() bool {
	return x.t.expose == ExposeAll || x.t.expose == ExposeTrusted && x.caller.trusted
}

// tell adds the pressure signal, for those who may know.
func (x *exchange) tell(h http.Header) {
	if !x.tells() {
		return
	}
	now := x.signalNow()
	h[penstockhttp.FieldPressure], h[penstockhttp.FieldLoad] = now.own, now.orca
}

// signalNow is the route's signal as header fields.
func (x *exchange) signalNow() *told {
	now := x.rt.told.Load()
	s, r := x.g.ctl.PressureRoute(x.rt.index), x.g.signal.rates.Load()
	if now == nil || now.signal != s || now.rates != r {
		now = newTold(s, r)
		x.rt.told.Store(now)
	}
	return now
}

// load is the signal with the rates.
func load(s pressure.Signal, r *rates) pressure.Load {
	if r == nil {
		return pressure.Load{Signal: s}
	}
	return pressure.Load{Signal: s, RPS: r.rps, EPS: r.eps}
}

func newTold(s pressure.Signal, r *rates) *told {
	return &told{
		signal: s, rates: r,
		own:  []string{string(pressure.AppendHeader(nil, s))},
		orca: []string{string(pressure.AppendLoad(nil, load(s, r)))},
	}
}

// reportOf is what a penstock in the backend says of itself.
func reportOf(h http.Header) (pressure.Signal, bool) {
	if v := h[penstockhttp.FieldPressure]; len(v) == 1 {
		return pressure.Parse(v[0])
	}
	return pressure.Signal{}, false
}
