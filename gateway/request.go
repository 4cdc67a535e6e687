package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// isPlain reports whether the request can go to the backend by a wire, written
// from the client's own: its body is there, and it came over the gateway's own
// listener, whose parser has checked every byte of it.
func (x *exchange) isPlain() bool {
	return x.conn != nil && (x.body == nil || x.ahead != nil && x.ahead.complete) &&
		len(x.r.Trailer) == 0 && x.r.URL.Opaque == "" && isPlainHost(x.r.Host)
}

// isPlainHost reports whether the Host field goes on as it is. An empty one, an
// international one and a zone are for net/http.
func isPlainHost(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', c == '.', c == '-', c == ':', c == '_', c == '[', c == ']':
		default:
			return false
		}
	}
	return host != ""
}

// appendHead appends the header of the backend's request, made of the client's as
// rewrite does. It reports false where the client's says something that this hop
// must act upon: then the request is for the proxy.
func (x *exchange) appendHead(b []byte) ([]byte, bool) {
	r := x.r
	b = append(append(b, r.Method...), ' ')
	b = appendTarget(b, r)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), r.Host...)
	b = append(b, "\r\n"...)
	for name, values := range r.Header {
		switch name {
		case "Te", "Upgrade", "Expect", "Proxy-Connection":
			return b, false
		case "Connection":
			if len(values) != 1 || !strings.EqualFold(values[0], "keep-alive") && !strings.EqualFold(values[0], "close") {
				return b, false // it names fields
			}
			continue
		case "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Trailer", "Transfer-Encoding", "Content-Length":
			continue // for this hop alone, or written below
		case "Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
			continue // written below, where they may stay
		case penstockhttp.FieldEnvoy:
			if x.work.HasDeadline {
				continue // written below
			}
		}
		if isSignal(name) {
			continue
		}
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	return append(x.appendOwn(b), "\r\n"...), true
}

// appendOwn appends the fields that the gateway itself writes.
func (x *exchange) appendOwn(b []byte) []byte {
	r := x.r
	b = append(b, "X-Forwarded-For: "...)
	if x.caller.trusted {
		for _, v := range r.Header["X-Forwarded-For"] {
			b = append(append(b, v...), ", "...)
		}
	}
	b = append(append(b, x.caller.name...), "\r\n"...)
	b = x.appendKnown(b, "X-Forwarded-Host", r.Host)
	b = x.appendKnown(b, "X-Forwarded-Proto", "http")
	for _, v := range r.Header["Via"] {
		b = appendField(b, "Via", v)
	}
	b = appendField(b, "Via", via)
	b = appendField(b, penstockhttp.FieldWork, workField(x.work)[0])
	if x.work.HasDeadline {
		left := x.work.Deadline.Sub(mono.Now())
		b = pressure.AppendDeadline(append(b, penstockhttp.FieldDeadline+": "...), left)
		b = append(b, "\r\n"...)
		if r.Header[penstockhttp.FieldEnvoy] != nil {
			b = pressure.AppendDeadline(append(b, penstockhttp.FieldEnvoy+": "...), left)
			b = append(b, "\r\n"...)
		}
	}
	n := 0
	if x.ahead != nil {
		n = len(x.ahead.data)
	}
	if n > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, int64(n), 10), "\r\n"...)
	}
	return b
}

// appendKnown appends what a trusted caller says in the field, or else value.
func (x *exchange) appendKnown(b []byte, name, value string) []byte {
	known := x.r.Header[name]
	if !x.caller.trusted || known == nil {
		return appendField(b, name, value)
	}
	for _, v := range known {
		b = appendField(b, name, v)
	}
	return b
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// appendTarget appends the path and the query as net/http would write them.
func appendTarget(b []byte, r *http.Request) []byte {
	u := r.URL
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	b = append(b, path...)
	if u.ForceQuery || u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	return b
}
