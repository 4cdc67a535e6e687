package admission

import (
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/admission/shed"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// The constants of the waiting room.
const (
	roomLength = 4096 // units waiting in one room, at most

	// How long work may wait where no number is given. It begins with a few service
	// times. While work is refused for its wait, the bound moves so that something
	// waits for standAim of the time: what is refused although the room is empty
	// later is lost capacity, and a queue that never ends only adds its length to
	// every reply. It is never less than p50, nor more than mostBound where it did
	// not begin there. Until a queue stands, work whose time is known may wait
	// burstBound times what the bound begins with: a burst passes, and its own time
	// bounds it.
	firstBound   = time.Second // before any service time is known
	mostBound    = time.Second
	boundP50     = 4 // to begin with, the longer of 4 x p50
	boundP90     = 2 // and 2 x p90
	burstBound   = 5
	standAim     = 0.9
	stretchSpeed = 5   // e-folds per standing memory, at full error
	stretchMost  = 0.4 // e-folds, for one time that the room was empty

	standOn        = 0.9 // a queue stands once it is there for this share of the time,
	standOff       = 0.5 // until it is there for less than this,
	standMemoryP50 = 50  // over about so many service times
	standLeast     = 50 * time.Millisecond
	standMost      = 30 * time.Second

	lateMemory = 1.0 / 32 // moving share of late replies
	lateOn     = 0.3      // above it the newest waiting work goes first, too

	// serviceShare bounds the p90 that a deadline must leave: a p90 swollen by
	// an incident may not refuse work that asks for most of its time.
	serviceShare = 0.8

	exploreWithin = 100 * time.Millisecond // one exploration at least so often
	levelMemory   = 100 * time.Millisecond // the level's moving average
	levelWaiting  = 0.8                    // the level at which work starts to wait
)

// A pool is one waiting room in front of its gates.
type pool struct {
	gates []int32
	order queue.Order
	room  *queue.Room
	codel *queue.CoDel
	door  *turnstile
	// verdicts take turns at the door, where nobody looks while the core decides.
	verdicts [2]verdict

	waitFor time.Duration // the longest of its routes', where all have one

	pricer   shed.Pricer
	floor    shed.Floor
	spreader pressure.Spreader

	marked   mono.Time // when standing was last brought up to date
	standing float64   // moving share of time that something waits
	stands   bool
	denied   bool    // work was refused for its wait since the room was last entered when empty
	stretch  float64 // of the bound, over what it begins with
	lateness float64 // moving share of late replies
	patience patience
	lifo     bool // what waits longest does not go first: its number says nothing

	service  summary       // over its gates, as of the last tick
	perSlot  float64       // slots' worth of work finished per second at the limit
	fill     float64       // moving average of in flight / limit
	inFlight int           // over its gates, as of the last tick
	limit    float64       // over its gates, as of the last tick
	retry    time.Duration // what to tell refused callers, before jitter

	refusals   int // since the last tick, the turnstile's included
	refusing   bool
	explored   mono.Time                    // when work was last let through against the estimate of its wait
	skipped    int                          // estimates obeyed since
	credited   mono.Time                    // when work was last let through below the price
	uncredited int                          // refusals by the turnstile for which none was let through yet
	price      penstock.Price               // what the door's verdict says
	priced     bool                         // there was a price when the turnstile's refusals were last collected
	collected  [penstock.MaxRank + 1]uint32 // of the turnstile's refusals, by rank
	refusedBy  [penstock.Reasons]*[jitters]penstock.RejectedError
}

// mark brings the share of time that something waits up to date. Call it
// before the room becomes empty or stops being so.
func (p *pool) mark(now mono.Time) {
	memory := min(max(standMemoryP50*p.service.P50, standLeast), standMost)
	x := 0.0
	if p.room.Len() > 0 {
		x = 1
	}
	passed := now.Sub(p.marked).Seconds() / memory.Seconds()
	p.standing += (1 - math.Exp(-passed)) * (x - p.standing)
	p.marked = now
	if p.denied {
		p.stretch *= math.Exp(min(stretchSpeed*passed*(standAim-x), stretchMost))
		begin := float64(p.beginning())
		p.stretch = min(max(p.stretch, float64(p.service.P50)/begin), max(1, float64(mostBound)/begin))
	}
	switch {
	case p.standing > standOn:
		p.stands = true
	case p.standing < standOff:
		p.stands = false
	}
}

// answered follows the share of late replies.
func (p *pool) answered(o penstock.Outcome, late bool) {
	switch {
	case late:
		p.lateness += lateMemory * (1 - p.lateness)
	case o == penstock.OK:
		p.lateness -= lateMemory * p.lateness
	}
}

// bound is the longest wait that the room itself allows.
func (p *pool) bound() time.Duration { return times(p.stretch, p.beginning()) }

// beginning is the bound before anything was refused for it.
func (p *pool) beginning() time.Duration {
	if p.service.n == 0 {
		return firstBound
	}
	return max(times(boundP50, p.service.P50), times(boundP90, p.service.P90))
}

func times(x float64, d time.Duration) time.Duration { return time.Duration(x * float64(d)) }

// latestStart is the instant after which work with the given deadline would
// probably finish too late.
func (p *pool) latestStart(now, deadline mono.Time) mono.Time {
	left := deadline.Sub(now)
	return deadline.Add(-min(p.service.P90, time.Duration(serviceShare*float64(left))))
}

// patientFor is how long work without a deadline may wait: until its caller would
// probably leave before the end of it, as far as that is known. Before, it may get
// twice as old as any did whose caller stayed: a gateful that turned out to be too
// late would be lost at once.
func (p *pool) patientFor() time.Duration {
	if p.service.n == 0 {
		return firstBound
	}
	age := p.patience.age
	if !p.patience.known {
		age = 2 * max(age, p.service.P90)
	}
	return age - min(p.service.P90, time.Duration(serviceShare*float64(age)))
}

// waitBehind estimates the wait behind work that costs ahead slots.
func (p *pool) waitBehind(ahead int) time.Duration {
	if ahead == 0 || p.perSlot <= 0 {
		return 0
	}
	return seconds(float64(ahead) / p.perSlot)
}

// explore reports whether an estimate that says no is to be tested.
func (p *pool) explore(now mono.Time) bool {
	if !p.explores(now) {
		p.skipped++
		return false
	}
	p.skipped, p.explored = 0, now
	return true
}

// explores reports what explore will.
func (p *pool) explores(now mono.Time) bool {
	return p.skipped+1 >= exploreEvery || now.Sub(p.explored) >= exploreWithin/time.Duration(len(p.gates))
}

// outranked reports whether work of a higher criticality waits.
func (p *pool) outranked(r penstock.Rank) bool {
	above := r.Criticality() + 1
	if above > penstock.CriticalPlus {
		return false
	}
	least := penstock.Work{Criticality: above, Attempt: 2}
	n, _ := p.room.LenFrom(least.Rank().Band())
	return n > 0
}

// excess is by how many slots observe mode has passed the limit.
func (p *pool) excess() int { return max(0, p.inFlight-int(p.limit)) }

// pressed reports whether the pool needs ticks though nothing else happens.
func (p *pool) pressed() bool {
	return p.refusing || p.refusals > 0 || p.room.Len() > 0 || p.price > 0 && p.price < penstock.MaxPrice
}

// level is how full the pool is, 0 to 1.
func (p *pool) level(now mono.Time) float64 {
	if p.refusing {
		return 1
	}
	if oldest, ok := p.room.Oldest(); ok {
		bound := p.bound()
		if p.waitFor > 0 {
			bound = p.waitFor
		}
		over := now.Sub(oldest).Seconds() / max(bound.Seconds(), 1e-9)
		return levelWaiting + (1-levelWaiting)*min(1, over)
	}
	return levelWaiting * min(1, p.fill)
}

// tick takes stock of one pool: what stands, what is refused, what to tell.
func (c *Core) tickPool(now mono.Time, p *pool, since time.Duration) {
	p.mark(now)
	p.patience.tick()
	c.collect(p)
	p.refusing = p.refusals > 0
	p.service, p.perSlot, p.inFlight, p.limit = summary{}, 0, 0, 0
	for _, i := range p.gates {
		g := &c.gates[i]
		p.service.merge(g.recent)
		p.inFlight += g.inFlight
		p.limit += g.limit
		if g.recent.mean > 0 {
			p.perSlot += float64(g.slots) / g.recent.mean.Seconds()
		}
	}
	p.fill += (1 - math.Exp(-since.Seconds()/levelMemory.Seconds())) * (float64(p.inFlight)/max(p.limit, 1e-3) - p.fill)
	p.lifo = p.order == queue.LIFO || p.order != queue.FIFO && (p.stands || p.lateness > lateOn)
	p.room.SetLIFO(p.lifo)
	if p.refusing {
		p.retry = p.spreader.Next(now, p.pricer.FinishedPerSecond(), p.refusals)
	} else {
		p.retry = 0
	}
	p.refusals = 0
	p.refusedBy = [penstock.Reasons]*[jitters]penstock.RejectedError{}
	wasPriced := p.pricer.Price() > 0
	price := p.pricer.Step(now, p.stands && (p.refusing || wasPriced))
	why := penstock.ReasonPriority
	switch {
	case c.draining:
		price, why = penstock.MaxPrice, penstock.ReasonDraining
	case c.observe:
		price = 0
	}
	c.publish(now, p, price, why)
	if price > 0 {
		p.giveCredit(now)
	}
}

// giveCredit lets the next few through below the price: one for every hundred
// that were not, one in 100 ms for each gate however few they are, and of each
// criticality that the price shuts out what keeps it alive.
func (p *pool) giveCredit(now mono.Time) {
	n := p.uncredited / exploreEvery
	p.uncredited %= exploreEvery
	if n == 0 && now.Sub(p.credited) >= exploreWithin/time.Duration(len(p.gates)) {
		n = 1
	}
	if n > 0 {
		p.credited = now
		p.door.credit.Store(int32(n))
	}
	for c := penstock.Sheddable; c < penstock.Rank(p.price).Criticality(); c++ {
		if p.floor.Ready(c) {
			p.door.floor[c].Store(true)
		}
	}
}

// collect takes the turnstile's refusals into the books, if there can be any.
// One that is just being made may be overlooked: the next takes it.
func (c *Core) collect(p *pool) {
	if p.price > 0 || p.priced {
		p.priced = p.price > 0
		c.collectAll(p)
	}
}

func (c *Core) collectAll(p *pool) {
	why := penstock.ReasonPriority
	if c.draining {
		why = penstock.ReasonDraining
	}
	for r := range p.door.refused {
		ever := p.door.refused[r].Load()
		n := ever - p.collected[r]
		if n == 0 {
			continue
		}
		p.collected[r] = ever
		rank := penstock.Rank(r)
		p.pricer.Offered(rank, float64(n))
		p.refusals += int(n)
		p.uncredited += int(n)
		c.pressed = true
		c.total.offered += uint64(n)
		c.total.refused[why][rank.Criticality()] += uint64(n)
	}
}

// publish makes the verdict that holds until the next tick, unless it would say
// what the last one says.
func (c *Core) publish(now mono.Time, p *pool, price penstock.Price, why penstock.Reason) {
	signal := pressure.Signal{Level: math.Round(p.level(now)*1000) / 1000, Price: price, Retry: p.retry}
	if oldest, ok := p.room.Oldest(); ok {
		signal.Delay = now.Sub(oldest).Round(100 * time.Microsecond)
	}
	ranked := price > 0 || p.stands
	if last := p.door.verdict.Load(); last.signal == signal && last.ranked == ranked && price == 0 {
		return
	}
	v := c.blank(p)
	*v = verdict{at: now, ranked: ranked, price: price, signal: signal}
	if price > 0 {
		v.errs = c.errorsFor(now, p, why, 0)
	}
	p.price = price
	p.door.verdict.Store(v)
}

// blank is a place for a verdict: a new one where others may still look at the
// last.
func (c *Core) blank(p *pool) *verdict {
	if c.shared {
		return new(verdict)
	}
	if p.door.verdict.Load() == &p.verdicts[0] {
		return &p.verdicts[1]
	}
	return &p.verdicts[0]
}

// openDoor takes the price away before the next tick.
func (c *Core) openDoor(now mono.Time, p *pool) {
	c.collect(p)
	c.publish(now, p, 0, penstock.ReasonNone)
}

// tick takes stock of everything.
func (c *Core) tick(now mono.Time) {
	since := Tick + now.Sub(c.tickAt)
	c.tickAt = now.Add(Tick)
	c.sojourn.turn(now)
	for i := range c.gates {
		g := &c.gates[i]
		g.service.turn(now)
		g.step(now)
		if g.dirty {
			g.recent, g.dirty = g.service.summary(), false
		}
	}
	c.pressed, c.refusing = false, false
	for _, p := range c.pools {
		c.tickPool(now, p, since)
		c.refusing = c.refusing || p.refusing || p.price > 0
		if p.room.Len() > 0 {
			c.pull(now, p)
		}
		c.pressed = c.pressed || p.pressed()
	}
	c.little.tick(now, c.total.inFlight)
}
