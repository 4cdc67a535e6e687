package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
)

var (
	errBodyTooLarge = errors.New("gateway: the request's body is larger than allowed")
	errBodyOver     = errors.New("gateway: the request is over")
)

// A clientBody reads a request's body from its client, who may be slow but not
// too slow: every bounds.bodyBytes must arrive within bounds.bodyTime. Only the
// time spent waiting for the client counts, so a backend that reads slowly is
// not held against it.
type clientBody struct {
	src    io.ReadCloser
	rc     *http.ResponseController
	bounds *bounds
	left   int64 // bytes until the body is too large

	window time.Duration // of bodyTime, spent on the present bodyBytes
	got    int           // of the present bodyBytes

	waited atomic.Int64 // nanoseconds spent waiting for the client, in all
	eof    atomic.Bool
	failed atomic.Pointer[error] // what ended the body before its end

	mu   sync.Mutex // orders the last deadline after all others
	over bool
}

func newClientBody(w http.ResponseWriter, r *http.Request, g *Gateway) *clientBody {
	return &clientBody{src: r.Body, rc: http.NewResponseController(w), bounds: &g.bounds, left: g.opts.maxBody}
}

func (b *clientBody) Read(p []byte) (int, error) {
	if err := b.arm(); err != nil {
		return 0, err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than may come, to see whether it does
	}
	from := mono.Now()
	n, err := b.src.Read(p)
	took := mono.Now().Sub(from)
	b.waited.Add(int64(took))
	b.window, b.got = b.window+took, b.got+n
	if b.got >= b.bounds.bodyBytes {
		b.window, b.got = 0, 0
	}
	if b.left -= int64(n); b.left < 0 {
		n, err = n-1, errBodyTooLarge
	}
	switch {
	case errors.Is(err, io.EOF):
		b.finish(true)
	case err != nil:
		b.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// arm gives the connection what is left of the window.
func (b *clientBody) arm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.eof.Load() {
		return io.EOF // again
	}
	if b.over {
		return errBodyOver
	}
	left := max(b.bounds.bodyTime-b.window, time.Millisecond)
	err := b.rc.SetReadDeadline(in(left))
	if errors.Is(err, http.ErrNotSupported) {
		return nil // under another server, which has its own deadlines
	}
	return err
}

// finish ends the body: no read begins after it. One that was read to its end
// leaves no deadline behind; else what the client still sends is read for
// bounds.linger and no longer.
func (b *clientBody) finish(eof bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	b.over = true
	var deadline time.Time
	if eof {
		b.eof.Store(true)
	} else {
		deadline = in(b.bounds.linger)
	}
	// It fails only under another server, or when the connection is gone.
	_ = b.rc.SetReadDeadline(deadline)
}

// cut is finish for a client that has not begun to send: nothing more is read.
func (b *clientBody) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.over = true
		_ = b.rc.SetReadDeadline(in(0)) // fails as in finish
	}
}

// fault says why the body failed.
func (b *clientBody) fault() (fault, bool) {
	cause := b.failed.Load()
	switch {
	case cause == nil:
		return 0, false
	case errors.Is(*cause, errBodyTooLarge):
		return faultBodyTooLarge, true
	case errors.Is(*cause, os.ErrDeadlineExceeded):
		return faultSlowBody, true
	case errors.Is(*cause, io.ErrUnexpectedEOF), isReset(*cause):
		return faultClientLeft, true
	}
	return faultBadBody, true
}

// ahead is what was read of a body before the controller was asked: all of a
// small one. Its buffer goes back to the pool when nobody can read it any more:
// the transport may, long after the request was answered.
type ahead struct {
	data     []byte
	complete bool
	users    atomic.Int32
	pool     *sync.Pool
	buf      *[]byte
}

const smallBody = 4 << 10

var (
	smallBodies = sync.Pool{New: func() any { return new(make([]byte, smallBody)) }}
	largeBodies = sync.Pool{New: func() any { return new(make([]byte, ReadAhead)) }}
)

// readAhead reads up to ReadAhead of the body.
func readAhead(b *clientBody, length int64) (*ahead, error) {
	a := &ahead{pool: &smallBodies}
	if length > smallBody {
		a.pool = &largeBodies
	}
	a.buf = a.pool.Get().(*[]byte)
	a.users.Store(1)
	n, err := a.fill(b, 0)
	if err == nil && !b.eof.Load() && a.pool == &smallBodies {
		large := largeBodies.Get().(*[]byte)
		copy(*large, *a.buf)
		a.pool.Put(a.buf)
		a.buf, a.pool = large, &largeBodies
		n, err = a.fill(b, n)
	}
	a.data, a.complete = (*a.buf)[:n], b.eof.Load()
	if err != nil {
		a.release()
		return nil, err
	}
	return a, nil
}

// fill reads until the buffer is full or the body ends.
func (a *ahead) fill(b *clientBody, n int) (int, error) {
	for n < len(*a.buf) {
		m, err := b.Read((*a.buf)[n:])
		n += m
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (a *ahead) release() {
	if a != nil && a.users.Add(-1) == 0 {
		a.pool.Put(a.buf)
	}
}

// reader returns a body for the backend: what was read ahead, then the rest.
func (a *ahead) reader(rest io.Reader) *replay {
	a.users.Add(1)
	return &replay{from: a, rest: rest}
}

// A replay reads what was read ahead, then the rest from the client. It may be
// closed while it is read, as transports do.
type replay struct {
	mu     sync.Mutex
	from   *ahead
	rest   io.Reader // nil where all was read ahead
	at     int
	closed bool
}

func (r *replay) Read(p []byte) (int, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return 0, errBodyOver
	}
	if r.at < len(r.from.data) {
		n := copy(p, r.from.data[r.at:])
		r.at += n
		done := r.at == len(r.from.data) && r.rest == nil
		r.mu.Unlock()
		if done {
			return n, io.EOF
		}
		return n, nil
	}
	r.mu.Unlock()
	if r.rest == nil {
		return 0, io.EOF
	}
	return r.rest.Read(p)
}

func (r *replay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.from.release()
	}
	return nil
}
