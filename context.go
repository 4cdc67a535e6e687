package penstock

import "context"

// A Visit is a request that is being served, as its host knows it. Hosts put it
// into the request's context, so that calls made on its behalf carry on what is
// known of it without the handler's help.
type Visit interface {
	// Work says what the request is.
	Work() Work
	// Pressure is how full the server and what the request needs of others are,
	// 0 to 1.
	Pressure() float64
}

type visitKey struct{}

// WithVisit returns a context in which v is being served. It is for hosts.
func WithVisit(ctx context.Context, v Visit) context.Context { return &Serving{ctx, v} }

// Serving is the context that [WithVisit] returns, for hosts that keep it in a
// struct of theirs: one allocation less for each request. Both fields must be
// set, and not change while the context is in use.
type Serving struct {
	context.Context //nolint:containedctx // it is a context
	Visit           Visit
}

// Value implements [context.Context].
func (s *Serving) Value(key any) any {
	if key == (visitKey{}) {
		return s.Visit
	}
	return s.Context.Value(key)
}

// VisitFrom returns what ctx serves, nil where that is nothing.
func VisitFrom(ctx context.Context) Visit {
	v, _ := ctx.Value(visitKey{}).(Visit)
	return v
}

// WithWork returns a context whose outgoing calls are made for w: for work that
// came from no request, such as a batch job's. Of w, its criticality, cohort and
// attempt travel on; its deadline counts where it has one.
func WithWork(ctx context.Context, w Work) context.Context { return WithVisit(ctx, errand(w)) }

// WorkFrom returns what ctx serves; ok is false where that is nothing.
func WorkFrom(ctx context.Context) (w Work, ok bool) {
	if v := VisitFrom(ctx); v != nil {
		return v.Work(), true
	}
	return Work{}, false
}

// PressureFrom is how full the server of ctx's request is, or what the request
// needs of others, whichever is fuller: from 0 to 1, as of the last that was
// heard; 0 where ctx serves nothing. At 0.8 work begins to wait, at 1 it is
// refused: a handler that can answer more cheaply does so above some level
// below that, such as 0.7 (a brownout).
func PressureFrom(ctx context.Context) float64 {
	if v := VisitFrom(ctx); v != nil {
		return v.Pressure()
	}
	return 0
}

// An errand is work that no request asked for.
type errand Work

func (e errand) Work() Work      { return Work(e) }
func (errand) Pressure() float64 { return 0 }
