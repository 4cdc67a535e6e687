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
	out    *bufio.Writer
	left   int  // bytes until the header being read is too large
	heard  bool // a byte of the present exchange's answer has come
	idleAt mono.Time
}

var (
	errAnswerHeader = errors.New("gateway: the answer's header is too large")
	errUnasked      = errors.New("gateway: the backend switches protocols unasked")
)

func newWire(c net.Conn, pool *wires) *wire {
	w := &wire{Conn: c, pool: pool}
	w.in, w.out = bufio.NewReader(w), bufio.NewWriter(c)
	return w
}

// Read reads from the connection; while a header is read, not more than it may
// have.
func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errAnswerHeader
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

// exchange sends a request, whose body is all there, and reads the answer's
// header. When ctx ends it fails, and so does the answer's body.
func (w *wire) exchange(ctx context.Context, req *http.Request) (*http.Response, error) {
	w.heard = false
	stop := context.AfterFunc(ctx, w.cut)
	res, err := w.ask(ctx, req)
	if err != nil {
		stop()
		_ = w.Close() // nothing more is expected of it
		if ended := ctx.Err(); ended != nil {
			return nil, ended
		}
		return nil, err
	}
	end := answerEnd{w: w, stop: stop, keep: !res.Close && !req.Close}
	if res.Body == http.NoBody {
		end.at(true)
		return res, nil
	}
	res.Body = &wireBody{src: res.Body, end: end}
	return res, nil
}

func (w *wire) ask(ctx context.Context, req *http.Request) (*http.Response, error) {
	err := req.Write(w.out)
	if err == nil {
		err = w.out.Flush()
	}
	// A backend that did not want the body may have answered before it closed.
	res, answerErr := w.answer(ctx, req)
	if answerErr != nil && err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	if err != nil {
		res.Close = true
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
