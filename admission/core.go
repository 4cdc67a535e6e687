package admission

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/balance"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// Tick is how often the core takes stock: prices, levels and verdicts are at
// most so old while anything waits or is refused.
const Tick = 10 * time.Millisecond

// fullBudget is the share of its time that work must still have when it enters
// a gate for its lateness to be blamed on the callee: work that spent its time
// in the waiting room says nothing of what lies behind it.
const fullBudget = 0.6

// A Core is the admission state machine: waiting rooms in front of gates. It is
// single-threaded, is given every instant, and holds no lock, clock or
// goroutine. [Controller] gives it those; the simulator drives it directly.
//
// Every method that takes an instant may settle the fate of waiting work:
// collect it with [Core.Settled] after each call. [Core.Next] says when to call
// [Core.Step] if nothing else happens. Instants that go backwards are taken as
// the latest seen.
type Core struct {
	observe  bool
	draining bool
	shared   bool // with goroutines that look at turnstiles while it decides
	rng      *rand.Rand
	now      mono.Time
	begun    bool
	tickAt   mono.Time

	gates   []gate
	pools   []*pool
	retired []*pool // by the last Reconfigure; somebody may still be in their turnstiles
	routes  []route

	slots   []slot
	free    int32 // first of the free list, -1 when empty
	settled []Decision
	taken   int // of settled, already handed out

	sojourn  sketch
	pressed  bool // a pool may be pressed, or nothing has begun; false is certain
	refusing bool // a pool refused within the last tick, or has a price
	little   littleMeter
	memory   memory
	total    totals
}

// totals are the counters behind Stats.
type totals struct {
	offered, admitted, left, explored     uint64
	good, wasted, dropped, ignored, stale uint64
	inFlight, zombies, waiting            int
	refused, wouldRefuse                  penstock.RefusedCounts
}

// A Ticket names one unit of work from its offer to its end. The zero Ticket
// names none.
type Ticket struct {
	slot int32
	gen  uint32
}

// Slot is a small number that no other unit of work has until this one has
// ended: an index for whatever a host keeps per unit.
func (t Ticket) Slot() int { return int(t.slot) }

// State is where a unit of work is.
type State uint8

// The states of a [Decision].
const (
	Refused  State = iota // with a Refusal
	Waiting               // in the room; Settled will tell
	Admitted              // at a Gate; call Done when it ends
)

// A Decision is the answer to an offer.
type Decision struct {
	State   State
	Ticket  Ticket // zero when Refused at once
	Gate    int    // where Admitted
	Refusal *penstock.RejectedError
}

type slotState uint8

const (
	slotFree slotState = iota
	slotWaiting
	slotRunning
	slotZombie // running, but its caller has left
)

// A slot holds one unit of work that waits or runs.
type slot struct {
	gen         uint32
	state       slotState
	sampled     bool // its law has been told
	answered    bool // by Answered, before its end
	hasDeadline bool
	byDeadline  bool // its wait ends by its deadline, not by the room's bound
	gate        int32
	route       int32
	next        int32 // in the free list
	handle      queue.Handle
	rank        penstock.Rank
	arrived     mono.Time
	deadline    mono.Time
	left        mono.Time // since when it holds no slot, while isAway
	isAway      bool
	pool        *pool

	limit.Sample // what its gate's law will be told; Away is without the present time
}

// NewCore returns an idle core. It panics if cfg is not valid.
func NewCore(cfg Config) *Core {
	c := &Core{free: -1, now: mono.Distant, pressed: true, rng: rand.New(rand.NewPCG(cfg.Seed, 0x70656e73746f636b))}
	c.memory.base = c.rng.Uint64() >> 12
	if err := c.configure(cfg); err != nil {
		panic(err)
	}
	return c
}

// Offer asks whether w may enter by the given route.
func (c *Core) Offer(now mono.Time, routeIndex int, w penstock.Work) Decision {
	door := c.routes[routeIndex].pool.door
	err, explored := door.refuse(door.verdict.Load(), w.Rank())
	if err != nil {
		return Decision{Refusal: err}
	}
	return c.enter(now, routeIndex, &w, explored)
}

