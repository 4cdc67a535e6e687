package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
)

// An exchange is one request on its way: asked about, perhaps forwarded, and
// perhaps still at work in a backend when its client has long gone.
//
// All of it runs in the handler's goroutine, but for what the client's leaving
// and the deadline bring about; mu orders these.
type exchange struct {
	g      *Gateway
	w      http.ResponseWriter
	r      *http.Request
	conn   *conn // nil under another server
	t      *table
	rt     *route
	caller caller
	work   penstock.Work

	body  *clientBody // nil where there is none, or none was asked for yet
	ahead *ahead      // what was read of it before asking

	permit       admission.Permit
	be           *backend
	arrived      mono.Time
	entered      mono.Time
	line         lifeline    // of the round trip and its answer
	stopWatching func() bool // for the end of the client's context; nil where the connection tells
	room         roomContext
	left         atomic.Bool // the client has, before its answer was complete
	watched      bool        // the client's presence is looked after
	timer        *time.Timer // for the deadline, or for the longest time without one
	answer       answerBody
	rest         plainBody
	refusal      *penstock.RejectedError
	outcome      penstock.Outcome
	judged       bool // by outcome, at the answer's header
	admitted     bool
	asked        bool // the backend
	stream       bool
	shared       bool // others may have hold of it when the handler has ended
	closes       bool // the connection, after the answer

	writing sync.Mutex // guards w while the handler is in the round trip
	begun   bool       // the final answer's header was written

	mu         sync.Mutex
	answered   bool // the round trip is over
	abandoned  bool // the wait for it was ended before that
	zombie     bool // and it goes on without a client
	failed     bool // by fault
	fault      fault
	done       bool // the permit is back
	answeredAt mono.Time
	life       *time.Timer // of an abandoned round trip
}

// ServeHTTP serves one request of the front.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	x.g, x.w, x.r, x.t, x.arrived = g, w, r, g.enter(), mono.Now()
	g.work.enter()
	g.handlers.enter()
	defer x.leave()
	x.serve()
}

// exchanges are kept where nobody else has ever had hold of them.
var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// recycle keeps the exchange for another request, unless a timer or another
// goroutine may still have it.
func (x *exchange) recycle() {
	if !x.shared && !x.abandoned && !x.left.Load() {
		*x = exchange{}
		exchanges.Put(x)
	}
}

// leave runs when the handler ends, however it ends.
func (x *exchange) leave() {
	bug := recover()
	if bug != nil && x.asked {
		x.drop()
	}
	if x.answer.x != nil {
		_ = x.answer.Close() // no error matters now
	}
	if x.asked {
		x.unwatch()
	}
	if w := x.line.wire; w != nil {
		x.line.release()
		_ = w.Close() // something failed on the way
	}
	switch {
	case !x.admitted:
		x.ahead.release()
		x.t.exit()
	case !x.asked:
		x.finish(penstock.Ignored)
	}
	if x.body != nil {
		x.body.finish(false)
	}
	if !x.stream && !x.zombie {
		x.g.work.leave()
	}
	x.g.handlers.leave()
	if bug != nil {
		x.contain(bug)
		return
	}
	x.recycle()
}

// drop ends the exchange wherever a panic has left it.
func (x *exchange) drop() {
	x.mu.Lock()
	x.answered = true // neither deadline nor client are waited for any more
	x.mu.Unlock()
	x.line.end()
	x.finish(penstock.Ignored)
}

// contain answers for a panic. The one that net/http defines closes the
// connection, and is how a broken answer is kept from looking whole.
func (x *exchange) contain(bug any) {
	if err, ok := bug.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(bug)
	}
	x.g.quiet.bug(bug, debug.Stack())
	if x.begun {
		x.g.counts.fault(faultPanic)
		panic(http.ErrAbortHandler)
	}
	clear(x.w.Header())
	x.problem(faultPanic)
}

func (x *exchange) serve() {
	c, peer, name := peerOf(x.r)
	if x.conn = c; c != nil {
		c.speaking.Store(false)
	}
	if x.r.Method == http.MethodConnect {
		x.problem(faultMethod)
		return
	}
	if x.rt = x.t.match(x.r.Host, x.r.URL.Path); x.rt == nil {
		x.problem(faultNoRoute)
		return
	}
	x.rt.counts.requests.Add(1)
	if hops(x.r.Header) >= MaxHops {
		x.problem(faultLoop)
		return
	}
	x.caller = x.t.caller(peer, name, x.r.Header)
	x.work = x.classify(x.r.Header)
	if !x.withinQuota() || !x.readBody() || !x.enter() {
		return
	}
	if !x.direct() {
		x.proxy()
	}
}

