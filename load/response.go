package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// Bounds on what is believed of an answer.
const (
	// MaxHeaderBytes bounds an answer's header, interim answers and trailers
	// included.
	MaxHeaderBytes = 256 << 10
	maxLine        = 4 << 10 // of a line that matters; others may be longer
	maxProblem     = 4 << 10 // how much of a refusal's body is read for its reason
	maxRetryAfter  = time.Hour
)

// errProtocol marks answers that break the rules of HTTP/1.1 (RFC 9112) or
// exceed a bound.
var errProtocol = errors.New("load: malformed answer")

func malformed(what string) error { return fmt.Errorf("%w: %s", errProtocol, what) }

// response is what the generator wants to know of an answer.
type response struct {
	status     int
	keep       bool // the connection may carry another request
	bytes      int64
	retryAfter time.Duration
	reason     string // of a refusal that gives one
}

// responseReader reads answers from one connection, one after the other. It
// keeps nothing of a body but the first bytes of a refusal's.
type responseReader struct {
	br      *bufio.Reader
	src     io.Reader // what br reads from
	header  int       // bytes of header that may still come
	problem []byte    // the refusal's body, reused
}

func newResponseReader(src io.Reader) *responseReader {
	return &responseReader{br: bufio.NewReaderSize(src, maxLine), src: src}
}

// fields are the header fields that matter.
type fields struct {
	length     int64 // Content-Length, -1 if absent
	coded      bool  // there is a Transfer-Encoding
	chunked    bool  // and it ends with chunked
	closes     bool  // Connection: close
	keepsAlive bool  // Connection: keep-alive, which matters to HTTP/1.0
	json       bool
	retryAfter time.Duration
}

// read reads one final answer with its body. headOnly says that the request was
// a HEAD, whose answer has no body. An error is errProtocol, or what the
// connection said; io.ErrUnexpectedEOF if it ended too early.
func (r *responseReader) read(headOnly bool) (response, error) {
	r.header = MaxHeaderBytes
	for {
		minor, status, err := r.statusLine()
		if err != nil {
			return response{}, err
		}
		f, err := r.fields()
		if err != nil {
			return response{}, err
		}
		if status == 101 {
			return response{}, malformed("an upgrade that nobody asked for")
		}
		if minor == 0 && f.coded {
			return response{}, malformed("a transfer coding in HTTP/1.0") // RFC 9112, section 6.1
		}
		if status < 200 {
			continue // interim
		}
		res := response{status: status, retryAfter: f.retryAfter}
		res.keep = !f.closes && (minor > 0 || f.keepsAlive)
		if err := r.body(&res, f, headOnly); err != nil {
			return response{}, err
		}
		if r.br.Buffered() > 0 {
			res.keep = false // more than was asked for
		}
		return res, nil
	}
}

