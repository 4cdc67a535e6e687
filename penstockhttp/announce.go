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
func Announce(h http.Header, l pressure.Load) {
	values := written(l)
	setAnnouncement(h, values[0:1:1], values[1:2:2])
}

// strip removes what an inner hop has said of itself: it was meant for us.
func strip(h http.Header) {
	delete(h, FieldPressure)
	delete(h, FieldLoad)
}

// written writes both fields into one string.
func written(l pressure.Load) [2]string {
	var buf [announcementBytes]byte
	b := pressure.AppendHeader(buf[:0], l.Signal)
	n := len(b)
	both := string(pressure.AppendLoad(b, l))
	return [2]string{both[:n], both[n:]}
}

// setAnnouncement sets both fields; a load of nil is none. The values' capacities
// keep an Add from writing where others read.
func setAnnouncement(h http.Header, said, load []string) {
	h[FieldPressure] = said
	switch {
	case load != nil:
		h[FieldLoad] = load
	case len(h) > 1: // most answers of nothing else say it alone
		delete(h, FieldLoad)
	}
}
