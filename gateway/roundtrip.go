package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime/debug"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// errFailed tells the proxy that the exchange knows why it failed.
var errFailed = errors.New("gateway: the exchange failed")

// RoundTrip asks the backend. It is not cut off when the client leaves or the
// deadline passes: the client is then rid of the exchange, by clientLeft or
// late, and the handler stays as what looks after the backend's slot.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	x.asked = true
	client := out.Context()
	ctx, cancel := context.WithCancel(context.WithoutCancel(client))
	x.line.during(cancel)
	x.watchHints(ctx)
	req := out.WithContext(ctx)
	x.rewrite(req)
	x.attach(req)
	x.stopWatching = context.AfterFunc(client, x.clientLeft)
	x.arm()

	res, err := x.pass(ctx, req)
	x.timer.Stop()
	if !x.settle(res, err) {
		return nil, errFailed
	}
	return x.take(res)
}

// pass does the round trip, or the rest of one whose request was sent already.
func (x *exchange) pass(ctx context.Context, req *http.Request) (*http.Response, error) {
	if w := x.line.wire; w != nil {
		x.line.release() // ctx ends it from now on
		return w.resume(ctx, req)
	}
	return x.be.transport.RoundTrip(req)
}

// settle notes that the round trip is over, and reports whether there is an
// answer and somebody to have it.
func (x *exchange) settle(res *http.Response, err error) bool {
	now := mono.Now()
	x.mu.Lock()
	x.answeredAt, x.answered = now, true
	gone := x.abandoned
	x.mu.Unlock()
	switch {
	case gone:
		x.bury(res, err)
	case err != nil:
		x.unwatch()
		x.fault, x.failed = x.failure(err), true
	}
	return !gone && err == nil
}

// arm bounds the wait: by the deadline, and by the gateway's own patience.
func (x *exchange) arm() {
	patience := x.g.bounds.answer
	if x.work.HasDeadline {
		if left := x.work.Deadline.Sub(mono.Now()); left < patience {
			x.timer = time.AfterFunc(left, x.late)
			return
		}
	}
	x.timer = time.AfterFunc(patience, func() { x.abandon(faultAnswerTimeout) })
}

// attach gives the request its body: whole and repeatable where it was read
// ahead, else what was read and then the client's own.
func (x *exchange) attach(req *http.Request) {
	req.Trailer = x.r.Trailer // the client's own map: it is filled at the body's end
	switch {
	case x.body == nil:
	case x.ahead == nil:
		req.Body = io.NopCloser(x.body)
	case !x.ahead.complete:
		req.Body = x.ahead.reader(x.body)
	case len(x.ahead.data) == 0 && len(req.Trailer) == 0:
		req.Body, req.ContentLength = nil, 0
	default:
		req.Body = x.ahead.reader(nil)
		req.GetBody = func() (io.ReadCloser, error) { return x.ahead.reader(nil), nil }
		if len(req.Trailer) == 0 {
			req.ContentLength, req.TransferEncoding = int64(len(x.ahead.data)), nil
		}
	}
	if x.uploads() {
		// The answer may begin before the body has ended. It fails only under
		// another server, which then reads the body first.
		_ = x.body.rc.EnableFullDuplex()
	}
}

// uploads reports whether the body goes from the client to the backend while
// the round trip runs.
func (x *exchange) uploads() bool { return x.body != nil && (x.ahead == nil || !x.ahead.complete) }

var errHints = errors.New("gateway: the backend sends no end of 1xx answers")

// watchHints bounds the 1xx answers that the proxy passes on: the transport
// counts their bytes only where nobody looks at them. A "100 Continue" is not
// passed on: the client gets one when its body is first read, which is what the
// backend's brings about. The trace is the proxy's, made for this request.
func (x *exchange) watchHints(ctx context.Context) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil || trace.Got1xxResponse == nil {
		return
	}
	pass, n := trace.Got1xxResponse, 0
	trace.Got1xxResponse = func(code int, h textproto.MIMEHeader) error {
		if n++; n > MaxHints {
			return errHints
		}
		x.writing.Lock()
		defer x.writing.Unlock()
		if code == http.StatusContinue || x.begun {
			return nil
		}
		return pass(code, h)
	}
}

// clientLeft runs when the client has gone before its answer was complete.
func (x *exchange) clientLeft() {
	x.left.Store(true)
	x.mu.Lock()
	answered := x.answered
	x.mu.Unlock()
	switch {
	case answered:
		x.leaveAnswer()
	case x.uploads() && !x.body.eof.Load():
		// Its context ends with the first failed read of the body, be it slow,
		// malformed or cut off. The backend cannot get what it waits for, so the
		// round trip fails by itself, and then says why.
		time.AfterFunc(x.g.bounds.linger, x.line.end)
	case x.abandon(faultClientLeft):
		x.g.counts.fault(faultClientLeft)
	}
}