// enter is Offer behind the turnstile.
func (c *Core) enter(now mono.Time, routeIndex int, w *penstock.Work, explored bool) Decision {
	now = c.advance(now)
	r := &c.routes[routeIndex]
	p := r.pool
	rank, cost := w.Rank(), w.Slots()
	c.total.offered++
	if p.stands {
		p.pricer.Offered(rank, float64(cost))
	}
	if explored {
		c.total.explored++
	}

	why := penstock.ReasonNone
	switch {
	case c.draining || r.gone: // an order and no estimate: observe mode obeys it
		return c.refuse(now, p, rank, penstock.ReasonDraining, 0)
	case w.HasDeadline && w.Deadline <= now:
		why = penstock.ReasonDeadline
	case r.cap > 0 && r.taken > 0 && r.taken+cost > r.cap:
		why = penstock.ReasonLimit
	}
	if why == penstock.ReasonNone && p.room.Len() == 0 {
		if g := c.pick(p, now, cost); g >= 0 {
			i := c.take(now, routeIndex, rank, cost, w)
			if p.codel != nil {
				p.codel.Drop(now, 0, 0) // an empty room ends a dropping spell
			}
			c.start(now, i, g)
			return Decision{State: Admitted, Ticket: c.ticket(i), Gate: g}
		}
	}
	var until mono.Time
	var byDeadline bool
	band := rank.Band()
	if why == penstock.ReasonNone {
		if p.outranked(rank) && p.floor.Lifts(rank, float64(cost)) {
			band = penstock.MaxRank.Band()
		}
		until, byDeadline, why = c.mayWait(now, r, band, w)
	}
	if c.observe {
		return c.observed(now, routeIndex, rank, cost, w, why)
	}
	if why != penstock.ReasonNone {
		return c.refuse(now, p, rank, why, until.Sub(now))
	}
	return c.wait(now, routeIndex, rank, band, cost, w, until, byDeadline)
}

// mayWait says until when work that cannot start now may wait, or why it may
// not.
func (c *Core) mayWait(now mono.Time, r *route, band int, w *penstock.Work) (until mono.Time, byDeadline bool, why penstock.Reason) {
	p := r.pool
	until, byDeadline, why, estimated := c.prospect(now, r, band, w)
	if estimated && p.explore(now) {
		c.total.explored++
		why = penstock.ReasonNone
	}
	return until, byDeadline, why
}

// prospect is mayWait before exploration: estimated says that why rests on an
// estimate, which exploration may overrule. It changes nothing.
func (c *Core) prospect(now mono.Time, r *route, band int, w *penstock.Work) (until mono.Time, byDeadline bool, why penstock.Reason, estimated bool) {
	p := r.pool
	ahead := 0
	if c.observe {
		ahead = p.excess()
	} else {
		_, ahead = p.room.LenFrom(band)
	}
	if r.waitFor < 0 {
		return 0, false, penstock.ReasonQueueFull, false
	}
	bound, wait := r.waitFor, p.waitBehind(ahead)
	if r.waitFor == 0 {
		bound, wait = c.foundBound(p, w, ahead, wait)
	}
	until = now.Add(bound)
	why = penstock.ReasonSojourn
	if w.HasDeadline {
		if latest := p.latestStart(now, w.Deadline); latest < until {
			until, byDeadline, why = latest, true, penstock.ReasonDeadline
		}
	}
	if wait > until.Sub(now) && !p.lifo {
		return until, byDeadline, why, true
	}
	return until, byDeadline, penstock.ReasonNone, false
}

// foundBound is the longest wait that a room without a number allows w, and the wait
// to hold against it.
func (c *Core) foundBound(p *pool, w *penstock.Work, ahead int, wait time.Duration) (bound, expected time.Duration) {
	bound = p.bound()
	if ahead == 0 && p.room.Len() > 0 {
		bound = p.beginning() // what stands is beneath it, and not in its way
	}
	if w.HasDeadline && c.dips(p) {
		bound, wait = max(2*bound, p.beginning()), wait/2 // the limit is half of what it soon is
	}
	if !p.stands && (w.HasDeadline || p.patience.known) {
		bound = max(bound, burstBound*p.beginning())
	}
	if !w.HasDeadline {
		bound = min(bound, p.patientFor())
	}
	return bound, wait
}

