package gateway_test

import (
	"bufio"
	"bytes"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/gateway"
)

const plainAnswer = "HTTP/1.1 200 OK\r\nserver: me\r\nDATE: yesterday\r\nSet-Cookie: a=1\r\nContent-Length:  12 \t\r\nset-cookie: b=2\r\n" +
	"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nPenstock-Pressure: level=0.5\r\nEndpoint-Load-Metrics: TEXT cpu=1\r\nX-Empty:\r\n\r\n"

// A plain header is known whole at its last byte and not before, wherever it is
// cut.
func TestAnswerHeadInPieces(t *testing.T) {
	for n := range len(plainAnswer) {
		if _, plainly, whole := gateway.ParseAnswer([]byte(plainAnswer[:n]), http.MethodGet); plainly || whole {
			t.Fatalf("%q: plain %t, whole %t", plainAnswer[:n], plainly, whole)
		}
	}
	got, plainly, _ := gateway.ParseAnswer([]byte(plainAnswer+"hello, world"), http.MethodGet)
	want := gateway.AnswerHead{
		Status: 200, Length: 12, Size: len(plainAnswer), Report: "level=0.5",
		Header: http.Header{"Server": {"me"}, "Date": {"yesterday"}, "Set-Cookie": {"a=1", "b=2"}, "Content-Length": {"12"}, "X-Empty": {""}},
	}
	if !plainly || !reflect.DeepEqual(got, want) {
		t.Errorf("plain %t:\n%+v, want\n%+v", plainly, got, want)
	}
}

// What is plain, and what net/http has to read.
func TestAnswerHeads(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name, method, text string
		plainly            bool
		length             int64
		closes             bool
	}{
		{"a length", "GET", ok + "Content-Length: 5\r\n\r\n", true, 5, false},
		{"no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", true, 0, false},
		{"an empty reason", "GET", "HTTP/1.1 299 \r\nContent-Length: 1\r\n\r\n", true, 1, false},
		{"close", "GET", ok + "Content-Length: 5\r\nConnection: CLOSE\r\n\r\n", true, 5, true},
		{"to HEAD", "HEAD", ok + "Content-Length: 5\r\n\r\n", true, 0, false},
		{"to HEAD, no length", "HEAD", ok + "\r\n", true, 0, false},
		{"no content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", true, 0, false},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true, 0, false},
		{"a type", "GET", ok + "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n", true, 5, false},

		{"until the end", "GET", ok + "\r\n", false, 0, false},
		{"chunks", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n", false, 0, false},
		{"a length beside chunks", "GET", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false, 0, false},
		{"chunks beside a length", "GET", ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"two lengths", "GET", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", false, 0, false},
		{"a length twice", "GET", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a list of lengths", "GET", ok + "Content-Length: 5, 5\r\n\r\n", false, 0, false},
		{"a signed length", "GET", ok + "Content-Length: +5\r\n\r\n", false, 0, false},
		{"a negative length", "GET", ok + "Content-Length: -5\r\n\r\n", false, 0, false},
		{"no digits", "GET", ok + "Content-Length: \r\n\r\n", false, 0, false},
		{"a huge length", "GET", ok + "Content-Length: 9999999999999999999\r\n\r\n", false, 0, false},
		{"a trailer", "GET", ok + "Trailer: X\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"an upgrade", "GET", ok + "Upgrade: h2c\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"interim", "GET", "HTTP/1.1 103 Early Hints\r\n\r\n", false, 0, false},
		{"switching", "GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", false, 0, false},
		{"1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"2.0", "GET", "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"lower case", "GET", "http/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a short status", "GET", "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a long status", "GET", "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a status of letters", "GET", "HTTP/1.1 2xx OK\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a NUL in the reason", "GET", "HTTP/1.1 200 O\x00K\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"bare line ends", "GET", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", false, 0, false},
		{"one bare line end", "GET", ok + "Content-Length: 5\n\r\n", false, 0, false},
		{"an early empty line", "GET", ok + "\n", false, 0, false},
		{"a CR within", "GET", ok + "X: a\rb\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a NUL", "GET", ok + "X: a\x00b\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a continued line", "GET", ok + "X: a\r\n b\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"a blank before the colon", "GET", ok + "Content-Length : 5\r\n\r\n", false, 0, false},
		{"no name", "GET", ok + ": x\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"no colon", "GET", ok + "X\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"fields for this hop", "GET", ok + "Connection: X-Mine\r\nX-Mine: 1\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"two options", "GET", ok + "Connection: keep-alive, close\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"an event stream", "GET", ok + "Content-Type: Text/Event-Stream;x\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"many fields", "GET", ok + strings.Repeat("X: 1\r\n", 200) + "Content-Length: 5\r\n\r\n", false, 0, false},
	}
	for _, tt := range tests {
		h, plainly, whole := gateway.ParseAnswer([]byte(tt.text), tt.method)
		if !whole || plainly != tt.plainly || h.Length != tt.length || h.Closes != tt.closes {
			t.Errorf("%s: whole %t, plain %t, %+v", tt.name, whole, plainly, h)
		}
	}
}

// What the parser takes for plain means the same to net/http, field by field.
// Where it takes less, net/http reads the answer instead, so it is nowhere
// stricter or laxer in the end.
func FuzzAnswerHead(f *testing.F) {
	f.Add([]byte(plainAnswer), "GET")
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 304 x\r\nContent-Length: 5\r\nEtag: \"\xff\"\r\n\r\n",
		"HTTP/1.1 204 \r\nConnection: close\r\n\r\n", "HTTP/1.1 999 \r\nx-y--z: \t a \t b \r\ncontent-length: 00\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(text), "GET")
		f.Add([]byte(text), "HEAD")
	}
	f.Fuzz(func(t *testing.T, data []byte, method string) {
		if len(data) > 64<<10 {
			return
		}
		h, plainly, _ := gateway.ParseAnswer(bytes.Clone(data), method)
		if !plainly {
			return
		}
		in := bytes.NewReader(data)
		buffered := bufio.NewReader(in)
		res, err := http.ReadResponse(buffered, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http: %v", err)
		}
		if read := len(data) - in.Len() - buffered.Buffered(); read != h.Size {
			t.Errorf("the header has %d bytes, to net/http %d", h.Size, read)
		}
		length := res.ContentLength
		if res.Body == http.NoBody {
			length = 0
		}
		if res.StatusCode != h.Status || length != h.Length || res.Close != h.Closes || len(res.TransferEncoding) > 0 || len(res.Trailer) > 0 {
			t.Errorf("%+v; to net/http status %d, length %d, close %t, coding %v, trailer %v",
				h, res.StatusCode, length, res.Close, res.TransferEncoding, res.Trailer)
		}
		for name := range maps.Clone(res.Header) {
			hop := slices.Contains([]string{"Connection", "Keep-Alive", "Proxy-Connection"}, name)
			if hop || strings.HasPrefix(name, "Penstock-") || strings.HasPrefix(name, "Endpoint-Load-Metrics") {
				delete(res.Header, name)
			}
		}
		if !maps.EqualFunc(res.Header, h.Header, slices.Equal) {
			t.Errorf("%q, to net/http %q", h.Header, res.Header)
		}
	})
}
