package admission

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/sense"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// A Controller admits concurrent callers: a [Core] with a lock and a timer. The
// timer is armed only while something waits, is refused, or is being measured.
// Its only goroutine is the process's one sampler, where it uses that: see
// [Config.Limit].
type Controller struct {
	doors     atomic.Pointer[[]*turnstile] // by route: refusals for rank take no lock
	names     atomic.Pointer[[]string]     // by gate
	cohortKey uint64
	refusing  atomic.Bool // the core's, as of the last time that it was held

	mu      sync.Mutex
	core    *Core
	waiters []chan Decision // by slot, while work waits in it
	alarm   Alarm
	timer   *time.Timer
	closed  bool
	process *sense.View // of this process, where the work runs in it

	channels sync.Pool // of chan Decision, empty
}

// New returns a Controller. It panics if cfg is not valid: see
// [Config.Validate].
func New(cfg Config) *Controller {
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64() //nolint:forbidigo // the shell is where randomness enters
	}
	var process *sense.View
	if cfg.Limit == nil && len(cfg.Gates) == 0 && cfg.Validate() == nil {
		process = sense.Open()
		cfg.Limit = limit.Direct(limit.Default(), process.Load)
	}
	c := &Controller{core: NewCore(cfg), process: process}
	c.core.shared = true
	c.cohortKey = rand.Uint64() //nolint:forbidigo // a secret of the process
	c.publish()
	return c
}

// publish makes the routes' turnstiles and the gates' names known to those that
// hold no lock.
func (c *Controller) publish() {
	doors := make([]*turnstile, len(c.core.routes))
	for i := range c.core.routes {
		doors[i] = c.core.routes[i].pool.door
	}
	names := make([]string, len(c.core.gates))
	for i := range c.core.gates {
		names[i] = c.core.gates[i].name
	}
	c.doors.Store(&doors)
	c.names.Store(&names)
}

// Acquire asks to enter by the first route: it returns a permit at once, or
// waits for one as long as the room, the work's deadline and ctx allow. The
// error is a *[penstock.RejectedError], or ctx's cause.
func (c *Controller) Acquire(ctx context.Context, w penstock.Work) (Permit, error) {
	return c.acquire(ctx, 0, &w, 0, false)
}

// AcquireRoute is Acquire by the route with the given index: that of
// Config.Routes, or after a Reconfigure that of [Controller.RouteIndex]. The
// deadline of ctx counts as the work's where it is the earlier.
func (c *Controller) AcquireRoute(ctx context.Context, route int, w penstock.Work) (Permit, error) {
	return c.acquire(ctx, route, &w, 0, false)
}

// AcquireRouteAt is AcquireRoute for a host that has read the clock already.
func (c *Controller) AcquireRouteAt(ctx context.Context, now mono.Time, route int, w penstock.Work) (Permit, error) {
	return c.acquire(ctx, route, &w, now, true)
}

// acquire reads the clock where no instant is given, but not for work that the
// turnstile refuses.
func (c *Controller) acquire(ctx context.Context, route int, w *penstock.Work, now mono.Time, given bool) (Permit, error) {
	door := (*c.doors.Load())[route]
	explored := false
	if v := door.verdict.Load(); v.ranked {
		c.placeInCohort(w, v.at)
		var err *penstock.RejectedError
		if err, explored = door.refuse(v, w.Rank()); err != nil {
			return Permit{}, err
		}
	}
	if !given {
		now = mono.Now()
	}
	if t, ok := ctx.Deadline(); ok {
		if d := mono.Of(t); !w.HasDeadline || d < w.Deadline {
			w.Deadline, w.HasDeadline = d, true
		}
	}
	c.mu.Lock()
	d := c.core.enter(now, route, w, explored)
	c.settle() // first: what was settled may have had the slot that d has now
	var decided chan Decision
	if d.State == Waiting {
		decided = c.waiter(d.Ticket)
	}
	c.mu.Unlock()
	if d.State == Waiting {
		var err error
		if d, err = c.await(ctx, d.Ticket, decided); err != nil {
			return Permit{}, err
		}
	}
	if d.State == Refused {
		return Permit{}, d.Refusal
	}
	permit := Permit{c, d.Ticket, int32(d.Gate)}
	if c.process != nil && c.process.Crowded() {
		if err := c.takeTurn(ctx, permit); err != nil {
			return Permit{}, err
		}
	}
	return permit, nil
}