// withinQuota asks what needs no slot: is there room for one more stream, and
// does the rate allow it?
func (x *exchange) withinQuota() bool {
	why, wait := penstock.ReasonNone, time.Duration(0)
	if x.r.Header["Upgrade"] != nil && x.g.streams.full(x.t) {
		why, wait = penstock.ReasonLimit, time.Second
	} else if q := x.rt.quota; q != nil {
		if after, ok := q.allow(x.arrived, x.rt, x.caller, x.r.Header); !ok {
			why, wait = penstock.ReasonRate, after
		}
	}
	switch {
	case why == penstock.ReasonNone:
		return true
	case x.t.observe:
		x.rt.counts.wouldRefuse[why].Add(1)
		return true
	}
	x.refuse(&penstock.RejectedError{Reason: why, RetryAfter: wait, Pressure: x.g.ctl.PressureRoute(x.rt.index).Level})
	return false
}

// readBody reads the first of the body, so that a slow upload holds no slot. A
// client that waits for "100 Continue" is asked about first: it has sent nothing
// yet, and may never have to.
func (x *exchange) readBody() bool {
	if x.r.ContentLength == 0 {
		return true
	}
	x.body = newClientBody(x.w, x.r, x.g)
	if x.r.ContentLength > x.g.opts.maxBody {
		x.problem(faultBodyTooLarge)
		return false
	}
	if x.expects() {
		return true
	}
	a, err := readAhead(x.body, x.r.ContentLength)
	if err != nil {
		f, _ := x.body.fault()
		x.problem(f)
		return false
	}
	x.ahead = a
	return true
}

// expects reports whether the client waits for "100 Continue".
func (x *exchange) expects() bool {
	v := x.r.Header["Expect"]
	return len(v) > 0 && strings.EqualFold(v[0], "100-continue")
}

// unread reports whether some of the body is still with the client.
func (x *exchange) unread() bool {
	return x.r.ContentLength != 0 && (x.body == nil || !x.body.eof.Load())
}

// enter asks the controller.
func (x *exchange) enter() bool {
	x.room = roomContext{x.r.Context(), x.conn, nil}
	permit, err := x.g.ctl.AcquireRoute(&x.room, x.rt.index, x.work)
	x.room.over()
	if err != nil {
		x.turnAway(err)
		return false
	}
	x.permit, x.admitted, x.entered = permit, true, mono.Now()
	x.be = (*x.g.backends.Load())[permit.GateName()]
	return true
}

// proxy is the proxy's work, but for the round trip. What is to be changed of the
// two headers is changed there too, which saves the proxy two closures.
func (x *exchange) proxy() {
	proxy := httputil.ReverseProxy{
		Rewrite: func(*httputil.ProxyRequest) {}, Transport: x, ErrorHandler: x.fail,
		BufferPool: &x.g.buffers, ErrorLog: nowhere,
	}
	x.shared = true
	r := x.r
	if x.conn != nil {
		ctx, leave := context.WithCancel(r.Context())
		defer leave()
		x.conn.attend(cancelling(leave))
		x.conn.watch()
		r = r.WithContext(ctx)
	}
	proxy.ServeHTTP(x.w, r)
}

// unwatch ends the watch for the client's leaving.
func (x *exchange) unwatch() {
	if x.conn != nil {
		x.conn.attend(nil)
	}
	if x.stopWatching != nil {
		x.stopWatching()
	}
}

// finish returns the permit, once.
func (x *exchange) finish(o penstock.Outcome) {
	x.mu.Lock()
	if x.done {
		x.mu.Unlock()
		return
	}
	x.done = true
	x.mu.Unlock()
	x.permit.Done(o)
	x.record(o)
	x.ahead.release()
	x.t.exit()
}

// forsake tells the controller that the work goes on for nobody.
func (x *exchange) forsake() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.done {
		x.permit.Abandon()
	}
}