// dips reports whether all gates of a pool are held low for a short while by their
// laws. Where others are not, they take what does not fit.
func (c *Core) dips(p *pool) bool {
	for _, i := range p.gates {
		if !c.gates[i].dips() {
			return false
		}
	}
	return len(p.gates) > 0
}

// wait puts work in the room, at the cost of weaker work if the room is full.
func (c *Core) wait(now mono.Time, routeIndex int, rank penstock.Rank, band, cost int, w *penstock.Work, until mono.Time, byDeadline bool) Decision {
	p := c.routes[routeIndex].pool
	p.mark(now)
	if p.room.Len() == 0 {
		p.denied = false
	}
	i := c.take(now, routeIndex, rank, cost, w)
	it := queue.Item{ID: i, Band: band, Flow: w.Flow, Cost: cost, Arrived: now, Expires: until}
	handle, ok := p.room.Push(it)
	if !ok {
		weak, weakHandle, found := p.room.Weakest(it.Band)
		if !found {
			c.release(i)
			return c.refuse(now, p, rank, penstock.ReasonQueueFull, 0)
		}
		p.room.Remove(weakHandle)
		c.settleRefused(now, weak.ID, penstock.ReasonPriority)
		if handle, ok = p.room.Push(it); !ok {
			panic("admission: no place in the room after an eviction")
		}
	}
	s := &c.slots[i]
	s.state, s.byDeadline, s.handle = slotWaiting, byDeadline, handle
	c.total.waiting++
	c.pressed = true
	t := c.ticket(i)
	before := len(c.settled)
	c.pull(now, p)
	for k := before; k < len(c.settled); k++ {
		if d := c.settled[k]; d.Ticket == t { // it was next, and did not have to wait
			c.settled = append(c.settled[:k], c.settled[k+1:]...)
			return d
		}
	}
	return Decision{State: Waiting, Ticket: t}
}

// observed admits work whatever the answer would have been, and counts the
// answer.
func (c *Core) observed(now mono.Time, routeIndex int, rank penstock.Rank, cost int, w *penstock.Work, why penstock.Reason) Decision {
	p := c.routes[routeIndex].pool
	if why != penstock.ReasonNone {
		c.total.wouldRefuse[why][rank.Criticality()]++
		p.refusals++
		c.pressed = true
	}
	g := balance.PowerOfTwo(c.rng.Uint64(), len(p.gates), func(k int) (float64, bool) {
		return c.gates[p.gates[k]].load(), true
	})
	i := c.take(now, routeIndex, rank, cost, w)
	c.start(now, i, int(p.gates[g]))
	return Decision{State: Admitted, Ticket: c.ticket(i), Gate: int(p.gates[g])}
}

// Leave takes waiting work out of the room: its caller has gone. It reports
// false if t no longer waits; its fate is then settled, or about to be read.
func (c *Core) Leave(now mono.Time, t Ticket) bool {
	now = c.advance(now)
	s := c.find(t)
	if s == nil || s.state != slotWaiting {
		return false
	}
	p := s.pool
	p.mark(now)
	if !s.hasDeadline {
		p.patience.leave(now.Sub(s.arrived))
	}
	p.room.Remove(s.handle)
	c.total.waiting--
	c.total.left++
	c.release(t.slot)
	c.pull(now, p) // what it stood in front of may fit
	return true
}

// Answered records the outcome of running work before its slot is freed. It
// reports false if t does not run or was answered before.
func (c *Core) Answered(now mono.Time, t Ticket, o penstock.Outcome) bool {
	now = c.advance(now)
	s := c.find(t)
	if s == nil || s.state < slotRunning || s.sampled {
		return false
	}
	s.answered = true
	c.sample(now, s, o)
	c.pullGate(now, &c.gates[s.gate]) // the limit may have risen
	return true
}

