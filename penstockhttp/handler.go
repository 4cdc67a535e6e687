// Package penstockhttp protects net/http servers: [Handler] asks an
// [admission.Controller] before each request, and answers those it refuses
// early, cheaply, with the reason, and with the time to come back.
//
//	ctl := admission.New(admission.Config{})
//	http.ListenAndServe(":8080", penstockhttp.Handler(ctl, mux))
//
// docs/penstockhttp.md lists every field and status that it reads and writes,
// and whose word it takes for what.
//
// [Classify], [Refuse] and [Announce] are the parts of Handler that other hosts
// of an admission controller, such as a proxy, share.
package penstockhttp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/internal/fields"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// Handler returns a handler that lets requests through to next as ctl admits
// them, and refuses the others before a byte of their body is read. It panics
// if ctl or next is nil.
//
// A permit is held from admission until next returns or panics; until the
// connection is hijacked; or until the headers of a text/event-stream response
// are written. Where ctl finds its limit, the slot is lent to others while the
// request waits for a callee that says how full it is ([admission.Permit.Away]). The
// outcome that ctl is told is
//
//   - Dropped, if by then the client has gone or the deadline has passed, or
//     next answers 503, 504 or 429;
//   - Ignored, if next panics (the panic goes on) or answers another 5xx, or any
//     5xx or 429 after a callee that it needed has refused: that says how the
//     callee is;
//   - OK otherwise.
//
// The request's context carries what the request is and when its deadline is:
// calls that next makes in it with a [Transport] take that along, and what their
// callees say of themselves goes back to our caller, merged with our own.
// Work that they would refuse is refused here, before anything is done about it,
// for each first segment of a path apart. [penstock.PressureFrom] tells next how full all of that is. Handler itself
// never answers 504: whether to stop at the deadline, and what to say, is up to
// next.
//
// Where the client leaves while its request waits, or the refusal is to close
// the connection ([RefuseDrop]), Handler panics with [http.ErrAbortHandler].
func Handler(ctl *admission.Controller, next http.Handler, opts ...Option) http.Handler {
	if ctl == nil || next == nil {
		panic("penstockhttp: Handler needs a controller and a handler")
	}
	h := &handler{ctl: ctl, next: next, options: newOptions(opts), cohortKey: rand.Uint64()} //nolint:forbidigo // a secret of the process
	h.teller = fields.NewTeller(pressure.AppendLoad)
	h.level = func() float64 { return ctl.PressureRoute(h.route).Level }
	return h
}

type handler struct {
	ctl  *admission.Controller
	next http.Handler
	options
	level     func() float64
	cohortKey uint64
	peers     peers
	teller    *fields.Teller
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.exempt != nil && h.exempt(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	now := mono.Now()
	trusted := h.peers.trusts(h.trust, r.RemoteAddr)
	work := h.workOf(r, trusted, now)
	asked := work
	asked.HasDeadline = false // the controller looks after it, and counts
	pass, err := h.door.BeginAt(now, h.name, routeOf(r), asked, len(r.Header[FieldWork]) > 0)
	if err != nil {
		h.refuse(w, r, err, trusted)
		return
	}
	permit, err := h.ctl.AcquireRouteAt(r.Context(), now, h.route, work)
	if err != nil {
		pass.End(caller.Answer{Left: true})
		h.refuse(w, r, err, trusted)
		return
	}
	h.serve(w, r, &work, permit, pass, h.expose.tells(trusted))
}

// workOf says what the request is, from its fields and then from the options.
func (h *handler) workOf(r *http.Request, trusted bool, now mono.Time) penstock.Work {
	work := Classify(r.Header, trusted, now)
	if h.deadline > 0 {
		if d := now.Add(h.deadline); !work.HasDeadline || d < work.Deadline {
			work.Deadline, work.HasDeadline = d, true
		}
	}
	if h.cost != nil {
		work.Cost = h.cost(r)
	}
	if h.flow != nil {
		work.Flow = h.flow(r)
	}
	if h.classify != nil {
		said := work // escapes; work itself does not
		h.classify(r, &said)
		work = said
	}
	h.placeInCohort(&work, now)
	return work
}

// placeInCohort gives a root request the cohort that it keeps on all its way: by
// its flow, or at random.
func (h *handler) placeInCohort(work *penstock.Work, now mono.Time) {
	switch {
	case work.Cohort.Specified():
	case work.Flow != 0:
		work.Cohort = pressure.CohortOf(work.Flow, h.cohortKey, now)
	default:
		work.Cohort = penstock.CohortAt(rand.Uint64()) //nolint:forbidigo // a host is where randomness enters
	}
}

// refuse answers a request that the controller did not admit.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error, trusted bool) {
	load := h.load()
	rejected, ok := errors.AsType[*penstock.RejectedError](err)
	if !ok {
		if !errors.Is(r.Context().Err(), context.DeadlineExceeded) {
			// The client has gone. Returning would let net/http write a 200.
			panic(http.ErrAbortHandler)
		}
		rejected = &penstock.RejectedError{Reason: penstock.ReasonDeadline, RetryAfter: load.Retry, Pressure: load.Level}
	}
	LeaveBody(w, r)
	Refuse(w, r, rejected, Refusal{With: h.refuseWith, Limit: h.name, Tell: h.expose.tells(trusted), Load: load})
}

// serve runs next with a permit.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, work *penstock.Work, permit admission.Permit, pass caller.Call, tell bool) {
	out, x := wrap(w)
	x.handler, x.permit, x.pass, x.tell = h, permit, pass, tell
	x.context.begin(r.Context(), work, h.level)
	x.context.visit.Lend(&x.permit)
	x.request = *r.WithContext(x.context.of())
	defer handBack(r, &x.request)
	defer x.end() // not recovered: a panic goes on with its stack
	h.next.ServeHTTP(out, &x.request)
	x.returned = true
}

// handBack gives the server's own request what the handler's copy of it has
// learned: the server removes a form's temporary files, and loggers outside
// read the pattern.
func handBack(r, inner *http.Request) {
	r.MultipartForm, r.Pattern = inner.MultipartForm, inner.Pattern
}

// load is what to tell callers now.
func (h *handler) load() pressure.Load {
	own := h.ctl.PressureRoute(h.route)
	if h.expose == ExposeNone {
		return pressure.Load{Signal: own}
	}
	return h.teller.Load(mono.Now(), own)
}

// outcomeOf says how work ended whose handler answered with status.
func outcomeOf(status int) penstock.Outcome {
	switch {
	case status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout, status == http.StatusTooManyRequests:
		return penstock.Dropped
	case status >= http.StatusInternalServerError:
		return penstock.Ignored
	}
	return penstock.OK
}
