package admission

import (
	"context"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/pressure"
)

// A Controller admits concurrent callers.
type Controller struct{}

// New returns a Controller. It panics if cfg is not valid ([Config.Validate]).
func New(cfg Config) *Controller { return &Controller{} }

// Validate reports every problem of the configuration, joined.
func (cfg Config) Validate() error { return nil }

// Acquire asks to enter by the first route: it returns a permit at once, or
// waits for one as long as the room, the work's deadline and ctx allow. The
// error is a *[penstock.RejectedError], or ctx's cause.
func (c *Controller) Acquire(ctx context.Context, w penstock.Work) (Permit, error) {
	return c.AcquireRoute(ctx, 0, w)
}

// AcquireRoute is Acquire by the route with the given index. ctx's deadline
// counts as the work's where it is the earlier.
func (c *Controller) AcquireRoute(ctx context.Context, route int, w penstock.Work) (Permit, error) {
	return Permit{c: c}, nil
}

// Stats returns a snapshot.
func (c *Controller) Stats() penstock.Stats { return penstock.Stats{} }

// Pressure is what to tell callers now. It costs an atomic load.
func (c *Controller) Pressure() pressure.Signal { return pressure.Signal{} }

// Explain says in words what binds each gate.
func (c *Controller) Explain() string { return "" }

// ExplainRefusal returns the state behind a refusal, in words, while it is
// remembered (the last 65,536 decisions).
func (c *Controller) ExplainRefusal(id penstock.RefusalID) (string, bool) { return "", false }

// Reconfigure changes gates, routes and modes while work runs. Gates keep their
// limits and their work by name.
func (c *Controller) Reconfigure(cfg Config) error { return nil }

// Drain refuses all that asks from now on (reason draining); what waits or runs
// goes on.
func (c *Controller) Drain() {}

// Close stops the controller's timer. Permits may still be returned.
func (c *Controller) Close() {}

// A Permit is the right to run one unit of work at one gate. It is a value; the
// zero Permit is none. Every permit must see one Done.
type Permit struct {
	c    *Controller
	gate int32
}

// Gate is the index of the gate that the permit is for.
func (p Permit) Gate() int { return int(p.gate) }

// Answered records the end of the part that says how the callee is: a proxy
// calls it when the response's headers arrive. The slot stays taken until Done,
// whose outcome then no longer counts. Optional.
func (p Permit) Answered(o penstock.Outcome) {}

// Abandon reports that the caller has left while the callee works on. The slot
// stays taken until Done, or until the gate's estimate for such zombies runs
// out; the work counts as lost to load.
func (p Permit) Abandon() {}

// Done ends the work and frees its slot. A second Done is ignored and counted
// (Stats.StaleDone).
func (p Permit) Done(o penstock.Outcome) {}
