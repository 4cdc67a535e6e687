package caller

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// A Visit is a request that is being served. The host that serves it puts it into
// the request's context; calls that are made in that context carry on what it
// says, and write into it what their callees say. The host then tells its own
// caller. It implements [penstock.Visit], and is safe for concurrent use.
type Visit struct {
	work penstock.Work
	own  func() float64

	mu      sync.Mutex
	slot    Slot
	out     int             // calls under way to callees that limit themselves
	path    pressure.Signal // of the callees that the request needed
	refused bool            // one of them refused it
	told    atomic.Bool     // either of the two
}

// NewVisit returns the visit of work at a server whose level is own; nil means
// that it has none.
func NewVisit(work penstock.Work, own func() float64) *Visit {
	v := new(Visit)
	v.Init(work, own)
	return v
}

// Init makes a zero Visit what NewVisit returns: for hosts that keep it in a
// struct of theirs.
func (v *Visit) Init(work penstock.Work, own func() float64) { v.work, v.own = work, own }

// A Slot is what a request holds while it is served; admission.Permit is one.
type Slot interface {
	// Away lends it to others, and Back takes it again.
	Away()
	Back()
}

// Lend has the visit lend its host's slot while the request is with callees that
// say how full they are, and so limit themselves: how long it is there says nothing
// of how much may be here. Call it before the handler.
func (v *Visit) Lend(slot Slot) { v.slot = slot }

// Went notes that a call has been let through for the visit. v may be nil: see
// [VisitOf].
func (v *Visit) Went(k Call) {
	if v == nil || v.slot == nil || !k.governed {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.out++; v.out == 1 {
		v.slot.Away()
	}
}

// Came notes what came of it, and what its callee is believed to say
// ([Call.End]).
func (v *Visit) Came(k Call, a Answer, believed pressure.Signal) {
	if v == nil {
		return
	}
	if a.Said {
		v.Heard(believed)
	}
	if a.Refused {
		v.RefusedBelow()
	}
	if v.slot == nil || !k.governed {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.out--; v.out == 0 {
		v.slot.Back()
	}
}

// Work says what the request is.
func (v *Visit) Work() penstock.Work { return v.work }

// Pressure is the level of the server or of the fullest callee that the request
// has needed so far.
func (v *Visit) Pressure() float64 {
	level := 0.0
	if v.own != nil {
		level = v.own()
	}
	path, _ := v.Path()
	return max(level, path.Level)
}

// Heard adds what a callee said that the request needs.
func (v *Visit) Heard(s pressure.Signal) {
	v.mu.Lock()
	v.path = pressure.Merge(v.path, s)
	v.told.Store(true)
	v.mu.Unlock()
}

// RefusedBelow notes that a callee which the request needs has refused it, or
// would have.
func (v *Visit) RefusedBelow() {
	v.mu.Lock()
	v.refused = true
	v.told.Store(true)
	v.mu.Unlock()
}

// Path is what the callees that the request needed have said, merged, and
// whether one of them refused it.
func (v *Visit) Path() (s pressure.Signal, refused bool) {
	if !v.told.Load() {
		return s, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.path, v.refused
}

// VisitOf returns the visit to which calls in ctx tell what they hear, nil where
// there is none or where the calls are optional.
func VisitOf(ctx context.Context) *Visit { return OutgoingOf(ctx).Visit }

type optionalKey struct{}

// Optional returns a context whose calls are not required: the answer can do
// without them, so their callees' pressure is no reason to refuse the whole.
// What is known of the request still travels on.
func Optional(ctx context.Context) context.Context {
	return context.WithValue(ctx, optionalKey{}, true)
}

type attemptKey struct{}

// withAttempt marks a retry.
func withAttempt(ctx context.Context, attempt int) context.Context {
	return context.WithValue(ctx, attemptKey{}, attempt)
}

// An Outgoing is what a context says of the calls that are made in it.
type Outgoing struct {
	// Work is what ctx serves, the number of the attempt, and ctx's deadline where
	// it is the earlier. A retry made here counts, and so does one made by whoever
	// called us.
	Work penstock.Work
	// Visit is told what the calls hear; nil where there is none, or where the
	// calls are optional.
	Visit *Visit
	// Relayed says that the calls are made for a request that a host serves, and
	// so have passed its [NewDoor]: see [Peer.Ask].
	Relayed bool
}

// OutgoingOf reads all of it in one go, as each question to a context asks all
// that it was made of.
func OutgoingOf(ctx context.Context) Outgoing {
	var o Outgoing
	if v := penstock.VisitFrom(ctx); v != nil {
		o.Work = v.Work()
		o.Work.Cost, o.Work.Flow = 0, 0 // of the server, and not of what it calls
		if o.Visit, o.Relayed = v.(*Visit); o.Relayed && ctx.Value(optionalKey{}) != nil {
			o.Visit = nil
		}
	}
	if n, ok := ctx.Value(attemptKey{}).(int); ok {
		o.Work.Attempt = max(o.Work.Attempt, n)
	}
	if at, ok := ctx.Deadline(); ok {
		if d := mono.Of(at); !o.Work.HasDeadline || d < o.Work.Deadline {
			o.Work.Deadline, o.Work.HasDeadline = d, true
		}
	}
	return o
}
