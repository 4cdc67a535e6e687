package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"time"

	"github.com/penstock-go/penstock/internal/sockets"
	"github.com/penstock-go/penstock/mono"
)

// A wire is one HTTP/1.1 connection to a backend that serves one exchange after
// another, in the goroutine of the exchange: nobody is woken up to write the
// request or to read the answer. docs/adr/0003-wires.md says what that saves.
type wire struct {
	net.Conn
	pool *wires

	in     *bufio.Reader
	head   answerHead // of a plain answer, in the buffer of in
	left   int        // bytes until the header being read is too large
	heard  bool       // a byte of the present exchange's answer has come
	broken bool       // the request could not be written to its end
	idleAt mono.Time

	user  *exchange // asked when a deadline passes; nil where errors are to end the wire
	armed deadline  // of reads and writes
}

// wireBuffer holds most headers, and many a short answer with its header.
const wireBuffer = 8 << 10

var (
	errAnswerHeader = errors.New("gateway: the answer's header is too large")
	errUnasked      = errors.New("gateway: the backend switches protocols unasked")
)

func newWire(c net.Conn, pool *wires) *wire {
	w := &wire{Conn: c, pool: pool}
	w.in = bufio.NewReaderSize(w, wireBuffer)
	return w
}

// Read reads from the connection; while a header is read, not more than it may
// have.
func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errAnswerHeader
	}
	for {
		n, err := w.Conn.Read(p[:min(len(p), w.left)])
		w.left -= n
		if err == nil || n > 0 || !w.goesOn(err) {
			return n, err
		}
	}
}

// Write writes to the connection.
func (w *wire) Write(p []byte) (written int, err error) {
	for {
		n, err := w.Conn.Write(p[written:])
		written += n
		if err == nil || !w.goesOn(err) {
			return written, err
		}
	}
}

// goesOn reports whether a read or write that failed is to be tried again: only
// a deadline passed, and the exchange waits on.
func (w *wire) goesOn(err error) bool {
	return w.user != nil && errors.Is(err, os.ErrDeadlineExceeded) && w.user.overdue()
}

// waitUntil has reads and writes wait until at, or less: they ask the exchange
// then, and are armed anew. An earlier deadline is left as it is, so that a busy
// wire sets few.
func (w *wire) waitUntil(at mono.Time) {
	if (deadline{at, true}).before(w.armed) {
		w.arm(at, true)
	}
}

// arm sets the deadline of reads and writes, none if there is none.
func (w *wire) arm(at mono.Time, bounded bool) {
	var t time.Time
	if bounded {
		t = in(max(at.Sub(mono.Now()), time.Nanosecond))
	}
	w.armed = deadline{at, bounded}
	_ = w.SetDeadline(t) // fails only when the connection is closed, as reads will
}

// exchange sends a request, whose body is all there, and reads the answer's
// header. When ctx ends it fails, and so does the answer's body.
func (w *wire) exchange(ctx context.Context, req *http.Request) (*http.Response, error) {
	w.heard = false
	return w.within(ctx, req, w.ask)
}

// resume reads the header of an answer whose request was sent.
func (w *wire) resume(ctx context.Context, req *http.Request) (*http.Response, error) {
	return w.within(ctx, req, w.answer)
}

func (w *wire) within(ctx context.Context, req *http.Request, do func(context.Context, *http.Request) (*http.Response, error)) (*http.Response, error) {
	w.user = nil
	if w.armed.set {
		w.arm(0, false) // ctx alone bounds it
	}
	stop := context.AfterFunc(ctx, w.cut)
	res, err := do(ctx, req)
	if err != nil {
		stop()
		_ = w.Close() // nothing more is expected of it
		if ended := ctx.Err(); ended != nil {
			return nil, ended
		}
		return nil, err
	}
	end := answerEnd{w: w, stop: stop, keep: !res.Close && !req.Close && !w.broken}
	if res.Body == http.NoBody {
		end.at(true)
		return res, nil
	}
	res.Body = &wireBody{src: res.Body, end: end}
	return res, nil
}

func (w *wire) ask(ctx context.Context, req *http.Request) (*http.Response, error) {
	out := bufio.NewWriter(w)
	err := req.Write(out)
	if err == nil {
		err = out.Flush()
	}
	w.broken = err != nil
	// A backend that did not want the body may have answered before it closed.
	res, answerErr := w.answer(ctx, req)
	if answerErr != nil && err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	return res, answerErr
}

