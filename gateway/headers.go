package gateway

import (
	"net/http"
	"strings"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// pseudonym is how a gateway names itself in Via fields.
const pseudonym = "penstock"

// via is what a gateway adds to a request's Via field (RFC 9110, section 7.6.3).
const via = "1.1 " + pseudonym

// hops counts the gateways that the request came through.
func hops(h http.Header) int {
	n := 0
	for _, v := range h["Via"] {
		n += strings.Count(v, pseudonym)
	}
	return n
}

// rewrite makes the backend's request of the client's. The proxy has removed
// what was meant for this hop. The Host field stays the client's: backends make
// links and cookies of it.
func (x *exchange) rewrite(out *http.Request) {
	in := x.r
	out.URL.Scheme, out.URL.Host, out.URL.User = x.be.url.Scheme, x.be.url.Host, nil
	out.URL.RawQuery = in.URL.RawQuery // as it came, even where it cannot be parsed
	h := out.Header
	stripSignals(h)
	if x.caller.trusted {
		for _, field := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			if v := in.Header[field]; v != nil {
				h[field] = v
			}
		}
	}
	x.forwarded(h, in.Host)
	x.propagate(h)
}

// forwarded adds the peer to what is known of the way here.
func (x *exchange) forwarded(h http.Header, host string) {
	peer := x.caller.name
	if v := h["X-Forwarded-For"]; len(v) > 0 {
		peer = strings.Join(v, ", ") + ", " + peer
	}
	values := new([3]string) // one allocation; capacities keep the fields apart
	values[0], values[1], values[2] = peer, host, via
	h["X-Forwarded-For"] = values[0:1:1]
	if h["X-Forwarded-Host"] == nil {
		h["X-Forwarded-Host"] = values[1:2:2]
	}
	if h["X-Forwarded-Proto"] == nil {
		h["X-Forwarded-Proto"] = plainHTTP
	}
	if v := h["Via"]; v != nil {
		h["Via"] = append(v, via)
	} else {
		h["Via"] = values[2:3:3]
	}
}

// plainHTTP is shared by many headers, which nobody changes.
var plainHTTP = []string{"http"}

// propagate says what work it is, and how much time is left for it.
func (x *exchange) propagate(h http.Header) {
	h[penstockhttp.FieldWork] = workField(x.work)
	if !x.work.HasDeadline {
		return
	}
	var b [24]byte
	left := string(pressure.AppendDeadline(b[:0], x.work.Deadline.Sub(mono.Now())))
	h[penstockhttp.FieldDeadline] = []string{left}
	if h[penstockhttp.FieldEnvoy] != nil {
		h[penstockhttp.FieldEnvoy] = []string{left}
	}
}

// workFields are the fields of first attempts: made once, shared, never changed.
var workFields = func() (fields [penstock.Criticalities][penstock.Cohorts][]string) {
	for c := range fields {
		for k := range fields[c] {
			w := penstock.Work{Criticality: penstock.Criticality(c), Cohort: penstock.CohortAt(uint64(k))}
			fields[c][k] = []string{string(pressure.AppendWork(nil, w))}
		}
	}
	return fields
}()

func workField(w penstock.Work) []string {
	if w.Attempt <= 1 && int(w.Criticality) < len(workFields) {
		return workFields[w.Criticality][w.Cohort.Index()]
	}
	return []string{string(pressure.AppendWork(nil, w))}
}

// stripSignals removes what is meant for this hop alone: each penstock writes
// its own.
func stripSignals(h http.Header) {
	for name := range h {
		if isSignal(name) {
			delete(h, name)
		}
	}
}

// isSignal reports whether a field, by its canonical name, is such a one.
func isSignal[T string | []byte](name T) bool {
	const own, load = "Penstock-", penstockhttp.FieldLoad
	return len(name) >= len(own) && string(name[:len(own)]) == own || len(name) >= len(load) && string(name[:len(load)]) == load
}

// present prepares the answer's header for the client.
func (x *exchange) present(res *http.Response) {
	stripSignals(res.Header)
	stripSignals(res.Trailer)
	if res.StatusCode != http.StatusSwitchingProtocols {
		x.prepare()
	}
	if res.Header["Content-Type"] == nil {
		x.w.Header()["Content-Type"] = nil // net/http is not to guess one
	}
	x.tell(x.w.Header())
	x.rt.counts.answered(res.StatusCode)
	x.begun = true
}

// prepare decides whether the connection can serve again after this answer. It
// cannot where the answer begins before the request's body has ended: the rest
// of it would be taken for the next request.
func (x *exchange) prepare() {
	if x.closes || x.unread() || x.g.draining.Load() {
		x.w.Header()["Connection"] = closing
	}
}

var closing = []string{"close"}