// Report records how long running work waited inside the callee, as the callee
// says. It counts for the law, and is to come before the outcome. It reports
// false if t does not run or its outcome is known.
func (c *Core) Report(now mono.Time, t Ticket, delay time.Duration) bool {
	c.advance(now)
	s := c.find(t)
	if s == nil || s.state < slotRunning || s.sampled {
		return false
	}
	s.HasDelay, s.QueueDelay = true, max(0, delay)
	return true
}

// Away lends the slot of running work to others while the work is with a callee
// that limits itself. It reports false if t does not run, is away, or has no caller
// any more.
func (c *Core) Away(now mono.Time, t Ticket) bool {
	now = c.advance(now)
	s := c.find(t)
	if s == nil || s.state != slotRunning || s.isAway {
		return false
	}
	s.isAway, s.left = true, now
	g := &c.gates[s.gate]
	g.lend(s.Cost)
	if c.pressed {
		c.pullGate(now, g)
	}
	return true
}

// Back ends Away: the work has its slot again at once, and others wait if that is
// one too many. It reports false if t is not away.
func (c *Core) Back(now mono.Time, t Ticket) bool {
	now = c.advance(now)
	s := c.find(t)
	if s == nil || !s.isAway {
		return false
	}
	c.back(now, s)
	return true
}

func (c *Core) back(now mono.Time, s *slot) {
	s.isAway = false
	s.Away += now.Sub(s.left)
	c.gates[s.gate].takeBack(s.Cost)
}

// Abandon reports that the caller of running work has left while the callee
// works on: the work is lost to load, and its slot stays taken until Done.
func (c *Core) Abandon(now mono.Time, t Ticket) bool {
	now = c.advance(now)
	s := c.find(t)
	if s == nil || s.state != slotRunning {
		return false
	}
	if s.isAway {
		c.back(now, s)
	}
	if !s.sampled {
		c.sampleLate(now, s)
	}
	if !s.hasDeadline {
		s.pool.patience.leave(now.Sub(s.arrived))
	}
	s.state = slotZombie
	c.gates[s.gate].zombies += s.Cost
	c.total.zombies += s.Cost
	for _, p := range c.gates[s.gate].pools {
		c.pull(now, c.pools[p])
	}
	return true
}

// Done ends running work and frees its slot. It reports false, and counts, if t
// was done before.
func (c *Core) Done(now mono.Time, t Ticket, o penstock.Outcome) bool {
	now = c.advance(now)
	s := c.find(t)
	if s == nil || s.state < slotRunning {
		c.total.stale++
		return false
	}
	if s.isAway {
		c.back(now, s)
	}
	g := &c.gates[s.gate]
	switch {
	case s.state == slotZombie:
		g.bury(s.Cost)
		c.total.zombies -= s.Cost
		if o == penstock.OK {
			if !s.answered {
				c.total.wasted++
			}
			g.probeWait = 0 // the callee answers: it is back
		}
	case !s.sampled:
		c.sample(now, s, o)
	}
	took := now.Sub(s.Started)
	cost := s.Cost
	c.little.end(now, c.total.inFlight, cost, took)
	c.total.inFlight -= cost
	g.end(now, cost, took-s.Away)
	s.pool.pricer.Finished(float64(cost))
	if s.pool.stands {
		s.pool.floor.Finished(float64(cost))
	}
	c.release(t.slot)
	if c.pressed {
		c.pullGate(now, g)
	}
	return true
}

// Step applies the passage of time. It is idempotent.
func (c *Core) Step(now mono.Time) {
	now = c.advance(now)
	for i := range c.gates {
		if g := &c.gates[i]; g.stepper != nil {
			g.step(now)
			c.pullGate(now, g)
		}
	}
}

// Next is the instant at which Step must be called even if nothing else
// happens.
func (c *Core) Next() (mono.Time, bool) {
	if !c.pressed {
		return mono.Never, false // nobody waits to see what time alone would change
	}
	return c.nextOfAll()
}

// nextOfAll is Next where a pool may be pressed.
func (c *Core) nextOfAll() (mono.Time, bool) {
	at := c.nextOfPools()
	for i := range c.gates {
		if g := &c.gates[i]; g.inFlight > 0 || g.shut {
			at = min(at, g.next(c.waitsFor(g)))
		}
	}
	return at, at != mono.Never
}

