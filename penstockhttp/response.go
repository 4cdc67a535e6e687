package penstockhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/mono"
)

// A response watches what the handler does with its ResponseWriter: it adds the
// pressure to the headers as they leave, and gives back the permit. Methods
// that it does not have are reached through Unwrap ([http.ResponseController]).
type response struct {
	http.ResponseWriter
	handler *handler
	permit  admission.Permit
	pass    caller.Call  // through the door
	request http.Request // as the handler is to see it,
	context visitContext // and what is its context

	status   int  // of the final response; 0 until its headers are written
	tell     bool // the pressure
	hijacked bool
	returned bool // the handler did not panic
	done     bool // the permit was given back
}

// wrap returns a response around w as the handler is to see it: with the
// optional interfaces that w has, so that a handler that asks for them is told
// the truth. They come in the combinations of net/http's own two writers.
func wrap(w http.ResponseWriter) (http.ResponseWriter, *response) {
	if _, ok := find[http.Hijacker](w); ok {
		x := &http1Response{flushResponse{response{ResponseWriter: w}}}
		return x, &x.response
	}
	if _, ok := find[http.Pusher](w); ok {
		x := &http2Response{flushResponse{response{ResponseWriter: w}}}
		return x, &x.response
	}
	if _, ok := find[http.Flusher](w); ok {
		x := &flushResponse{response{ResponseWriter: w}}
		return x, &x.response
	}
	x := &response{ResponseWriter: w}
	return x, x
}

// find returns w, or the first of the writers that it wraps, that is a T: where
// [http.ResponseController] looks as well.
func find[T any](w http.ResponseWriter) (T, bool) {
	for {
		if t, ok := w.(T); ok {
			return t, true
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			var none T
			return none, false
		}
		w = inner.Unwrap()
	}
}

// Unwrap is for http.ResponseController.
func (x *response) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *response) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // other 1xx are not final
		x.begin(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *response) Write(p []byte) (int, error) {
	x.begin(http.StatusOK)
	return x.ResponseWriter.Write(p)
}

func (x *response) WriteString(s string) (int, error) {
	x.begin(http.StatusOK)
	return io.WriteString(x.ResponseWriter, s)
}

// FlushError is for http.ResponseController.
func (x *response) FlushError() error {
	x.begin(http.StatusOK)
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// begin is called before the final headers are written; only the first call
// counts.
func (x *response) begin(status int) {
	if x.status == 0 {
		x.beginAt(mono.Now(), status)
	}
}

func (x *response) beginAt(now mono.Time, status int) {
	x.status = status
	header := x.Header()
	if x.tell {
		path, _ := x.context.visit.Path()
		said, load := x.handler.teller.Tell(now, x.handler.ctl.PressureRoute(x.handler.route), path)
		setAnnouncement(header, said, load)
	} else {
		strip(header)
	}
	if kind := header["Content-Type"]; len(kind) > 0 && strings.HasPrefix(kind[0], "text/event-stream") {
		// A stream lasts as long as its client likes. What it took to start it
		// says how the server is; the rest does not, and would hold a slot.
		x.finish(now, x.outcome(status))
	}
}

// outcome says how work ended that was answered with status.
func (x *response) outcome(status int) penstock.Outcome {
	o := outcomeOf(status)
	if _, below := x.context.visit.Path(); below && o == penstock.Dropped {
		return penstock.Ignored
	}
	return o
}

// end is called when the handler has returned or panicked.
func (x *response) end() {
	now := mono.Now()
	if x.returned && !x.hijacked && x.status == 0 {
		x.beginAt(now, http.StatusOK) // it wrote nothing, and net/http is about to
	}
	switch left := x.context.endAt(now); {
	case left:
		x.finish(now, penstock.Dropped)
	case !x.returned:
		x.finish(now, penstock.Ignored)
	default:
		x.finish(now, x.outcome(x.status))
	}
}

// finish gives back the permit; only the first call counts.
func (x *response) finish(now mono.Time, o penstock.Outcome) {
	if x.done {
		return
	}
	x.done = true
	x.permit.DoneAt(now, o)
	path, below := x.context.visit.Path()
	x.pass.EndAt(now, caller.Answer{Said: true, Signal: path, Refused: below})
	if x.handler.expose != ExposeNone {
		x.handler.teller.Count(now, o != penstock.OK)
	}
}

// flushResponse is a response that can flush.
type flushResponse struct{ response }

func (x *flushResponse) Flush() {
	_ = x.FlushError() // Flush has no way to report it; the next Write will
}

// http1Response is a response on a connection of its own.
type http1Response struct{ flushResponse }

// Hijack ends the work: what follows on the connection is not a response.
func (x *http1Response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err == nil {
		x.hijacked = true
		x.finish(mono.Now(), penstock.OK)
	}
	return conn, buf, err
}

// ReadFrom lets files and sockets be sent without a copy through user space.
func (x *http1Response) ReadFrom(src io.Reader) (int64, error) {
	x.begin(http.StatusOK)
	if to, ok := x.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{x.ResponseWriter}, src)
}

// http2Response is a response on a stream.
type http2Response struct{ flushResponse }

func (x *http2Response) Push(target string, opts *http.PushOptions) error {
	to, _ := find[http.Pusher](x.ResponseWriter) // wrap has seen it
	return to.Push(target, opts)
}
