package gateway

import (
	"bytes"

	"github.com/penstock-go/penstock/penstockhttp"
)

// An answerHead is an answer's header as it lies in a wire's buffer, where the
// answer is plain: the final one, of HTTP/1.1, with a length that is known, and
// nothing that this hop would have to act upon. All others are special, and are
// read by net/http: chunks, trailers, interim answers, protocol switches, HTTP/1.0,
// event streams, and whatever is not well formed. So this parser never decides
// that an answer is bad, and what it takes must mean the same to net/http:
// FuzzAnswerHead.
type answerHead struct {
	status int
	length int64 // of the body
	closes bool  // the backend closes the connection behind the answer
	dated  bool  // has a field Date
	typed  bool  // has a field Content-Type
	size   int   // bytes of the header, its empty line included
	report span  // the value of Penstock-Pressure, where there is one
	fields []field
}

// A field is a header field that goes to the client, its name in canonical form.
type field struct{ name, value span }

// A span is a part of the buffer.
type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// A verdict is what there is to be said of the bytes of an answer so far.
type verdict uint8

const (
	incomplete verdict = iota
	plain
	special
)

const (
	// maxPlainFields bounds the fields of a plain header.
	maxPlainFields = 128
	// maxLengthDigits keeps a length within an int64.
	maxLengthDigits = 18
)

// parse reads the header at the start of b, of the answer to a request of this
// method. It writes to b: the names of fields take their canonical form.
func (h *answerHead) parse(b []byte, method string) verdict {
	*h = answerHead{fields: h.fields[:0], length: -1}
	line, at, v := lineOf(b, 0)
	if v == plain {
		v = h.statusLine(line.of(b))
	}
	for v == plain {
		if line, at, v = lineOf(b, at); v != plain {
			break
		}
		if line.from == line.to {
			h.size = at
			return h.conclude(method)
		}
		v = h.field(b, line)
	}
	return v
}

// lineOf returns the line that begins at from, without its end, and where the
// next one begins.
func lineOf(b []byte, from int) (line span, next int, v verdict) {
	n := bytes.IndexByte(b[from:], '\n')
	switch {
	case n < 0:
		return span{}, 0, incomplete
	case n == 0 || b[from+n-1] != '\r':
		return span{}, 0, special
	}
	return span{from, from + n - 1}, from + n + 1, plain
}

func (h *answerHead) statusLine(line []byte) verdict {
	const version = "HTTP/1.1 "
	const end = len(version) + 3
	if len(line) < end || string(line[:len(version)]) != version || len(line) > end && line[end] != ' ' {
		return special
	}
	for _, c := range line[len(version):end] {
		if c < '0' || c > '9' {
			return special
		}
		h.status = 10*h.status + int(c-'0')
	}
	if h.status < 200 || !validValue(line[end:]) {
		return special
	}
	return plain
}

// field reads one field.
func (h *answerHead) field(b []byte, line span) verdict {
	colon := bytes.IndexByte(line.of(b), ':')
	if colon <= 0 || !canonical(b[line.from:line.from+colon]) {
		return special // a continued line has no name, either
	}
	f := field{span{line.from, line.from + colon}, trimmed(b, span{line.from + colon + 1, line.to})}
	name, value := f.name.of(b), f.value.of(b)
	if !validValue(value) || len(h.fields) == maxPlainFields {
		return special
	}
	switch string(name) {
	case "Content-Length":
		if h.length >= 0 || !h.setLength(value) {
			return special
		}
	case "Transfer-Encoding", "Trailer", "Upgrade", "Te", "Proxy-Authenticate", "Proxy-Authorization":
		return special
	case "Connection":
		return h.connection(value)
	case "Keep-Alive", "Proxy-Connection":
		return plain // for this hop alone
	case penstockhttp.FieldPressure:
		if h.report != (span{}) {
			return special
		}
		h.report = f.value
		return plain
	case "Content-Type":
		if h.typed || len(value) >= len(eventStream) && bytes.EqualFold(value[:len(eventStream)], []byte(eventStream)) {
			return special
		}
		h.typed = true
	case "Date":
		h.dated = true
	}
	if isSignal(name) {
		return plain // for this hop alone
	}
	h.fields = append(h.fields, f)
	return plain
}

// connection reads the options that there are in practice; others name fields.
func (h *answerHead) connection(value []byte) verdict {
	switch {
	case bytes.EqualFold(value, []byte("close")):
		h.closes = true
	case !bytes.EqualFold(value, []byte("keep-alive")):
		return special
	}
	return plain
}

func (h *answerHead) setLength(value []byte) bool {
	if len(value) == 0 || len(value) > maxLengthDigits {
		return false
	}
	h.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
		h.length = 10*h.length + int64(c-'0')
	}
	return true
}

// conclude decides what follows the header.
func (h *answerHead) conclude(method string) verdict {
	switch {
	case isEmptyAnswer(method, h.status):
		h.length = 0
	case h.length < 0:
		return special // its end is that of the connection
	}
	return plain
}

// trimmed is s without blanks around it.
func trimmed(b []byte, s span) span {
	for s.from < s.to && isBlank(b[s.from]) {
		s.from++
	}
	for s.from < s.to && isBlank(b[s.to-1]) {
		s.to--
	}
	return s
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// validValue reports whether a value has no byte that RFC 9110, section 5.5,
// forbids.
func validValue[T string | []byte](v T) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// canonical gives a field's name its canonical form, unless it is no token (RFC
// 9110, section 5.6.2).
func canonical(name []byte) bool {
	first := true
	for i, c := range name {
		if !tokenBytes[c] {
			return false
		}
		if first && 'a' <= c && c <= 'z' {
			name[i] = c - 'a' + 'A'
		} else if !first && 'A' <= c && c <= 'Z' {
			name[i] = c - 'A' + 'a'
		}
		first = c == '-'
	}
	return true
}

// tokenBytes may stand in a field's name: RFC 9110, section 5.6.2.
var tokenBytes = alphanumericAnd("!#$%&'*+-.^_`|~")

func alphanumericAnd(others string) (t [256]bool) {
	for c := range t {
		t[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for _, c := range []byte(others) {
		t[c] = true
	}
	return t
}