// nextOfPools is Next, for the waiting rooms.
func (c *Core) nextOfPools() mono.Time {
	at := mono.Never
	for _, p := range c.pools {
		if p.pressed() {
			at = min(at, c.tickAt)
		}
		if t, ok := p.room.Next(); ok {
			at = min(at, t)
		}
	}
	return at
}

// waitsFor reports whether anything waits for a gate.
func (c *Core) waitsFor(g *gate) bool {
	return c.total.waiting > 0 && slices.ContainsFunc(g.pools, func(i int32) bool { return c.pools[i].room.Len() > 0 })
}

// Settled returns the next decision on work that had been waiting, and whether
// there was one.
func (c *Core) Settled() (Decision, bool) {
	if c.taken == len(c.settled) {
		c.settled, c.taken = c.settled[:0], 0
		return Decision{}, false
	}
	c.taken++
	return c.settled[c.taken-1], true
}

// advance brings the core to now and returns the instant to use.
func (c *Core) advance(now mono.Time) mono.Time {
	if c.pressed || now < c.now || now >= c.tickAt {
		return c.settleDue(now)
	}
	c.now = now
	return now
}

// settleDue is advance where something may be due.
func (c *Core) settleDue(now mono.Time) mono.Time {
	now = max(c.now, now)
	c.now = now
	if !c.begun {
		c.begin(now)
	}
	if c.total.waiting > 0 {
		for _, p := range c.pools {
			c.expire(now, p)
		}
	}
	if now >= c.tickAt {
		c.tick(now)
	}
	if c.total.waiting > 0 {
		for i := range c.gates {
			g := &c.gates[i]
			if g.shut && g.inFlight == 0 && now >= g.shutUntil || g.probeWait > 0 && now >= g.probeAt {
				c.pullGate(now, g)
			}
		}
	}
	return now
}

// begin sets the instants that cannot be known before the first event.
func (c *Core) begin(now mono.Time) {
	c.begun, c.pressed, c.tickAt = true, false, now.Add(Tick)
	c.little.at, c.little.decayed = now, now
	for _, p := range c.pools {
		p.marked, p.explored, p.credited = now, now, now
	}
}

// expire refuses waiting work whose time has run out.
func (c *Core) expire(now mono.Time, p *pool) {
	for expired := false; ; expired = true {
		it, handle, ok := p.room.Expired(now)
		if !ok {
			if expired {
				c.pull(now, p) // what they stood in front of may fit
			}
			return
		}
		p.mark(now)
		p.room.Remove(handle)
		why := penstock.ReasonSojourn
		if c.slots[it.ID].byDeadline {
			why = penstock.ReasonDeadline
		}
		c.settleRefused(now, it.ID, why)
	}
}

// pull starts waiting work while gates have slots.
func (c *Core) pull(now mono.Time, p *pool) {
	for p.room.Len() > 0 {
		it, handle, ok := p.room.Peek()
		if !ok {
			return
		}
		g := c.pick(p, now, it.Cost)
		if g < 0 {
			return
		}
		if p.codel != nil && p.codel.Drop(now, now.Sub(it.Arrived), p.room.Len()-1) {
			p.mark(now)
			p.room.Remove(handle)
			c.settleRefused(now, it.ID, penstock.ReasonSojourn)
			continue
		}
		p.mark(now)
		p.room.Take(handle)
		c.total.waiting--
		c.start(now, it.ID, g)
		c.settled = append(c.settled, Decision{State: Admitted, Ticket: c.ticket(it.ID), Gate: g})
	}
	if p.price > 0 && !c.draining {
		// A slot stands idle: nothing may be refused for its rank now.
		c.openDoor(now, p)
	}
}

// pullGate lets the rooms of a gate pull, each first in its turn.
func (c *Core) pullGate(now mono.Time, g *gate) {
	n := len(g.pools)
	if n == 1 {
		c.pull(now, c.pools[g.pools[0]])
		return
	}
	for k := range n {
		c.pull(now, c.pools[g.pools[(g.turn+k)%n]])
	}
	if n > 0 {
		g.turn = (g.turn + 1) % n
	}
}