// takeTurn lets others come in before work runs in this process, while there are few
// inside: see [sense.View.Yield].
func (c *Controller) takeTurn(ctx context.Context, permit Permit) error {
	c.mu.Lock()
	inside := c.core.total.inFlight
	c.mu.Unlock()
	if waited, yielded := c.process.Yield(inside); yielded {
		return c.turned(ctx, permit, waited)
	}
	return nil
}

// turned reports what admitted work has waited for a thread. It returns ctx's cause
// where the caller left meanwhile.
func (c *Controller) turned(ctx context.Context, permit Permit, waited time.Duration) error {
	permit.Report(waited)
	if ctx.Err() != nil {
		permit.Done(penstock.Ignored) // it had not begun
		return context.Cause(ctx)
	}
	return nil
}

// placeInCohort gives work that names no cohort one: by its flow, or at random.
// A cohort matters only while a pool is near a price, so nobody pays for the
// draw at other times.
func (c *Controller) placeInCohort(w *penstock.Work, now mono.Time) {
	switch {
	case w.Cohort.Specified():
	case w.Flow != 0:
		w.Cohort = pressure.CohortOf(w.Flow, c.cohortKey, now)
	default:
		w.Cohort = penstock.CohortAt(rand.Uint64()) //nolint:forbidigo // the shell is where randomness enters
	}
}

// await waits for the decision on t. The error is ctx's cause, where its caller
// leaves before.
func (c *Controller) await(ctx context.Context, t Ticket, decided chan Decision) (d Decision, err error) {
	defer c.channels.Put(decided)
	select {
	case d = <-decided:
	case <-ctx.Done():
		if c.leave(t) {
			return Decision{}, context.Cause(ctx)
		}
		d = <-decided // decided while we were leaving
	}
	return d, nil
}

// waiter returns the channel on which waiting work learns its fate. It holds
// one decision, so that settling never blocks. Its reader alone gives it back:
// the slot may have new work before the decision on the old has been read.
func (c *Controller) waiter(t Ticket) chan Decision {
	for int(t.slot) >= len(c.waiters) {
		c.waiters = append(c.waiters, nil)
	}
	decided, ok := c.channels.Get().(chan Decision)
	if !ok {
		decided = make(chan Decision, 1)
	}
	c.waiters[t.slot] = decided
	return decided
}

func (c *Controller) leave(t Ticket) bool {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.core.Leave(now, t)
	c.settle()
	return left
}

// settle hands out decisions and arms the timer, where there are any and it is
// needed. The lock is held.
func (c *Controller) settle() {
	if k := c.core; k.pressed || len(k.settled) > 0 || k.refusing != c.refusing.Load() {
		c.settleAll()
	}
}

func (c *Controller) settleAll() {
	c.refusing.Store(c.core.refusing)
	for {
		d, ok := c.core.Settled()
		if !ok {
			break
		}
		c.waiters[d.Ticket.slot] <- d
	}
	if at, reset := c.alarm.Set(c.core.Next()); reset && !c.closed {
		c.arm(at)
	}
}

func (c *Controller) arm(at mono.Time) {
	wait := max(0, at.Sub(mono.Now()))
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.fire)
		return
	}
	c.timer.Reset(wait)
}

// fire steps the core. A timer that was set again while it fired comes twice;
// the first then finds that its time has not come.
func (c *Controller) fire() {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || !c.alarm.set:
	case now < c.alarm.at:
		c.arm(c.alarm.at)
	default:
		c.alarm.Fired(c.alarm.at)
		c.core.Step(now)
		c.settle()
	}
}

// Stats returns a snapshot.
func (c *Controller) Stats() penstock.Stats {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.core.Stats(now)
	c.settle()
	return s
}

// Pressure is what to tell callers of the first route now.
func (c *Controller) Pressure() pressure.Signal { return c.PressureRoute(0) }

// PressureRoute is what to tell callers of a route now. It costs two atomic
// loads; while nothing happens it grows old, at most until the next call of
// Acquire, Done or Stats.
func (c *Controller) PressureRoute(route int) pressure.Signal {
	return (*c.doors.Load())[route].verdict.Load().signal
}

// Explain says in words what binds each gate.
func (c *Controller) Explain() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Explain()
}

// ExplainRefusal returns the state behind a refusal, in words, while it is
// remembered: see [Core.ExplainRefusal].
func (c *Controller) ExplainRefusal(id penstock.RefusalID) (string, bool) {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.ExplainRefusal(now, id)
}

