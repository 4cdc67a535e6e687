package penstockhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/internal/fields"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// A Transport is the caller's side of [Handler], an [http.RoundTripper]:
//
//	client := &http.Client{Transport: &penstockhttp.Transport{}}
//
// It says to the callee what the work is and how much time is left, as the
// request's context knows: from the request that a [Handler] serves, or from
// [penstock.WithWork]. It remembers what the callee says of itself, and refuses
// here what the callee would refuse there: RoundTrip then returns a
// *[penstock.RejectedError], which [http.Client] wraps. A callee that says nothing
// is throttled by what it accepts. What callees say goes back to the Handler.
//
// The zero Transport is ready to use. Its fields must not change after that. Use
// one for all calls of a process: it is what they learn together.
type Transport struct {
	// Base makes the calls; nil means http.DefaultTransport.
	Base http.RoundTripper
	// Client decides; nil means one with the default configuration.
	Client *caller.Client
	// Route tells apart what one host serves, since one path may be full and
	// another not. nil means the path's first segment. Few and short ones are
	// best: see [caller.Config.Peers].
	Route func(*http.Request) string
	// Retry sends refused requests again, where their bodies can be read again;
	// nil means never. See [caller.Retrier] for when it refrains.
	Retry *caller.Retrier

	once   sync.Once
	client *caller.Client
	base   http.RoundTripper
}

func (t *Transport) begin() {
	t.client, t.base = t.Client, t.Base
	if t.client == nil {
		t.client = caller.New(caller.Config{})
	}
	if t.base == nil {
		t.base = http.DefaultTransport
	}
}

// RoundTrip makes the call, unless the callee is known to refuse it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.once.Do(t.begin)
	if t.Retry == nil || r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return t.call(r, r.Context())
	}
	return t.retry(r)
}

func (t *Transport) retry(r *http.Request) (*http.Response, error) {
	var res *http.Response
	tried := false
	err := t.Retry.Do(r.Context(), func(ctx context.Context) error {
		if res != nil {
			_, _ = io.CopyN(io.Discard, res.Body, MaxDrain) // so that its connection serves again
			_ = res.Body.Close()                            // nothing more is wanted of it
			res = nil
		}
		again := r
		if tried && r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return caller.DoNotRetry(err)
			}
			again = r.WithContext(r.Context())
			again.Body = body
		}
		tried = true
		var err error
		if res, err = t.call(again, ctx); err != nil {
			return err
		}
		if refused, ok := RefusalOf(res); ok {
			return refused
		}
		return nil
	})
	if res != nil {
		return res, nil // a refusal too is a response
	}
	return nil, err
}

// call makes one attempt, which is what ctx says of it.
func (t *Transport) call(r *http.Request, ctx context.Context) (*http.Response, error) { //nolint:revive // r comes first: ctx is only what is known of the attempt
	now := mono.Now()
	out := caller.OutgoingOf(ctx)
	route := routeOf(r)
	if t.Route != nil {
		route = t.Route(r)
	}
	k, err := t.client.BeginAt(now, r.URL.Host, route, out.Work, out.Relayed)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as RoundTrip must, whatever comes of it
		}
		if out.Visit != nil {
			out.Visit.Heard(t.client.Pressure(r.URL.Host, route))
			out.Visit.RefusedBelow()
		}
		return nil, err
	}
	out.Visit.Went(k)
	res, err := t.base.RoundTrip(outgoing(r, &out.Work, now))
	a := answerOf(r.Context(), res, err)
	out.Visit.Came(k, a, k.End(a))
	return res, err
}

// Pressure is what a host is believed to say of the work that a request is: see
// [caller.Client.Pressure].
func (t *Transport) Pressure(host, route string) pressure.Signal {
	t.once.Do(t.begin)
	return t.client.Pressure(host, route)
}

// Stats is what the Transport's client has done so far.
func (t *Transport) Stats() caller.Stats {
	t.once.Do(t.begin)
	return t.client.Stats()
}

