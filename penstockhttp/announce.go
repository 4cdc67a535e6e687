package penstockhttp

import (
	"net/http"

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
func Announce(h http.Header, l pressure.Load) { announce(h, new([2]string), l, l.Signal) }

// announce is Announce where the work needed others: merged is what is known of
// them and of us. ORCA's report stays our own, as balancers choose among us by
// it. The values are kept in a place that lives as long as h.
func announce(h http.Header, values *[2]string, own pressure.Load, merged pressure.Signal) {
	values[0], values[1] = announcement(own, merged)
	setAnnouncement(h, values[:])
}

// strip removes what an inner hop has said of itself: it was meant for us.
func strip(h http.Header) {
	delete(h, FieldPressure)
	delete(h, FieldLoad)
}

// announcement writes both fields into one string.
func announcement(l pressure.Load, merged pressure.Signal) (signal, load string) {
	var buf [announcementBytes]byte
	b := pressure.AppendHeader(buf[:0], merged)
	n := len(b)
	both := string(pressure.AppendLoad(b, l))
	return both[:n], both[n:]
}

// setAnnouncement makes each of two values the only one of its field. The
// capacities keep an Add to one field from writing into the other.
func setAnnouncement(h http.Header, values []string) {
	h[FieldPressure] = values[0:1:1]
	h[FieldLoad] = values[1:2:2]
}
