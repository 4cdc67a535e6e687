// Package penstockgrpc protects gRPC servers and makes gRPC clients listen, with
// google.golang.org/grpc's interceptors:
//
//	ctl := admission.New(admission.Config{})
//	server := grpc.NewServer(penstockgrpc.Server(ctl)...)
//
//	conn, err := grpc.NewClient(target, append(penstockgrpc.Client(penstockgrpc.ClientConfig{}), creds)...)
//
// It is penstockhttp for gRPC: the same decisions, the same fields as metadata.
// Refusals are UNAVAILABLE, or RESOURCE_EXHAUSTED for reason rate, as a response
// of trailers alone with google.rpc.RetryInfo and grpc-retry-pushback-ms (gRPC
// proposal A6). How full the server is travels in penstock-pressure and as an
// ORCA report, which grpc-go's weighted_round_robin balances by without knowing
// of penstock. docs/penstockgrpc.md lists every field.
//
// Handlers of connectrpc.com/connect are net/http handlers: package penstockhttp
// is for them.
package penstockgrpc

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/pressure"
)

// The metadata that carries the signal.
const (
	KeyWork     = "penstock-work"              // to the server: criticality, cohort, attempt
	KeyPressure = "penstock-pressure"          // to the client: level, price, delay, retry
	KeyLoad     = "endpoint-load-metrics-bin"  // to the client: ORCA's report
	KeyPushback = "grpc-retry-pushback-ms"     // to the client: when to try again
	KeyAttempts = "grpc-previous-rpc-attempts" // to the server: gRPC's own retries
	KeyBaggage  = "baggage"                    // to the server, end to end: W3C baggage
)

// A refusal is a refusal on its way: a gRPC status to the one side and a
// *[penstock.RejectedError] to the other.
type refusal struct {
	status   *status.Status
	rejected *penstock.RejectedError
}

func (e *refusal) Error() string              { return e.status.String() }
func (e *refusal) GRPCStatus() *status.Status { return e.status }
func (e *refusal) Unwrap() error              { return e.rejected }

// refuse makes a status of a refusal.
func refuse(rejected *penstock.RejectedError) *refusal {
	code := codes.Unavailable
	if rejected.Reason == penstock.ReasonRate {
		code = codes.ResourceExhausted
	}
	text := "refused: " + rejected.Reason.String()
	if rejected.ID != 0 {
		text += ", id " + rejected.ID.String()
	}
	st := status.New(code, text)
	if rejected.RetryAfter > 0 {
		if with, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(rejected.RetryAfter)}); err == nil {
			st = with
		}
	}
	return &refusal{st, rejected}
}

// pushback is the metadata that says when to try again.
func pushback(wait time.Duration) string { return string(pressure.AppendPushback(nil, wait)) }

// signalOf reads what a server says of itself: penstock-pressure, else ORCA.
func signalOf(md metadata.MD) (pressure.Signal, bool) {
	if v := md[KeyPressure]; len(v) == 1 {
		if s, ok := pressure.Parse(v[0]); ok {
			return s, true
		}
	}
	if v := md[KeyLoad]; len(v) == 1 { // twice is an error, as grpc-go has it
		l, ok := pressure.ParseLoadBinary([]byte(v[0]))
		return l.Signal, ok
	}
	return pressure.Signal{}, false
}

// answerOf says what came of a call that ended with err and that trailer, and
// returns the error as our callers are to see it.
func answerOf(err error, trailer metadata.MD) (caller.Answer, error) {
	var a caller.Answer
	a.Signal, a.Said = signalOf(trailer)
	code := status.Code(err)
	var wait time.Duration
	var asked, again bool
	switch code {
	case codes.Unavailable, codes.ResourceExhausted: // who refuses says when to come back; who is sick does not know
		wait, asked, again = pushbackOf(err, trailer, a.Signal)
		a.Refused = asked || a.Said && code == codes.Unavailable
		a.Failed = code == codes.Unavailable && !a.Refused
	case codes.DeadlineExceeded:
		a.Failed = true
	case codes.Canceled:
		a.Left = true
	default:
	}
	if !a.Refused {
		return a, err
	}
	rejected := &penstock.RejectedError{Reason: penstock.ReasonPriority, RetryAfter: wait, Pressure: a.Signal.Level}
	if code == codes.ResourceExhausted {
		rejected.Reason = penstock.ReasonRate
	}
	st, _ := status.FromError(err)
	refused := &refusal{st, rejected}
	if !again {
		return a, caller.DoNotRetry(refused)
	}
	return a, refused
}

// pushbackOf reads when to try again from a refusal, of which s is the pressure:
// asked says that the server spoke of it.
func pushbackOf(err error, trailer metadata.MD, s pressure.Signal) (wait time.Duration, asked, again bool) {
	if v := trailer[KeyPushback]; len(v) > 0 {
		wait, again = pressure.ParsePushback(v[0])
		return wait, true, again
	}
	if s.Retry > 0 {
		return s.Retry, true, true
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return min(max(info.GetRetryDelay().AsDuration(), 0), pressure.MaxRetry), true, true
		}
	}
	return 0, false, true
}

// workOf reads what a request is from its metadata: see penstockhttp.Classify,
// which says the same of HTTP. relayed tells that a penstock has sent it.
func workOf(ctx context.Context, trusted bool) (w penstock.Work, relayed bool) {
	get := func(key string) []string { return metadata.ValueFromIncomingContext(ctx, key) } // the whole would be copied
	if v := get(KeyWork); len(v) > 0 {
		relayed = true
		w, _ = pressure.ParseWork(strings.Join(v, ", "))
	}
	if v := get(KeyAttempts); len(v) == 1 {
		if n, ok := pressure.ParsePreviousAttempts(v[0]); ok {
			w.Attempt = max(w.Attempt, n)
		}
	}
	if !trusted {
		return penstock.Work{Criticality: penstock.SheddablePlus, Attempt: w.Attempt}, relayed
	}
	if w.Criticality != penstock.Unspecified && w.Cohort.Specified() {
		return w, relayed
	}
	if v := get(KeyBaggage); len(v) > 0 {
		baggage, _ := pressure.ParseBaggage(strings.Join(v, ","))
		if w.Criticality == penstock.Unspecified {
			w.Criticality = baggage.Criticality
		}
		if !w.Cohort.Specified() {
			w.Cohort = baggage.Cohort
		}
	}
	return w, relayed
}

// outcomeOf says how work ended whose handler returned err.
func outcomeOf(err error, refusedBelow bool) penstock.Outcome {
	if err == nil {
		return penstock.OK
	}
	if _, ok := status.FromError(err); !ok {
		if o := penstock.OutcomeOf(err); o != penstock.Dropped || !refusedBelow {
			return o
		}
		return penstock.Ignored
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted:
		if refusedBelow {
			return penstock.Ignored
		}
		return penstock.Dropped
	case codes.DeadlineExceeded, codes.Canceled:
		return penstock.Dropped
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.Unimplemented:
		return penstock.Ignored
	default:
		return penstock.OK // the caller's mistake, well answered
	}
}

// asRefusal finds a refusal in a handler's error that is not a status yet, or is
// one of a callee's.
func asRefusal(err error) *penstock.RejectedError {
	if err == nil {
		return nil
	}
	rejected, _ := errors.AsType[*penstock.RejectedError](err)
	return rejected
}
