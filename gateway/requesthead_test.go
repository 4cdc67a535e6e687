package gateway_test

import (
	"bufio"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

const plainRequest = "GET /a/b;c=1,2/$&'()*+!~@:?x=%zz&y=[\"] HTTP/1.1\r\nHost: Shop.example:80\r\nUSER-agent:\t x y \t\r\n" +
	"Accept:\r\nconnection: Keep-Alive\r\nX-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 127.0.0.1\r\nX-Odd: \xff\r\n\r\n"

// A plain header is known whole at its last byte, and neither before nor behind.
func TestRequestHeadInPieces(t *testing.T) {
	for n := range len(plainRequest) {
		if _, ok := gateway.ParseRequest(plainRequest[:n]); ok {
			t.Fatalf("%q is plain", plainRequest[:n])
		}
	}
	for _, more := range []string{"\n", "\r\n", "G", plainRequest} {
		if _, ok := gateway.ParseRequest(plainRequest + more); ok {
			t.Fatalf("with %q behind it, it is plain", more)
		}
	}
	got, ok := gateway.ParseRequest(plainRequest)
	want := gateway.RequestHead{
		Method: "GET", Path: "/a/b;c=1,2/$&'()*+!~@:", Query: "x=%zz&y=[\"]", Host: "Shop.example:80",
		Header: http.Header{"User-Agent": {"x y"}, "Accept": {""}, "X-Forwarded-For": {"203.0.113.9", "127.0.0.1"}, "X-Odd": {"\xff"}},
	}
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("plain %t:\n%+v, want\n%+v", ok, got, want)
	}
}

// What is plain, and what net/http has to read.
func TestRequestHeads(t *testing.T) {
	const get, host = "GET / HTTP/1.1\r\n", "Host: a\r\n"
	for _, tt := range []struct {
		name, text string
		plainly    bool
	}{
		{"get", get + host, true},
		{"delete", "DELETE /x HTTP/1.1\r\n" + host, true},
		{"options", "OPTIONS /x HTTP/1.1\r\n" + host, true},
		{"a fragment in the query", "GET /?# HTTP/1.1\r\n" + host, false},
		{"an empty query", "GET /? HTTP/1.1\r\n" + host, true},
		{"an address", get + "Host: [::1]:80\r\n", true},
		{"keep alive", get + host + "Connection: keep-alive\r\nKeep-Alive: 5\r\n", true},

		{"nothing", "", false},
		{"an empty line first", "\r\n" + get + host, false},
		{"head", "HEAD / HTTP/1.1\r\n" + host, false},
		{"post", "POST / HTTP/1.1\r\n" + host, false},
		{"connect", "CONNECT a:80 HTTP/1.1\r\n" + host, false},
		{"preface", "PRI * HTTP/2.0\r\n", false},
		{"lower case", "get / HTTP/1.1\r\n" + host, false},
		{"1.0", "GET / HTTP/1.0\r\n" + host, false},
		{"1.2", "GET / HTTP/1.2\r\n" + host, false},
		{"no version", "GET /\r\n" + host, false},
		{"no target", "GET HTTP/1.1\r\n" + host, false},
		{"two blanks", "GET  / HTTP/1.1\r\n" + host, false},
		{"a blank at the end", "GET / HTTP/1.1 \r\n" + host, false},
		{"a blank in the target", "GET /a b HTTP/1.1\r\n" + host, false},
		{"all", "OPTIONS * HTTP/1.1\r\n" + host, false},
		{"absolute", "GET http://a/ HTTP/1.1\r\n" + host, false},
		{"an escape", "GET /%61 HTTP/1.1\r\n" + host, false},
		{"a fragment", "GET /a#b HTTP/1.1\r\n" + host, false},
		{"beyond ASCII", "GET /\xc3\xbc HTTP/1.1\r\n" + host, false},
		{"beyond ASCII, in the query", "GET /?\xc3\xbc HTTP/1.1\r\n" + host, false},
		{"no host", get, false},
		{"an empty host", get + "Host:\r\n", false},
		{"two hosts", get + host + host, false},
		{"an odd host", get + "Host: a/b\r\n", false},
		{"a length", get + host + "Content-Length: 0\r\n", false},
		{"chunks", get + host + "transfer-encoding: chunked\r\n", false},
		{"expects", get + host + "Expect: 100-continue\r\n", false},
		{"an upgrade", get + host + "Upgrade: websocket\r\n", false},
		{"a trailer", get + host + "Trailer: x\r\n", false},
		{"te", get + host + "TE: trailers\r\n", false},
		{"close", get + host + "Connection: close\r\n", false},
		{"fields for this hop", get + host + "Connection: keep-alive, x\r\n", false},
		{"no option", get + host + "Connection:\r\n", false},
		{"bare line ends", "GET / HTTP/1.1\nHost: a\n", false},
		{"one bare line end", get + "Host: a\n", false},
		{"a CR within", get + host + "X: a\rb\r\n", false},
		{"a NUL", get + host + "X: a\x00\r\n", false},
		{"a continued line", get + host + "X: a\r\n b\r\n", false},
		{"a blank before the colon", get + "Host : a\r\n", false},
		{"a blank before the name", get + " Host: a\r\n", false},
		{"no name", get + host + ": x\r\n", false},
		{"no colon", get + host + "x\r\n", false},
	} {
		if h, ok := gateway.ParseRequest(tt.text + "\r\n"); ok != tt.plainly {
			t.Errorf("%s: plain %t: %+v", tt.name, ok, h)
		}
	}
}

// What the parser takes for plain means the same to net/http, field by field,
// and is all that it would read.
func FuzzRequestHead(f *testing.F) {
	f.Add(plainRequest)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE //a/../b?? HTTP/1.1\r\nhost:a\r\nPragma: no-cache\r\n\r\n",
		"OPTIONS /: HTTP/1.1\r\nHost: []\r\nVia: x\r\nvia: \ty\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := gateway.ParseRequest(text)
		if !ok {
			return
		}
		in := bufio.NewReader(strings.NewReader(text))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("net/http: %v", err)
		}
		if in.Buffered() > 0 || r.ContentLength != 0 || r.Body != http.NoBody || len(r.Trailer) > 0 || r.Close || !r.ProtoAtLeast(1, 1) {
			t.Errorf("to net/http something comes behind it: %+v", r)
		}
		if r.Method != h.Method || r.URL.Path != h.Path || r.URL.RawQuery != h.Query || r.Host != h.Host {
			t.Errorf("%+v; to net/http %s %q %q", h, r.Method, r.URL, r.Host)
		}
		if r.URL.Host != "" || r.URL.Opaque != "" || r.URL.Fragment != "" || r.URL.User != nil {
			t.Errorf("the target is more to net/http: %+v", r.URL)
		}
		delete(r.Header, "Connection")
		if _, ok := h.Header["Cache-Control"]; !ok {
			delete(r.Header, "Cache-Control") // made of Pragma
		}
		if !maps.EqualFunc(r.Header, h.Header, slices.Equal) {
			t.Errorf("%q, to net/http %q", h.Header, r.Header)
		}
	})
}