// Reconfigure changes gates, routes and modes while work runs: see
// [Core.Reconfigure]. Config.Seed is not read again.
func (c *Controller) Reconfigure(cfg Config) error {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.core.Reconfigure(now, cfg); err != nil {
		return err
	}
	c.publish()
	c.settle()
	return nil
}

// RouteIndex returns the index of the configured route with the given name.
func (c *Controller) RouteIndex(name string) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.RouteIndex(name)
}

// Drain refuses all that asks from now on (reason draining); what waits or runs
// goes on.
func (c *Controller) Drain() {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.core.Drain(now)
	c.settle()
}

// Close stops the timer for good, and gives the process's sampler up where it
// uses that. Permits may still be returned, but nothing that waits is refused in
// time any more: drain first.
func (c *Controller) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.process != nil {
		c.process.Close()
	}
	if c.timer != nil {
		c.timer.Stop()
	}
}

// A Permit is the right to run one unit of work at one gate. It is a value; the
// zero Permit is none, and its methods do nothing. Every permit must see one
// Done.
type Permit struct {
	c      *Controller
	ticket Ticket
	gate   int32
}

// Gate is the index of the gate that the permit is for: that of Config.Gates,
// until a Reconfigure. After one, GateName is the way to tell.
func (p Permit) Gate() int { return int(p.gate) }

// GateName is the name of the gate that the permit is for.
func (p Permit) GateName() string {
	if p.c == nil {
		return ""
	}
	return (*p.c.names.Load())[p.gate]
}

// Answered records the end of the part that says how the callee is: a proxy
// calls it when the response's headers arrive. The slot stays taken until Done,
// whose outcome then no longer counts. Optional.
func (p Permit) Answered(o penstock.Outcome) { p.tell((*Core).Answered, o) }

// Report records how long the work waited inside the callee, as the callee says.
// The default law then finds its limit by that alone, [limit.Direct] by that beside
// its law. Call it before the outcome is told; optional. A controller whose work
// runs in this process ([Config.Limit]) reports by itself what work waited for a
// thread, and a later report takes its place.
func (p Permit) Report(delay time.Duration) {
	p.tell(func(c *Core, now mono.Time, t Ticket, _ penstock.Outcome) bool { return c.Report(now, t, delay) }, penstock.OK)
}

// Away lends the work's slot to others while it waits for a callee that limits
// itself: how long it waits there says nothing of how much may be in here. Back has
// it again. Optional; penstockhttp and penstockgrpc do both, around calls that are
// made in the request's context to callees that say how full they are. It does
// nothing where the limit is given, or the gates are ([Config.Limit]).
func (p Permit) Away() {
	if p.c != nil && p.c.process != nil {
		p.tell(func(c *Core, now mono.Time, t Ticket, _ penstock.Outcome) bool { return c.Away(now, t) }, penstock.OK)
	}
}

// Back ends Away. Done and Abandon do, too.
func (p Permit) Back() {
	if p.c != nil && p.c.process != nil {
		p.tell(func(c *Core, now mono.Time, t Ticket, _ penstock.Outcome) bool { return c.Back(now, t) }, penstock.OK)
	}
}

// Abandon reports that the caller has left while the callee works on. The work
// counts as lost to load, and the slot stays taken until Done.
func (p Permit) Abandon() {
	p.tell(func(c *Core, now mono.Time, t Ticket, _ penstock.Outcome) bool { return c.Abandon(now, t) }, penstock.Dropped)
}

// Done ends the work and frees its slot. A second Done is ignored and counted
// (Stats.StaleDone).
func (p Permit) Done(o penstock.Outcome) {
	if p.c != nil {
		p.DoneAt(mono.Now(), o)
	}
}

// DoneAt is Done for a host that has read the clock already.
func (p Permit) DoneAt(now mono.Time, o penstock.Outcome) {
	if p.c == nil {
		return
	}
	p.c.mu.Lock()
	p.c.core.Done(now, p.ticket, o)
	p.c.settle()
	p.c.mu.Unlock()
}

func (p Permit) tell(what func(*Core, mono.Time, Ticket, penstock.Outcome) bool, o penstock.Outcome) {
	if p.c == nil {
		return
	}
	now := mono.Now()
	p.c.mu.Lock()
	what(p.c.core, now, p.ticket, o)
	p.c.settle()
	p.c.mu.Unlock()
}