// answer reads the header of the final answer.
func (w *wire) answer(ctx context.Context, req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(ctx)
	for {
		w.left = MaxAnswerHeaderBytes
		if _, err := w.in.Peek(1); err != nil {
			return nil, err
		}
		w.heard = true
		res, err := http.ReadResponse(w.in, req)
		if err != nil {
			return nil, err
		}
		switch {
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errUnasked
		case res.StatusCode >= http.StatusOK:
			w.left = math.MaxInt // of a body there is no end
			return res, nil
		case trace != nil && trace.Got1xxResponse != nil:
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, err
			}
		}
	}
}

// cut ends what is under way, and the connection with it.
func (w *wire) cut() { _ = w.SetDeadline(time.Unix(1, 0)) }

// stale reports whether the backend has closed the connection, or said something
// unasked, since the last answer.
func (w *wire) stale() bool {
	tcp, ok := w.Conn.(*net.TCPConn)
	return ok && sockets.Pending(tcp)
}

// answerEnd is what is to be done at the end of an answer.
type answerEnd struct {
	w    *wire
	stop func() bool
	keep bool
	done bool
}

// at ends the answer, once. A connection serves again if the answer was read to
// its end, nothing came behind it, and it was not cut.
func (e *answerEnd) at(eof bool) {
	if e.done {
		return
	}
	e.done = true
	if uncut := e.stop(); uncut && eof && e.keep && e.w.in.Buffered() == 0 {
		e.w.pool.put(e.w)
		return
	}
	_ = e.w.Close() // it failed, or nobody listens
}

// A wireBody is an answer's body. It is read and closed by one goroutine.
type wireBody struct {
	src io.ReadCloser
	end answerEnd
}

func (b *wireBody) Read(p []byte) (int, error) {
	if b.end.done {
		return 0, io.EOF
	}
	n, err := b.src.Read(p)
	if err != nil {
		b.end.at(errors.Is(err, io.EOF))
	}
	return n, err
}

// Close ends the answer where it is. What is left of it is not read: whoever
// wants the connection to serve again reads to the end.
func (b *wireBody) Close() error {
	b.end.at(false)
	return nil
}

// send writes a request: its header, and its body, which is all there.
func (w *wire) send(head []byte, body *ahead) error {
	if body != nil && len(body.data) <= smallBody {
		head, body = append(head, body.data...), nil
	}
	_, err := w.Write(head)
	if err == nil && body != nil {
		_, err = w.Write(body.data)
	}
	w.broken = err != nil
	return err
}

// await waits for the final answer's header, and reads it where it is plain. The
// header stays in the buffer. It fails where not a byte has come.
func (w *wire) await(method string) (verdict, error) {
	w.left = MaxAnswerHeaderBytes
	for n := 1; ; {
		if _, err := w.in.Peek(n); err != nil {
			if w.in.Buffered() == 0 {
				return special, err
			}
			return special, nil // whatever it is, it is not whole
		}
		w.heard = true
		n = w.in.Buffered()
		b, _ := w.in.Peek(n) // what is there
		v := w.head.parse(b, method)
		if n++; v == incomplete && n <= w.in.Size() {
			continue
		}
		if v == incomplete {
			v = special
		}
		w.left = math.MaxInt // of a body there is no end
		return v, nil
	}
}

// A plainBody is the body of a plain answer, behind its header in the wire's
// buffer. It is read and closed by one goroutine.
type plainBody struct {
	w    *wire
	line *lifeline
	left int64
	done bool
}

func (b *plainBody) Read(p []byte) (int, error) {
	if b.left == 0 || b.done {
		b.end(b.left == 0)
		return 0, io.EOF
	}
	n, err := b.w.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		b.end(true)
		return n, io.EOF
	case err != nil:
		b.end(false)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Close ends the answer where it is: see wireBody.
func (b *plainBody) Close() error {
	b.end(b.left == 0)
	return nil
}

// end lets go of the wire, once. It serves again if the answer was read to its
// end, nothing came behind it, and it was not cut.
func (b *plainBody) end(eof bool) {
	if b.done {
		return
	}
	b.done = true
	w := b.w
	w.user = nil
	if whole := b.line.release(); whole && eof && !w.head.closes && !w.broken && w.in.Buffered() == 0 {
		w.pool.put(w)
		return
	}
	_ = w.Close() // it failed, or nobody listens
}