// late runs when the deadline has passed. The answer is written from here: the
// handler is still in the round trip, and stays there.
func (x *exchange) late() {
	defer func() {
		if bug := recover(); bug != nil {
			x.g.quiet.bug(bug, debug.Stack())
		}
	}()
	x.writing.Lock()
	defer x.writing.Unlock()
	if !x.abandon(faultDeadline) || !x.zombie {
		return // the handler is about to answer
	}
	x.closes = true
	x.problem(faultDeadline)
	if http.NewResponseController(x.w).Flush() == nil && x.conn != nil {
		_ = x.conn.CloseWrite() // the client need not wait for the handler
	}
}

// abandon ends the wait for an answer, unless there is one.
func (x *exchange) abandon(f fault) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answered || x.abandoned {
		return false
	}
	x.abandoned, x.fault, x.failed = true, f, true
	if x.rt.Abandoned == Cancel || f == faultAnswerTimeout {
		x.line.end()
		return true
	}
	x.zombie = true
	x.permit.Abandon()
	x.life = time.AfterFunc(x.g.bounds.zombie, x.line.end)
	x.g.zombies.add(x)
	x.g.work.leave()
	return true
}

// bury ends a round trip that nobody waits for any more.
func (x *exchange) bury(res *http.Response, err error) {
	x.writing.Lock()   // until late has written its answer
	x.writing.Unlock() //nolint:staticcheck // nothing to guard
	x.unwatch()
	if x.life != nil {
		x.life.Stop()
	}
	outcome := penstock.Dropped
	if err == nil {
		outcome = x.outcomeOf(res.StatusCode)
		if x.zombie && !isStream(res) {
			x.discard(res.Body)
		}
		_ = res.Body.Close() // nothing is read from it any more
	}
	x.line.end()
	if !x.zombie {
		outcome = penstock.Dropped
	}
	x.g.zombies.remove(x)
	x.finish(outcome)
}

// discard reads the rest of an answer that nobody wants, so that its connection
// can serve again: within bounds.
func (x *exchange) discard(body io.Reader) {
	life := time.AfterFunc(x.g.bounds.drainTime, x.line.end)
	defer life.Stop()
	_, _ = io.CopyN(io.Discard, body, x.g.bounds.drainBytes) // what it fails of does not matter
}

// take hands the answer to the client's side.
func (x *exchange) take(res *http.Response) (*http.Response, error) {
	x.be.answers()
	if signal, ok := reportOf(res.Header); ok {
		x.permit.Report(signal.Delay)
	}
	x.outcome, x.judged = x.outcomeOf(res.StatusCode), true
	if isStream(res) {
		x.finish(x.outcome)
		if !x.g.streams.add(x) {
			x.unwatch()
			x.line.end()
			_ = res.Body.Close() // the client gets a refusal instead
			x.refusal = &penstock.RejectedError{Reason: penstock.ReasonLimit, RetryAfter: time.Second}
			return nil, errFailed
		}
		x.stream = true
		x.g.work.leave()
	} else if !x.isEmpty(res) {
		x.permit.Answered(x.outcome)
	}
	x.present(res)
	x.follow(res)
	return res, nil
}

// failure ends an exchange whose round trip failed, and says why. A backend that
// fails at once must not look like a fast one, neither to its law nor to the
// balancing: the work counts as dropped, and its slot stays taken for a while.
func (x *exchange) failure(err error) fault {
	if x.body != nil {
		if f, ok := x.body.fault(); ok {
			x.finish(penstock.Ignored)
			return f
		}
	}
	if errors.Is(err, context.Canceled) {
		x.finish(penstock.Ignored)
		return faultClientLeft
	}
	f := faultOf(err)
	x.permit.Answered(penstock.Dropped)
	x.shared = true
	penalty := x.be.fails(x.answeredAt) - x.answeredAt.Sub(x.entered)
	if penalty > 0 {
		time.AfterFunc(penalty, func() { x.finish(penstock.Dropped) })
	} else {
		x.finish(penstock.Dropped)
	}
	return f
}

// outcomeOf says what an answer tells of load. Statuses by which a server says
// that it is overloaded, or was too late, are drops. Its other failures say
// nothing; neither does the time of an exchange that was mostly the client's.
func (x *exchange) outcomeOf(status int) penstock.Outcome {
	switch status {
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return penstock.Dropped
	}
	if status >= http.StatusInternalServerError {
		return penstock.Ignored
	}
	if x.uploads() && time.Duration(x.body.waited.Load()) > x.answeredAt.Sub(x.entered)/4 {
		return penstock.Ignored
	}
	return penstock.OK
}
