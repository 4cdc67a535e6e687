package admission

import (
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// The constants of zombie probes. While a gate's slots are held by work whose
// callers have left, one more unit at a time is let in, so that an answer can
// show that the callee is back.
const (
	probeFirstLeast = 10 * time.Millisecond // shortest wait before the first probe
	probeMost       = time.Second           // longest wait between probes
	starvedShare    = 4                     // starved: live work below limit/4
)

// A gate is one callee: a limit with its in-flight count.
type gate struct {
	name    string
	law     limit.Law
	starter limit.Starter // law, if it wants starts
	stepper limit.Stepper // law, if it moves with time
	dipper  limit.Dipper  // law, if it dips

	limit    float64
	slots    int // the whole number of slots that limit means: at least 1
	inFlight int // slots taken
	zombies  int // of them, by work whose caller has left
	away     int // slots' worth of work that runs and holds none: see Core.Away

	// A limit below 1 is kept as an average: after each unit the gate stays shut.
	shutUntil mono.Time
	shut      bool

	// probeWait is the learned estimate of how long to leave zombies alone; 0
	// while the gate is not starved by them.
	probeWait time.Duration
	probeAt   mono.Time
	// beside is how much live work may run beside zombies that hold all slots: they
	// may be stuck where they are in nobody's way. Each answer to work that was sent
	// behind them adds its cost, so it doubles with a round trip, and what comes too
	// late or is refused ends it.
	beside   int
	besideOf mono.Time // when that ended last

	service sketch
	recent  summary // of service, as of the last tick
	dirty   bool    // service has changed since

	pools []int32 // the rooms that it pulls from
	turn  int     // which of them is asked first

	admitted, good, dropped uint64
	removed                 bool // no longer configured; waits for its last Done
}

func (g *gate) setLaw(law limit.Law) {
	g.law = law
	g.starter, _ = law.(limit.Starter)
	g.stepper, _ = law.(limit.Stepper)
	g.dipper, _ = law.(limit.Dipper)
	g.limit = -1 // unlike any
	g.setLimit()
}

// setLimit takes over the law's limit.
func (g *gate) setLimit() {
	if limit := g.law.Limit(); limit != g.limit {
		g.moveTo(limit)
	}
}

// moveTo is kept apart, so that asking costs no call.
//
//go:noinline
func (g *gate) moveTo(limit float64) {
	g.limit = limit
	g.slots = max(1, int(math.Round(min(limit, math.MaxInt32))))
	if limit >= 1 {
		g.shut = false
	}
}

// step applies the passage of time to the law.
func (g *gate) step(now mono.Time) {
	if g.stepper != nil {
		g.stepper.Step(now)
		g.setLimit()
	}
}

// dips reports whether the law holds the limit low for a short while.
func (g *gate) dips() bool { return g.dipper != nil && g.dipper.Dipping() }

// load is what balancing compares: slots taken over the limit.
func (g *gate) load() float64 { return float64(g.inFlight) / max(g.limit, 1e-3) }

// open reports whether work of the given cost may start now.
func (g *gate) open(now mono.Time, cost int) bool {
	if g.inFlight+cost <= g.slots && !g.shut && !g.removed {
		return true
	}
	return g.opens(now, cost)
}

// opens is open where there is no room, or the gate is shut.
func (g *gate) opens(now mono.Time, cost int) bool {
	switch {
	case g.removed:
		return false
	case g.inFlight == 0:
		return !g.shut || now >= g.shutUntil
	}
	if g.inFlight-g.zombies+cost <= min(g.beside, g.slots) {
		return true
	}
	return g.starved() && now >= g.probeDue(now)
}

// starved reports whether zombies hold so many slots that nearly no live work
// can say how the callee is.
func (g *gate) starved() bool {
	return g.zombies > 0 && (g.inFlight-g.zombies)*starvedShare < g.slots
}

// probeDue is when a starved gate lets one more in, starting the wait if none
// runs.
func (g *gate) probeDue(now mono.Time) mono.Time {
	if g.probeWait == 0 {
		g.probeWait = min(max(g.recent.P90, probeFirstLeast), probeMost)
		g.probeAt = now.Add(g.probeWait)
	}
	return g.probeAt
}

func (g *gate) start(now mono.Time, cost int) {
	if g.probeWait > 0 && g.inFlight > 0 && g.inFlight+cost > g.slots {
		// This is a probe: until it is answered, the next waits twice as long.
		g.probeWait = min(2*g.probeWait, probeMost)
		g.probeAt = now.Add(g.probeWait)
	}
	g.inFlight += cost
	g.admitted++
	if g.starter != nil {
		g.starter.Start(now, g.seen())
	}
}

// seen is the work in flight as the law sees it. Zombies that hold more than the
// limit do not count: whatever a law tries, they stay, and it would compare like
// with like for ever.
func (g *gate) seen() int {
	if g.zombies == 0 {
		return g.inFlight
	}
	return max(g.inFlight-g.zombies, min(g.inFlight, g.slots))
}

// sample tells the law and the sketch how one unit went.
func (g *gate) sample(now mono.Time, s *slot, o penstock.Outcome, late bool) {
	if o != penstock.OK || late { // a sample begins as OK, and copying what has just been written stalls
		s.Outcome, s.Late = o, late
	}
	if o == penstock.OK || late {
		took := now.Sub(s.Started)
		g.service.add(took, took-s.Away)
		g.dirty = true
	}
	switch o {
	case penstock.OK:
		g.good++
		g.probeWait = 0
		if g.zombies > 0 && s.Started >= g.besideOf {
			g.beside = min(g.beside, g.slots) + s.Cost
		}
	case penstock.Dropped:
		g.dropped++
	case penstock.Ignored:
	}
	if o == penstock.Dropped || late { // late work that had waited is Ignored, and a ghost all the same
		g.beside, g.besideOf = 0, now
	}
	g.law.Observe(now, s.Sample)
	g.setLimit()
}

// bury takes zombies off the books.
func (g *gate) bury(cost int) {
	if g.zombies -= cost; g.zombies == 0 {
		g.beside = 0
	}
}

// lend frees the slots of work that is away, until takeBack.
func (g *gate) lend(cost int) {
	g.inFlight -= cost
	g.away += cost
}

// takeBack takes them again, though there be one too many.
func (g *gate) takeBack(cost int) {
	g.inFlight += cost
	g.away -= cost
}

// end frees the slots of a unit that ran for took.
func (g *gate) end(now mono.Time, cost int, took time.Duration) {
	g.inFlight -= cost
	g.shut = g.limit < 1
	if g.shut {
		g.rest(now, took)
	}
}

// rest keeps the gate shut for as long as a limit below 1 means.
func (g *gate) rest(now mono.Time, took time.Duration) {
	g.shutUntil = now.Add(seconds(took.Seconds() * (1/max(g.limit, 1e-6) - 1)))
}

// next is when the gate may change by time alone; waiting says whether anything
// waits for it.
func (g *gate) next(waiting bool) mono.Time {
	at := mono.Never
	if t, ok := g.law.Next(); ok {
		at = t
	}
	if waiting && g.shut && g.inFlight == 0 {
		at = min(at, g.shutUntil)
	}
	if waiting && g.probeWait > 0 && g.starved() {
		at = min(at, g.probeAt)
	}
	return at
}

// seconds is a duration of s seconds, at most 146 years.
func seconds(s float64) time.Duration {
	return time.Duration(min(s*float64(time.Second), 1<<62))
}

// unused reports whether the gate is no longer configured and holds nothing.
func (g *gate) unused() bool { return g.removed && g.inFlight+g.away == 0 }

// explain says what binds the gate now.
func (g *gate) explain() string {
	switch {
	case g.removed:
		return "no longer configured; waits for its last work to end"
	case g.starved():
		return "held by work whose callers have left: lets one more in from time to time until the callee answers"
	}
	return g.law.Explain()
}
