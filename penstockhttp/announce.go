package penstockhttp

import (
	"net/http"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// Expose says who is told the pressure.
type Expose uint8

// The audiences of the pressure signal.
const (
	ExposeAll     Expose = iota // everyone
	ExposeTrusted               // the callers that [WithTrust] names
	ExposeNone
)

func (e Expose) tells(trusted bool) bool { return e == ExposeAll || e == ExposeTrusted && trusted }

// announcementBytes holds both fields of the longest announcement.
const announcementBytes = 256

// Announce sets the response fields Penstock-Pressure and endpoint-load-metrics
// to l, replacing whatever was there: both speak of this hop alone.
func Announce(h http.Header, l pressure.Load) {
	values := written(l, l.Signal)
	setAnnouncement(h, values[:])
}

// announcement is what to tell now of ourselves and of path, what the work's
// callees said. ORCA's report stays our own, as balancers choose among us by it;
// where it is not due it is "".
func (h *handler) announcement(path pressure.Signal) (values [2]string) {
	own := pressure.Load{Signal: h.ctl.PressureRoute(h.route)}
	merged := pressure.Merge(own.Signal, path)
	now := mono.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	values[0] = h.announcer.Pressure(merged)
	if h.announcer.LoadDue(now) {
		own.RPS, own.EPS = h.meter.Rates(now)
		var buf [announcementBytes]byte
		values[1] = string(pressure.AppendLoad(buf[:0], own))
	}
	return values
}

// strip removes what an inner hop has said of itself: it was meant for us.
func strip(h http.Header) {
	delete(h, FieldPressure)
	delete(h, FieldLoad)
}

// written writes both fields into one string.
func written(l pressure.Load, merged pressure.Signal) [2]string {
	var buf [announcementBytes]byte
	b := pressure.AppendHeader(buf[:0], merged)
	n := len(b)
	both := string(pressure.AppendLoad(b, l))
	return [2]string{both[:n], both[n:]}
}

// setAnnouncement makes each of two values the only one of its field; a load of ""
// is none. The capacities keep an Add to one field from writing into the other.
func setAnnouncement(h http.Header, values []string) {
	h[FieldPressure] = values[0:1:1]
	if values[1] == "" {
		delete(h, FieldLoad)
		return
	}
	h[FieldLoad] = values[1:2:2]
}
