package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockhttp"
)

// Values shared by many headers, which nobody changes.
var problemJSON = []string{"application/problem+json"}

// turnAway ends an exchange that got no permit.
func (x *exchange) turnAway(err error) {
	if e, ok := errors.AsType[*penstock.RejectedError](err); ok {
		x.refuse(e)
		return
	}
	x.problem(faultClientLeft)
}

// refuse answers that the work may not enter now: why, and when to come back.
func (x *exchange) refuse(e *penstock.RejectedError) {
	x.begun = true
	answer := x.count(e)
	if x.rt.RefuseWith != RefuseDrop {
		x.rt.counts.answered(answer.Status())
		if x.plain() {
			x.conn.instead = answer.bytes()
			x.w.WriteHeader(answer.Status())
			return
		}
	}
	x.prepare()
	x.endBody()
	answer.Send(x.w, x.r)
}

// count notes a refusal, and returns the answer that says it.
func (x *exchange) count(e *penstock.RejectedError) *readyAnswer {
	x.rt.counts.refused[e.Reason].Add(1)
	x.recordRefusal(e.Reason)
	return x.prepared(e)
}

// plain reports whether the server will answer with a header alone, in one write,
// and keep the connection: then the refusal's bytes can go out in its place, and
// no header need be made, copied and written. docs/adr/0006-ready-refusals.md
// says what that saves.
func (x *exchange) plain() bool {
	return x.r.ContentLength == 0 && x.r.Method != http.MethodHead && x.keeps()
}

// keeps reports whether the connection is the gateway's own, and serves on after
// this answer.
func (x *exchange) keeps() bool {
	return x.conn != nil && x.r.ProtoAtLeast(1, 1) && !x.r.Close && !x.closes && !x.unread() && !x.g.draining.Load()
}

// A readyAnswer is a refusal that was sent a moment ago and may be sent again:
// the controller gives a few errors per tick to thousands of requests.
type readyAnswer struct {
	*penstockhttp.Answer
	err  *penstock.RejectedError
	told *told // nil where the caller is not told
	wire atomic.Pointer[datedBytes]
}

// datedBytes is an answer as it is written, in one second.
type datedBytes struct {
	second int64
	bytes  []byte
}

// bytes is the answer as it is written now.
func (a *readyAnswer) bytes() []byte {
	now := time.Now() //nolint:forbidigo // for the field Date
	if b := a.wire.Load(); b != nil && b.second == now.Unix() {
		return b.bytes
	}
	b := &datedBytes{now.Unix(), a.Append(nil, now)}
	a.wire.Store(b)
	return b.bytes
}

// readyAnswers is how many refusals a route keeps.
const readyAnswers = 16

// prepared returns the answer for e, the last one like it if there is one.
func (x *exchange) prepared(e *penstock.RejectedError) *readyAnswer {
	var now *told
	if x.tells() {
		now = x.signalNow()
	}
	for i := range x.rt.ready {
		if a := x.rt.ready[i].Load(); a != nil && a.err == e && a.told == now {
			return a
		}
	}
	how := penstockhttp.Refusal{With: sendRefusal[x.rt.RefuseWith], Limit: x.rt.name}
	if now != nil {
		how.Tell, how.Load = true, load(now.signal, now.rates)
	}
	a := &readyAnswer{Answer: penstockhttp.Prepare(e, how), err: e, told: now}
	x.rt.ready[x.rt.next.Add(1)%readyAnswers].Store(a)
	return a
}

var sendRefusal = [...]penstockhttp.RefuseWith{
	Refuse503:  penstockhttp.Refuse503,
	Refuse429:  penstockhttp.Refuse429,
	RefuseDrop: penstockhttp.RefuseDrop,
}

// A problem is how a fault is answered.
type problem struct {
	status int
	title  string
	safe   bool // to try again: nothing was done
}

var problems = [faults]problem{
	faultNoRoute:        {http.StatusNotFound, "No route matches.", true},
	faultMethod:         {http.StatusMethodNotAllowed, "CONNECT is not supported.", true},
	faultLoop:           {http.StatusLoopDetected, "The request is going in circles.", true},
	faultBodyTooLarge:   {http.StatusRequestEntityTooLarge, "The request's body is too large.", true},
	faultSlowBody:       {http.StatusRequestTimeout, "The request's body arrived too slowly.", true},
	faultBadBody:        {http.StatusBadRequest, "The request's body is malformed.", true},
	faultBadUpgrade:     {http.StatusBadGateway, "The protocols of the two sides do not agree.", false},
	faultDial:           {http.StatusBadGateway, "The backend cannot be reached.", true},
	faultReset:          {http.StatusBadGateway, "The backend closed the connection without an answer.", false},
	faultBadAnswer:      {http.StatusBadGateway, "The backend's answer is malformed.", false},
	faultAnswerTimeout:  {http.StatusGatewayTimeout, "The backend did not answer in time.", false},
	faultDeadline:       {http.StatusGatewayTimeout, "The deadline passed after the request was sent on.", false},
	faultPanic:          {http.StatusInternalServerError, "The gateway failed.", false},
	faultClientLeft:     {}, // nobody reads it
	faultTruncated:      {}, // too late for an answer
	faultBadRequest:     {}, // the HTTP server answers by itself
	faultHeaderTooLarge: {},
	faultHalfRequest:    {},
}

// problem answers a fault.
func (x *exchange) problem(f fault) {
	x.g.counts.fault(f)
	p := problems[f]
	if p.status == 0 {
		x.abort()
	}
	var room [256]byte
	b := append(room[:0], `{"type":"urn:penstock:failed:`...)
	b = append(b, f.String()...)
	b = append(b, `","title":"`...)
	b = append(b, p.title...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"reason":"`...)
	b = append(b, f.String()...)
	if x.rt != nil {
		b = append(b, `","limit":`...)
		b = append(b, x.rt.quoted...)
	} else {
		b = append(b, '"')
	}
	b = append(b, `,"retry_safe":`...)
	b = strconv.AppendBool(b, p.safe)
	b = append(b, "}\n"...)
	x.answerWith(p.status, b)
}

// answerWith writes an answer of the gateway's own.
func (x *exchange) answerWith(status int, body []byte) {
	x.begun = true
	h := x.w.Header()
	h["Content-Type"] = problemJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.prepare()
	x.endBody()
	if x.rt != nil {
		x.tell(h)
		x.rt.counts.answered(status)
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a client that is gone is no news
}

// abort closes the connection without an answer.
func (x *exchange) abort() {
	x.endBody()
	panic(http.ErrAbortHandler)
}

// endBody leaves the client a moment for the rest of a body that nobody reads,
// so that it gets to see the answer; and none where it has not begun to send.
func (x *exchange) endBody() {
	if !x.unread() {
		return
	}
	if x.body == nil {
		x.body = newClientBody(x.w, x.r, x.g)
	}
	if x.ahead == nil && x.expects() {
		x.body.cut()
	}
	x.body.finish(false)
}

// fail is called by the proxy when there is no answer to pass on.
func (x *exchange) fail(_ http.ResponseWriter, _ *http.Request, _ error) {
	switch {
	case x.refusal != nil:
		x.refuse(x.refusal)
	case x.failed && x.begun: // late has written the answer
	case x.abandoned && x.fault == faultClientLeft: // counted when it left
		x.abort()
	case x.failed:
		x.problem(x.fault)
	default: // the proxy itself found a protocol switch that cannot be
		x.problem(faultBadUpgrade)
	}
}
