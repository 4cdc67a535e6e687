package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const eventStream = "text/event-stream"

// isEmptyAnswer reports whether answers have no body, whatever their fields say:
// RFC 9112, section 6.3.
func isEmptyAnswer(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}

// isStream reports whether an answer goes on for as long as the parties like:
// its slot is given back at its header, and it counts against streams.
func isStream(res *http.Response) bool {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	kind := res.Header["Content-Type"]
	if len(kind) == 0 {
		return false
	}
	return hasPrefixFold(kind[0], eventStream) ||
		res.ContentLength < 0 && hasPrefixFold(kind[0], "application/grpc")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// An answerBody passes an answer's body on. The slot is free once the backend
// has been read to the end, or is known not to be.
type answerBody struct {
	x      *exchange
	end    http.Header // the answer's trailer
	src    io.ReadCloser
	left   int64       // bytes still to come; negative where not known
	eof    atomic.Bool // atomic, as those of a switched protocol are read and closed at once
	broken atomic.Bool // the backend ended it too soon
	closed atomic.Bool
}

// A switched answerBody is also written to: the protocol changed.
type switched struct {
	*answerBody
	io.Writer
}

// isEmpty reports whether an answer has nothing after its header.
func (x *exchange) isEmpty(res *http.Response) bool {
	return res.Body == http.NoBody || res.ContentLength == 0 && len(res.Trailer) == 0
}

// follow puts the exchange between the answer and the proxy.
func (x *exchange) follow(res *http.Response) {
	if !x.stream && x.isEmpty(res) {
		x.unwatch()
		x.finish(x.outcome)
		return
	}
	b := &x.answer
	b.x, b.end, b.src, b.left = x, res.Trailer, res.Body, res.ContentLength
	if w, ok := res.Body.(io.Writer); ok {
		res.Body = switched{b, w}
	} else {
		res.Body = b
	}
}

// leaveAnswer ends an answer whose client has gone, soon if it does not end by
// itself.
func (x *exchange) leaveAnswer() {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.done || x.rt.Abandoned == Cancel: // a stream has given its slot back long ago
		x.line.end()
	default:
		x.permit.Abandon()
		time.AfterFunc(x.g.bounds.drainTime, x.line.end)
	}
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.eof.Store(true)
		stripSignals(b.end)
		b.x.finish(b.x.outcome)
	case !b.x.left.Load() && b.x.r.Context().Err() == nil && !b.closed.Load():
		b.broken.Store(true)
	}
	return n, err
}

// Close ends the answer, read to its end or not.
func (b *answerBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	x := b.x
	x.unwatch()
	switch {
	case x.stream:
		x.g.streams.remove(x)
		x.line.end()
	case b.eof.Load():
	case b.broken.Load():
		x.g.counts.fault(faultTruncated)
		x.line.end()
	default:
		x.g.counts.fault(faultClientLeft)
		x.forsake()
		if x.rt.Abandoned == Wait && b.left <= x.g.bounds.drainBytes {
			x.discard(b.src) // the client has gone: nobody waits for this
		}
		x.line.end()
	}
	err := b.src.Close()
	x.finish(x.outcome) // unless it was done at the body's end
	return err
}
