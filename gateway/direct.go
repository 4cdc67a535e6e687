package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// scratch are buffers for the headers of both sides, and for what is sent with
// them.
var scratch = sync.Pool{New: func() any { return new(make([]byte, 0, wireBuffer)) }}

// maxScratch is the largest buffer that is kept.
const maxScratch = 4 * wireBuffer

func keepScratch(buf *[]byte, b []byte) {
	if cap(b) <= maxScratch {
		*buf = b[:0]
		scratch.Put(buf)
	}
}

// direct forwards a plain request by a wire, without the proxy. It reports false
// where that is not possible; then nothing has been sent.
func (x *exchange) direct() bool {
	p, ok := x.be.transport.(*wires)
	if !ok || !p.plain || !x.isPlain() {
		return false
	}
	buf := scratch.Get().(*[]byte)
	b, ok := x.appendHead((*buf)[:0])
	if !ok {
		keepScratch(buf, b)
		return false
	}
	x.asked = true
	x.conn.attend(x)
	v, err := x.converse(p, b)
	keepScratch(buf, b)
	switch {
	case err != nil:
		x.settle(nil, err)
		x.fail(x.w, x.r, err)
	case v == special: // the proxy takes the answer on
		x.proxy()
	case x.settleHead():
		x.deliver()
	default:
		x.fail(x.w, x.r, errFailed)
	}
	return true
}

// converse sends the request and waits for the answer's header. The wire is held
// afterwards, unless it fails.
func (x *exchange) converse(p *wires, head []byte) (verdict, error) {
	again := repeatable(x.r.Method)
	for {
		w, fresh := p.idleWire(again), false
		if w == nil {
			var err error
			if w, err = x.dial(p); err != nil {
				return special, err
			}
			fresh = true
		}
		v, err := x.try(w, head)
		if err == nil {
			return v, nil
		}
		x.line.release()
		_ = w.Close() // nothing more is expected of it
		if x.line.ended() {
			return special, context.Canceled
		}
		if fresh || w.heard || !again {
			return special, err
		}
		// The backend closed it at the same moment: not a byte has come back.
		// There are fewer idle ones each time, so this ends.
	}
}

// try is one attempt on one wire.
func (x *exchange) try(w *wire, head []byte) (verdict, error) {
	w.user, w.heard = x, false
	if !x.line.hold(w, x.waitsUntil()) {
		return special, context.Canceled
	}
	err := w.send(head, x.ahead)
	// A backend that did not want the body may have answered before it closed.
	v, answerErr := w.await(x.r.Method)
	if answerErr != nil {
		if err != nil {
			return special, err
		}
		return special, answerErr
	}
	return v, nil // and if the request could not be written, the wire is broken
}

// dial opens a wire. Deadlines that pass meanwhile are noticed by a timer.
func (x *exchange) dial(p *wires) (*wire, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	x.line.during(cancel)
	x.shared = true // by the timer
	x.arm()
	c, err := p.dialer.DialContext(ctx, "tcp", p.address)
	x.timer.Stop()
	x.line.during(nil)
	if err != nil {
		if x.line.ended() {
			err = context.Canceled
		}
		return nil, err
	}
	return newWire(c, p), nil
}

// watchAfter is how long an exchange waits before it looks whether its client is
// still there. Most answers have come by then.
const watchAfter = 20 * time.Millisecond

// waitsUntil is the first instant at which the exchange has something to do if
// there is no answer.
func (x *exchange) waitsUntil() mono.Time {
	if !x.watched {
		return min(x.due(), x.entered.Add(watchAfter))
	}
	return x.due()
}

// due is when the exchange has waited for long enough.
func (x *exchange) due() mono.Time {
	at := x.entered.Add(x.g.bounds.answer)
	if x.work.HasDeadline {
		at = min(at, x.work.Deadline)
	}
	return at
}

// overdue is called when the wire's deadline has passed, in the handler's
// goroutine. It reports whether the exchange waits on.
func (x *exchange) overdue() bool {
	now := mono.Now()
	x.mu.Lock()
	over := x.answered || x.abandoned
	x.mu.Unlock()
	switch {
	case over:
	case !x.watched && now >= x.entered.Add(watchAfter):
		x.watched = true
		x.conn.watch()
	case x.work.HasDeadline && now >= x.work.Deadline:
		x.late()
		over = true
	case now >= x.entered.Add(x.g.bounds.answer):
		x.abandon(faultAnswerTimeout)
		over = true
	}
	return x.line.wait(x.waitsUntil(), !over)
}

// settleHead is settle for a plain answer whose header was read.
func (x *exchange) settleHead() bool {
	w := x.line.wire
	x.mu.Lock()
	x.answeredAt, x.answered = mono.Now(), true
	gone := x.abandoned
	x.mu.Unlock()
	if gone {
		body := x.plainBody(w)
		x.bury(&http.Response{StatusCode: w.head.status, Body: body, ContentLength: w.head.length}, nil)
	}
	return !gone
}