// CloseIdleConnections closes those of Base.
func (t *Transport) CloseIdleConnections() {
	t.once.Do(t.begin)
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// routeOf is the path's first segment, which costs no allocation.
func routeOf(r *http.Request) string {
	path := r.URL.Path
	if len(path) > 1 {
		if i := strings.IndexByte(path[1:], '/'); i >= 0 {
			return path[:i+1]
		}
	}
	return path
}

// outgoing is r with the fields that say what it is. r itself is its caller's.
func outgoing(r *http.Request, work *penstock.Work, now mono.Time) *http.Request {
	both := new(struct {
		http.Request
		deadline [1]string
	})
	both.Request = *r
	out := &both.Request
	out.Header = make(http.Header, len(r.Header)+2)
	for name, values := range r.Header {
		if name != FieldWork && name != FieldDeadline {
			out.Header[name] = values // shared, and nobody changes them
		}
	}
	if value := fields.Work(work); value != nil {
		out.Header[FieldWork] = value
	}
	if work.HasDeadline {
		var buf [8]byte
		both.deadline[0] = string(pressure.AppendDeadline(buf[:0], work.Deadline.Sub(now)))
		out.Header[FieldDeadline] = both.deadline[:]
	}
	return out
}

// answerOf says what came of a call.
func answerOf(ctx context.Context, res *http.Response, err error) caller.Answer {
	if err != nil {
		left := ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
		return caller.Answer{Failed: !left, Left: left}
	}
	var a caller.Answer
	a.Signal, a.Said = signalOf(res.Header)
	switch res.StatusCode {
	case http.StatusTooManyRequests:
		a.Refused = true
	case http.StatusServiceUnavailable: // a refusal says when to come back; a sick server does not know
		a.Refused = a.Said || len(res.Header["Retry-After"]) > 0
		a.Failed = !a.Refused
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		a.Failed = true
	}
	return a
}

// signalOf reads what a callee says of itself: Penstock-Pressure, else ORCA.
func signalOf(h http.Header) (pressure.Signal, bool) {
	if field, ok := listField(h, FieldPressure, pressure.MaxFieldBytes); ok {
		if s, ok := pressure.Parse(field); ok {
			return s, true
		}
	}
	if field, ok := singleField(h, FieldLoad); ok {
		l, ok := pressure.ParseLoad(field)
		return l.Signal, ok
	}
	return pressure.Signal{}, false
}

// RefusalOf reads a response that refuses, and when to come back: 503 with
// Retry-After or a pressure, and 429. It leaves the body alone.
func RefusalOf(res *http.Response) (*penstock.RejectedError, bool) {
	if !answerOf(context.Background(), res, nil).Refused {
		return nil, false
	}
	refusal := &penstock.RejectedError{Reason: penstock.ReasonPriority}
	if res.StatusCode == http.StatusTooManyRequests {
		refusal.Reason = penstock.ReasonRate
	}
	s, _ := signalOf(res.Header)
	refusal.Pressure, refusal.RetryAfter = s.Level, s.Retry
	if field, ok := singleField(res.Header, "Retry-After"); ok && s.Retry == 0 {
		refusal.RetryAfter, _ = pressure.ParseRetryAfter(field, time.Now()) //nolint:forbidigo // the field may be a date
	}
	return refusal, true
}

// Error answers a request that failed because of err, in the way that callers
// further up understand: a refusal by a callee or by our own Transport as a
// refusal (503, or 429 for reason rate), a passed deadline as 504, anything else
// as 502.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	if refused, ok := errors.AsType[*penstock.RejectedError](err); ok {
		Refuse(w, r, refused, Refusal{Limit: "callee"})
		return
	}
	status := http.StatusBadGateway
	if penstock.OutcomeOf(err) == penstock.Dropped {
		status = http.StatusGatewayTimeout
	}
	http.Error(w, http.StatusText(status), status)
}
