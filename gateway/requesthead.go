package gateway

import (
	"net/http"
	"strings"
)

// A requestHead is a request as it came from a connection, where it is plain: one
// whole header of HTTP/1.1 and not a byte more, of a method that has no body here,
// with one Host, which asks this hop for nothing but to keep the connection. All
// others are special, and are read by net/http alone. So this parser never decides
// that a request is bad, and what it takes must mean the same to net/http:
// FuzzRequestHead. It is only looked at: net/http gets the bytes all the same,
// unless the request is refused.
type requestHead struct {
	method, path, query string
	host                string
	fields              string // the lines of the fields, each with its end
	signals             bool   // some field says who asks, or for what work
}

// parse reads the header that text is.
func (h *requestHead) parse(text string) verdict {
	line, rest, ok := cutLine(text)
	if !ok || !h.requestLine(line) {
		return special
	}
	h.fields = rest
	for {
		line, rest, ok = cutLine(rest)
		switch {
		case !ok:
			return special
		case line != "":
			if !h.field(line) {
				return special
			}
		case rest == "" && h.host != "":
			h.fields = h.fields[:len(h.fields)-len("\r\n")]
			return plain
		default:
			return special
		}
	}
}

// cutLine cuts the first line off, where it ends as it should.
func cutLine(text string) (line, rest string, ok bool) {
	n := strings.IndexByte(text, '\n')
	if n < 1 || text[n-1] != '\r' {
		return "", "", false
	}
	return text[:n-1], text[n+1:], true
}

// requestLine takes the methods that have no body in practice, and paths that
// mean what they say: no escapes, no fragment.
func (h *requestHead) requestLine(line string) bool {
	target, ok := strings.CutSuffix(line, " HTTP/1.1")
	if !ok {
		return false
	}
	h.method, target, ok = strings.Cut(target, " ")
	if !ok || h.method != http.MethodGet && h.method != http.MethodDelete && h.method != http.MethodOptions {
		return false
	}
	h.path, h.query, _ = strings.Cut(target, "?")
	if h.path == "" || h.path[0] != '/' {
		return false
	}
	for i := range len(h.path) {
		if !pathBytes[h.path[i]] {
			return false
		}
	}
	for i := range len(h.query) {
		if c := h.query[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// pathBytes may stand for themselves in a path: RFC 3986, section 3.3.
var pathBytes = alphanumericAnd("-._~!$&'()*+,;=:@/")

// field looks at one field. It reports false where that asks this hop for
// something, or is not well formed.
func (h *requestHead) field(line string) bool {
	name, value, ok := cutField(line)
	if !ok {
		return false
	}
	switch meaningOf(name) {
	case meansNothing:
	case meansSignal:
		h.signals = true
	case meansHost:
		if h.host != "" || !isPlainHost(value) {
			return false
		}
		h.host = value
	case meansConnection:
		return strings.EqualFold(value, "keep-alive")
	case meansWork:
		return false
	}
	return true
}

// cutField cuts a field's line in two, if it is well formed.
func cutField(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	if !ok || name == "" {
		return "", "", false
	}
	for i := range len(name) {
		if !tokenBytes[name[i]] {
			return "", "", false // a continued line has no name, either
		}
	}
	if !validValue(value) {
		return "", "", false
	}
	return name, strings.Trim(value, " \t"), true
}

// A meaning is what a field is to a request that may be refused.
type meaning uint8

const (
	meansNothing    meaning = iota
	meansSignal             // of who asks, and for what: of what classify looks at
	meansHost               // where to
	meansConnection         // how this hop is to go on
	meansWork               // for this hop, or that a body comes
)

// longestMeaning is the length of the longest name that meansX knows, but for
// those that begin with "Penstock-".
const longestMeaning = len("x-envoy-expected-rq-timeout-ms")

// meaningOf knows a field by its name, in any case.
func meaningOf(name string) meaning {
	if hasPrefixFold(name, "Penstock-") {
		return meansSignal
	}
	if len(name) > longestMeaning {
		return meansNothing
	}
	var room [longestMeaning]byte
	low := room[:len(name)]
	for i := range low {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	switch string(low) {
	case "host":
		return meansHost
	case "connection":
		return meansConnection
	case "content-length", "transfer-encoding", "trailer", "expect", "upgrade", "te":
		return meansWork
	case "baggage", "x-envoy-expected-rq-timeout-ms", "x-forwarded-for", "via":
		return meansSignal
	}
	return meansNothing
}

// heard returns the fields that count for a request of the route, and those of
// them that a rule of the route asks for.
func (h *requestHead) heard(rt *route) http.Header {
	if !h.signals && rt.Rate.Header == "" && rt.Criticality.Header == "" {
		return nil
	}
	return h.header(func(name string) bool {
		return meaningOf(name) == meansSignal || strings.EqualFold(name, rt.Rate.Header) || strings.EqualFold(name, rt.Criticality.Header)
	})
}

// header returns the fields whose name counts.
func (h *requestHead) header(counts func(name string) bool) http.Header {
	header := http.Header{}
	for line, rest, ok := cutLine(h.fields); ok; line, rest, ok = cutLine(rest) {
		if name, value, _ := cutField(line); counts(name) {
			header.Add(name, value)
		}
	}
	return header
}