// line returns the next line without its end. It is valid until the next read.
// A line that does not fit the buffer is nil if skipLong, else an error.
func (r *responseReader) line(skipLong bool) ([]byte, error) {
	line, err := r.br.ReadSlice('\n')
	r.header -= len(line)
	long := false
	for errors.Is(err, bufio.ErrBufferFull) && skipLong && r.header > 0 {
		long = true
		line, err = r.br.ReadSlice('\n')
		r.header -= len(line)
	}
	switch {
	case r.header <= 0 || errors.Is(err, bufio.ErrBufferFull):
		return nil, malformed("a header beyond its bound")
	case err != nil:
		return nil, unexpected(err)
	case long:
		return nil, nil
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// unexpected turns the end of a connection into a premature one.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// statusLine reads HTTP/1.x SP 3DIGIT [SP reason].
func (r *responseReader) statusLine() (minor, status int, err error) {
	line, err := r.line(false)
	if err != nil {
		return 0, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, 0, malformed("no HTTP/1 status line")
	}
	minor = int(line[7] - '0')
	status, ok := digits(line[9:12])
	if !ok || status < 100 || minor < 0 || minor > 9 {
		return 0, 0, malformed("no HTTP/1 status line")
	}
	return minor, status, nil
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}

// fields reads up to the empty line.
func (r *responseReader) fields() (fields, error) {
	f := fields{length: -1}
	for {
		line, err := r.line(true)
		if err != nil {
			return f, err
		}
		if line == nil {
			continue // a long one, skipped: no field that matters is so long
		}
		if len(line) == 0 {
			return f, nil
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			return f, malformed("a header line without a field name")
		}
		if err := f.set(name, bytes.Trim(value, " \t")); err != nil {
			return f, err
		}
	}
}

// set takes in one field. Names are told apart by length first: that settles
// most of them without a comparison.
func (f *fields) set(name, value []byte) error {
	switch len(name) {
	case len("Content-Length"):
		if equalFold(name, "content-length") {
			return f.setLength(value)
		}
	case len("Transfer-Encoding"):
		if equalFold(name, "transfer-encoding") {
			f.coded = true
			codings := bytes.Split(value, []byte{','})
			f.chunked = equalFold(bytes.Trim(codings[len(codings)-1], " \t"), "chunked")
		}
	case len("Connection"):
		if equalFold(name, "connection") {
			for option := range bytes.SplitSeq(value, []byte{','}) {
				option = bytes.Trim(option, " \t")
				f.closes = f.closes || equalFold(option, "close")
				f.keepsAlive = f.keepsAlive || equalFold(option, "keep-alive")
			}
		}
	case len("Retry-After"):
		if equalFold(name, "retry-after") {
			if seconds, ok := digits(value); ok {
				f.retryAfter = time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
			}
		}
	case len("Content-Type"):
		if equalFold(name, "content-type") {
			kind, _, _ := bytes.Cut(value, []byte{';'})
			kind = bytes.Trim(kind, " \t")
			f.json = equalFold(kind, "application/problem+json") || equalFold(kind, "application/json")
		}
	}
	return nil
}

func (f *fields) setLength(value []byte) error {
	n, ok := digits(value)
	if !ok || f.length >= 0 && f.length != int64(n) {
		return malformed("no single Content-Length")
	}
	f.length = int64(n)
	return nil
}

// equalFold compares with a lower-case ASCII word.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// body reads the body, whose length follows RFC 9112, section 6.3.
func (r *responseReader) body(res *response, f fields, headOnly bool) error {
	capture := f.json && (res.status == 429 || res.status == 503)
	r.problem = r.problem[:0]
	var err error
	switch {
	case headOnly || res.status == 204 || res.status == 304:
		return nil
	case f.chunked:
		err = r.chunks(res, capture)
	case f.coded:
		res.keep = false
		err = r.rest(res, capture)
	case f.length >= 0:
		err = r.take(res, f.length, capture)
	default:
		res.keep = false
		err = r.rest(res, capture)
	}
	if err == nil && capture {
		res.readProblem(r.problem)
	}
	return err
}

// chunks reads a chunked body with its trailers (RFC 9112, section 7.1).
func (r *responseReader) chunks(res *response, capture bool) error {
	for {
		r.header = min(r.header+maxLine, MaxHeaderBytes) // chunk lines do not add up to a header
		line, err := r.line(false)
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte{';'})
		n, err := strconv.ParseUint(string(bytes.TrimRight(size, " \t")), 16, 40)
		if err != nil {
			return malformed("no chunk size")
		}
		if n == 0 {
			_, err := r.fields()
			return err
		}
		if err := r.take(res, int64(n), capture); err != nil {
			return err
		}
		if line, err = r.line(false); err != nil {
			return err
		}
		if len(line) > 0 {
			return malformed("a chunk longer than its size")
		}
	}
}

// rest reads up to the connection's end.
func (r *responseReader) rest(res *response, capture bool) error {
	err := r.take(res, 1<<62, capture)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// take reads n bytes of body and forgets them, but for the first maxProblem if
// they are to be captured.
func (r *responseReader) take(res *response, n int64, capture bool) error {
	for n > 0 {
		if r.br.Buffered() == 0 && n >= maxLine && !capture {
			return r.discard(res, n)
		}
		if _, err := r.br.Peek(1); err != nil {
			return unexpected(err)
		}
		b, _ := r.br.Peek(int(min(n, int64(r.br.Buffered()))))
		if room := maxProblem - len(r.problem); capture && room > 0 {
			r.problem = append(r.problem, b[:min(room, len(b))]...)
		}
		_, _ = r.br.Discard(len(b)) // buffered: cannot fail
		res.bytes += int64(len(b))
		n -= int64(len(b))
	}
	return nil
}

// discards holds the buffers that large bodies are read into.
var discards = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// discard reads n bytes past the small buffer, in pieces that make large bodies
// cheap.
func (r *responseReader) discard(res *response, n int64) error {
	buf := discards.Get().(*[]byte)
	defer discards.Put(buf)
	for n > 0 {
		m, err := r.src.Read((*buf)[:min(n, int64(len(*buf)))])
		res.bytes += int64(m)
		n -= int64(m)
		if err != nil && n > 0 {
			return unexpected(err)
		}
	}
	return nil
}

// readProblem takes the reason and the time to come back from a problem
// document (RFC 9457). Other documents have neither.
func (res *response) readProblem(body []byte) {
	var p struct {
		Reason       string   `json:"reason"`
		RetryAfterMS *float64 `json:"retry_after_ms"`
	}
	if json.Unmarshal(body, &p) != nil {
		return
	}
	if isReason(p.Reason) {
		res.reason = p.Reason
	}
	if p.RetryAfterMS != nil && *p.RetryAfterMS >= 0 {
		ms := min(*p.RetryAfterMS, float64(maxRetryAfter/time.Millisecond))
		res.retryAfter = time.Duration(ms * float64(time.Millisecond))
	}
}

// isReason accepts what may become a key of a report: a short lower-case word.
func isReason(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}