// pick returns an open gate for work of the given cost, or -1.
func (c *Core) pick(p *pool, now mono.Time, cost int) int {
	if len(p.gates) > 1 {
		return c.pickOfTwo(p, now, cost)
	}
	if len(p.gates) == 1 && c.gates[p.gates[0]].open(now, cost) {
		return int(p.gates[0])
	}
	return -1
}

// pickOfTwo is pick where there is a choice.
func (c *Core) pickOfTwo(p *pool, now mono.Time, cost int) int {
	k := balance.PowerOfTwo(c.rng.Uint64(), len(p.gates), func(k int) (float64, bool) {
		g := &c.gates[p.gates[k]]
		return g.load(), g.open(now, cost)
	})
	if k < 0 {
		return -1
	}
	return int(p.gates[k])
}

// take fills a free slot with new work.
func (c *Core) take(now mono.Time, routeIndex int, rank penstock.Rank, cost int, w *penstock.Work) int32 {
	i := c.free
	if i < 0 {
		c.slots = append(c.slots, slot{})
		i = int32(len(c.slots) - 1)
	} else {
		c.free = c.slots[i].next
	}
	s, r := &c.slots[i], &c.routes[routeIndex]
	s.gen++
	s.sampled, s.answered, s.byDeadline, s.isAway = false, false, false, false
	s.route, s.pool, s.rank = int32(routeIndex), r.pool, rank
	s.Sample = limit.Sample{Cost: cost}
	s.arrived, s.deadline, s.hasDeadline = now, w.Deadline, w.HasDeadline
	r.taken += cost
	return i
}

// release puts a slot back.
func (c *Core) release(i int32) {
	s := &c.slots[i]
	c.routes[s.route].taken -= s.Cost
	s.state = slotFree
	s.next, c.free = c.free, i
}

func (c *Core) ticket(i int32) Ticket { return Ticket{i, c.slots[i].gen} }

func (c *Core) find(t Ticket) *slot {
	if int(t.slot) >= len(c.slots) || c.slots[t.slot].gen != t.gen || c.slots[t.slot].state == slotFree {
		return nil
	}
	return &c.slots[t.slot]
}

// start lets a unit run at a gate.
func (c *Core) start(now mono.Time, i int32, gateIndex int) {
	s, g := &c.slots[i], &c.gates[gateIndex]
	s.state, s.gate, s.Started = slotRunning, int32(gateIndex), now
	c.little.advance(now, c.total.inFlight)
	c.total.admitted++
	c.total.inFlight += s.Cost
	c.sojourn.add(now.Sub(s.arrived), 0)
	if s.pool.stands {
		s.pool.floor.Started(s.rank, float64(s.Cost))
	}
	g.start(now, s.Cost)
	s.InFlightAtStart = g.seen()
}

// sample tells the gate how a unit went, and whether it came too late.
func (c *Core) sample(now mono.Time, s *slot, o penstock.Outcome) {
	if s.hasDeadline && now > s.deadline && o != penstock.Ignored {
		if o == penstock.OK {
			c.total.wasted++
		}
		c.sampleLate(now, s)
		return
	}
	s.sampled = true
	if !s.hasDeadline && (s.Started > s.arrived || s.pool.patience.begun) {
		s.pool.patience.stay(now.Sub(s.arrived))
	}
	switch o {
	case penstock.OK:
		c.total.good++
	case penstock.Dropped:
		c.total.dropped++
	default:
		c.total.ignored++
	}
	s.pool.answered(o, false)
	c.gates[s.gate].sample(now, s, o, false)
}

// sampleLate is sample for work whose answer, if it ever comes, is of no use.
func (c *Core) sampleLate(now mono.Time, s *slot) {
	s.sampled = true
	// How much of its time did the work still have when it entered the gate?
	end := now
	if s.hasDeadline {
		end = s.deadline
	}
	o := penstock.Dropped
	if float64(end.Sub(s.Started)) < fullBudget*float64(end.Sub(s.arrived)) {
		o = penstock.Ignored
		c.total.ignored++
	} else {
		c.total.dropped++
	}
	s.pool.answered(o, true)
	c.gates[s.gate].sample(now, s, o, true)
}
