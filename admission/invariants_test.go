package admission_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// The books of one unit of work, kept from what the core answered.
type unit struct {
	ticket   admission.Ticket
	route    string
	work     penstock.Work
	running  bool
	zombie   bool
	away     bool
	answered bool
	gate     string
	expires  mono.Time // the latest end of its wait; Never where the bound is the core's own
}

type gateBooks struct {
	law        *watched
	configured bool
	inFlight   int
	zombies    int
	away       int
	answers    int // to live work, in slots, since there are zombies and none was a refusal
	probedAt   mono.Time
	probed     bool
}

type routeBooks struct {
	index   int
	gates   []string
	cap     int
	waitFor time.Duration
	codel   bool
	taken   int
}

// A ledger drives a core with random events and keeps books of its own, from
// which everything that the core says of itself must follow.
type ledger struct {
	*rapid.T

	core     *admission.Core
	now      mono.Time // the latest instant that the core was given
	punctual bool      // the host steps the core when the core asks for it
	observe  bool
	draining bool

	units  []*unit // waiting or running, oldest first
	gates  map[string]*gateBooks
	routes map[string]*routeBooks
	ended  []admission.Ticket

	offered, admitted, left, stale, sampled int
	refused                                 penstock.RefusedCounts
}

// invariants is the property: whatever happens, in whatever order, the books
// balance and no bound is passed.
func invariants(t *rapid.T) {
	l := &ledger{T: t, gates: map[string]*gateBooks{}, routes: map[string]*routeBooks{}}
	l.now = mono.Time(rapid.SampledFrom([]int64{0, -3e9, 1e15}).Draw(t, "origin"))
	l.punctual = rapid.IntRange(0, 3).Draw(t, "punctual") > 0
	cfg := l.drawConfig()
	l.core = admission.NewCore(cfg)
	l.adopt(cfg)
	t.Repeat(map[string]func(*rapid.T){
		"offer":       l.offer,
		"offer burst": func(t *rapid.T) { l.burst() },
		"leave":       l.leave,
		"abandon":     l.abandon,
		"answered":    l.answer,
		"away":        l.away,
		"back":        l.back,
		"done":        l.done,
		"done again":  l.doneAgain,
		"step":        func(t *rapid.T) { l.core.Step(l.pass()); l.settle() },
		"reconfigure": l.reconfigure,
		"drain":       l.drain,
		"":            func(*rapid.T) { l.check() },
	})
}

func TestInvariants(t *testing.T) { rapid.Check(t, invariants) }

func FuzzInvariants(f *testing.F) { f.Fuzz(rapid.MakeFuzz(invariants)) }

func (l *ledger) drawConfig() admission.Config {
	cfg := admission.Config{
		Observe: rapid.IntRange(0, 9).Draw(l.T, "observe") == 0,
		Seed:    rapid.Uint64().Draw(l.T, "seed"),
	}
	names := rapid.Permutation([]string{"a", "b", "c", "d", "e"}).Draw(l.T, "gates")
	for _, name := range names[:rapid.IntRange(1, 4).Draw(l.T, "gate count")] {
		g := admission.Gate{Name: name}
		if b := l.gates[name]; b == nil || !b.configured || rapid.Bool().Draw(l.T, "new law") {
			g.Limit = watch(l.drawLaw())
		}
		cfg.Gates = append(cfg.Gates, g)
	}
	order := queue.Order(rapid.IntRange(0, 3).Draw(l.T, "order"))
	names = rapid.Permutation([]string{"x", "y", "z", "w"}).Draw(l.T, "routes")
	for _, name := range names[:rapid.IntRange(1, 3).Draw(l.T, "route count")] {
		r := admission.Route{Name: name, Order: order, CoDel: rapid.IntRange(0, 5).Draw(l.T, "codel") == 0}
		for k := range cfg.Gates {
			if rapid.Bool().Draw(l.T, "uses") {
				r.Gates = append(r.Gates, k)
			}
		}
		r.CoDel = r.CoDel && len(cfg.Routes) == 0
		r.Cap = rapid.SampledFrom([]int{0, 0, 0, 1, 5, 30}).Draw(l.T, "cap")
		ms := rapid.SampledFrom([]int{0, 0, 1, 7, 40, -1}).Draw(l.T, "wait for (ms)")
		r.WaitFor = time.Duration(ms) * time.Millisecond
		cfg.Routes = append(cfg.Routes, r)
	}
	if cfg.Validate() != nil { // two routes share a room and disagree on CoDel
		cfg.Routes = cfg.Routes[:1]
	}
	return cfg
}

func (l *ledger) drawLaw() limit.Law {
	switch rapid.IntRange(0, 3).Draw(l.T, "law") {
	case 0:
		return limit.Fixed(rapid.SampledFrom([]float64{1, 2, 3, 0.2, 0.7, 2.5, 10}).Draw(l.T, "fixed"))
	case 1:
		return limit.Default()
	case 2:
		return limit.AIMD(50)
	}
	return newRestless(rapid.Uint64Max(1<<20).Draw(l.T, "restless"))
}

// adopt takes a configuration that the core has accepted into the books.
func (l *ledger) adopt(cfg admission.Config) {
	l.observe = cfg.Observe
	for _, b := range l.gates {
		b.configured = false
	}
	names := make([]string, len(cfg.Gates))
	for i, g := range cfg.Gates {
		names[i] = g.Name
		b := l.gates[g.Name]
		if b == nil {
			b = &gateBooks{}
			l.gates[g.Name] = b
		}
		b.configured = true
		if g.Limit != nil {
			b.law = g.Limit.(*watched)
			b.law.inFlight = func() int { return l.core.InFlight(g.Name) }
		}
	}
	old := l.routes
	l.routes = map[string]*routeBooks{}
	for _, r := range cfg.Routes {
		index, ok := l.core.RouteIndex(r.Name)
		if !ok {
			l.Fatalf("route %q has no index", r.Name)
		}
		b := old[r.Name]
		if b == nil {
			b = &routeBooks{index: index}
			for _, u := range l.units {
				if u.route == r.Name {
					b.taken += u.work.Slots()
				}
			}
		}
		if b.index != index {
			l.Fatalf("route %q had index %d and has %d, though it stayed configured", r.Name, b.index, index)
		}
		b.cap, b.waitFor, b.codel, b.gates = r.Cap, r.WaitFor, r.CoDel, nil
		for k, name := range names {
			if len(r.Gates) == 0 || slices.Contains(r.Gates, k) {
				b.gates = append(b.gates, name)
			}
		}
		l.routes[r.Name] = b
	}
}

// pass lets some time go by, and has the core stepped meanwhile if the host is
// punctual. Now and then the instant lies in the past.
func (l *ledger) pass() mono.Time {
	step := rapid.SampledFrom([]time.Duration{
		0, 0, 1, 1e5, 1e6, 1e6, 3e6, 1e7, 2e7, 1e8, 1e9, 3e10, -1e6,
	}).Draw(l.T, "pass")
	now := l.now.Add(step)
	if l.punctual {
		l.stepUntil(now)
	}
	l.now = max(l.now, now)
	return now
}

// stepUntil does what every host does: it steps the core when asked to.
func (l *ledger) stepUntil(end mono.Time) {
	for n := 0; ; n++ {
		at, ok := l.core.Next()
		if !ok || at > end {
			return
		}
		if n > 100_000 {
			l.Fatalf("still asked to step at %v, after %d steps", at, n)
		}
		l.now = max(l.now, at)
		l.core.Step(at)
		l.settle()
		if next, ok := l.core.Next(); ok && next <= l.now {
			l.Fatalf("stepped at %d, and asked to step at %d again: a host would spin", l.now, next)
		}
	}
}

func (l *ledger) drawWork(now mono.Time) penstock.Work {
	w := penstock.Work{
		Criticality: penstock.Criticality(rapid.IntRange(0, 4).Draw(l.T, "criticality")),
		Cohort:      penstock.CohortAt(rapid.Uint64Max(127).Draw(l.T, "cohort")),
		Attempt:     rapid.IntRange(0, 2).Draw(l.T, "attempt"),
		Cost:        rapid.SampledFrom([]int{0, 1, 1, 1, 1, 2, 5, 5000}).Draw(l.T, "cost"),
		Flow:        rapid.Uint64Max(3).Draw(l.T, "flow"),
	}
	ms := rapid.SampledFrom([]int{-2, 0, 1, 10, 10, 100, 1000}).Draw(l.T, "deadline (ms)")
	if ms != 0 {
		w.Deadline, w.HasDeadline = now.Add(time.Duration(ms)*time.Millisecond), true
	}
	return w
}

func (l *ledger) offer(*rapid.T) { l.offerAt(l.pass()) }

// burst is a run of offers at one instant, so that rooms fill.
func (l *ledger) burst() {
	now := l.pass()
	for range rapid.IntRange(2, 40).Draw(l.T, "burst") {
		l.offerAt(now)
	}
}

func (l *ledger) offerAt(now mono.Time) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(l.routes))).Draw(l.T, "route")
	r := l.routes[name]
	w := l.drawWork(l.now)
	l.offered++
	d := l.core.Offer(now, r.index, w)
	l.settle() // others, whose time had come
	u := &unit{ticket: d.Ticket, route: name, work: w, expires: mono.Never}
	switch d.State {
	case admission.Refused:
		if d.Ticket != (admission.Ticket{}) {
			l.Fatalf("refused at once, with ticket %v", d.Ticket)
		}
		l.refuse(u, d.Refusal)
		return
	case admission.Waiting:
		if r.waitFor < 0 || l.observe {
			l.Fatalf("waits in a room that allows no waiting (%v, observe %v)", r.waitFor, l.observe)
		}
		if r.waitFor > 0 {
			u.expires = l.now.Add(r.waitFor)
		}
		if w.HasDeadline {
			u.expires = min(u.expires, w.Deadline)
		}
	case admission.Admitted:
		l.admit(u, d.Gate)
	}
	if l.draining {
		l.Fatalf("%v while draining", d.State)
	}
	if r.cap > 0 && !l.observe && r.taken > 0 && r.taken+w.Slots() > r.cap {
		l.Fatalf("route %q holds %d slots and was given %d more; its cap is %d", name, r.taken, w.Slots(), r.cap)
	}
	r.taken += w.Slots()
	l.units = append(l.units, u)
}

func (l *ledger) refuse(u *unit, e *penstock.RejectedError) {
	if e == nil || e.Reason == penstock.ReasonNone || e.RetryAfter <= 0 || e.ID == 0 {
		l.Fatalf("a refusal must say why, when to come back and whom to ask: %+v", e)
	}
	l.refused[e.Reason][u.work.Rank().Criticality()]++
	if text, ok := l.core.ExplainRefusal(l.now, e.ID); !ok || text == "" {
		l.Fatalf("refusal %v is not explained", e.ID)
	}
}

func (l *ledger) admit(u *unit, gate int) {
	u.running, u.gate = true, l.core.GateName(gate)
	l.admitted++
	if r := l.routes[u.route]; r == nil || !slices.Contains(r.gates, u.gate) {
		l.Fatalf("work of route %q entered gate %q", u.route, u.gate)
	}
}

// settle reads the decisions on work that waited.
func (l *ledger) settle() {
	for {
		d, ok := l.core.Settled()
		if !ok {
			break
		}
		i := slices.IndexFunc(l.units, func(u *unit) bool { return u.ticket == d.Ticket && !u.running })
		if i < 0 {
			l.Fatalf("%v is settled (%v), but does not wait", d.Ticket, d.State)
		}
		u := l.units[i]
		if d.State == admission.Admitted {
			if u.expires <= l.now && l.punctual {
				l.Fatalf("entered at %v, though its wait was over at %v", l.now, u.expires)
			}
			l.admit(u, d.Gate)
			continue
		}
		if l.punctual && l.now > u.expires {
			l.Fatalf("refused (%v) at %v, later than its bound %v", d.Refusal.Reason, l.now, u.expires)
		}
		l.refuse(u, d.Refusal)
		l.end(u)
	}
	l.countStarts()
}

// countStarts follows what the laws saw, and holds it against their limits.
func (l *ledger) countStarts() {
	for name, g := range l.gates {
		for _, s := range g.law.starts {
			cost := s.inFlight - g.inFlight
			live := g.inFlight - g.zombies
			seen := s.inFlight
			if g.zombies > 0 {
				seen = max(live+cost, min(seen, s.slots))
			}
			if s.seen != seen {
				l.Fatalf("gate %q: its law was told of %d in flight, want %d: it holds %d, %d of them zombies, and the limit is %d", name, s.seen, seen, s.inFlight, g.zombies, s.slots)
			}
			switch {
			case cost < 1:
				l.Fatalf("gate %q: %d in flight after a start, %d before", name, s.inFlight, g.inFlight)
			case l.observe, g.inFlight == 0, s.inFlight <= s.slots:
			case g.zombies > 0 && live+cost <= g.answers:
			case g.zombies == 0 || live*4 >= s.slots:
				l.Fatalf("gate %q: %d in flight, %d of them zombies, and %d more were let in; the limit is %d", name, g.inFlight, g.zombies, cost, s.slots)
			case g.probed && s.at.Sub(g.probedAt) < 10*time.Millisecond:
				l.Fatalf("gate %q: probes at %v and %v", name, g.probedAt, s.at)
			default:
				g.probed, g.probedAt = true, s.at
			}
			g.inFlight = s.inFlight
		}
		g.law.starts = g.law.starts[:0]
	}
}

func (l *ledger) end(u *unit) {
	l.units = slices.DeleteFunc(l.units, func(v *unit) bool { return v == u })
	l.ended = append(l.ended, u.ticket)
	if r := l.routes[u.route]; r != nil {
		r.taken -= u.work.Slots()
	}
}

// pick draws a unit that is running or not; it skips the action if there is
// none.
func (l *ledger) pick(t *rapid.T, running bool) *unit {
	var of []*unit
	for _, u := range l.units {
		if u.running == running {
			of = append(of, u)
		}
	}
	if len(of) == 0 {
		t.Skip("none")
	}
	return of[rapid.IntRange(0, len(of)-1).Draw(t, "which")]
}

// waits reports whether a unit still waits; letting time pass may have settled
// it.
func (l *ledger) waits(u *unit) bool { return !u.running && slices.Contains(l.units, u) }

func (l *ledger) leave(t *rapid.T) {
	u := l.pick(t, false)
	now := l.pass()
	was := l.waits(u)
	left := l.core.Leave(now, u.ticket)
	if left {
		l.left++
		l.end(u)
	}
	if left && !was || l.punctual && left != was {
		l.Fatalf("Leave says %v of work of which waiting is %v", left, was)
	}
	l.settle()
	if l.core.Leave(now, u.ticket) {
		l.Fatalf("left twice")
	}
}

func (l *ledger) abandon(t *rapid.T) {
	u := l.pick(t, true)
	now := l.quiet()
	if l.core.Abandon(now, u.ticket) == u.zombie {
		l.Fatalf("Abandon of work whose caller has left is %v", u.zombie)
	}
	l.home(u)
	if !u.zombie {
		u.zombie = true
		l.gates[u.gate].zombies += u.work.Slots()
		l.sampleOnce(u, penstock.Ignored) // dropped or not: it depends on its deadline
	}
	l.settle()
}

func (l *ledger) answer(t *rapid.T) {
	u := l.pick(t, true)
	now := l.pass()
	o := l.drawOutcome()
	if l.core.Answered(now, u.ticket, o) == u.answered {
		l.Fatalf("Answered of work of which answered is %v", u.answered)
	}
	l.sampleOnce(u, o)
	l.forgetProbe(u)
	l.settle()
}

func (l *ledger) sampleOnce(u *unit, o penstock.Outcome) {
	if u.answered {
		return
	}
	u.answered = true
	l.sampled++
	switch g := l.gates[u.gate]; {
	case g.zombies == 0:
	case o == penstock.OK:
		g.answers += u.work.Slots()
	case o == penstock.Dropped && !u.work.HasDeadline:
		g.answers = 0
	}
}

// forgetProbe: an answer ends the pauses between probes.
func (l *ledger) forgetProbe(u *unit) { l.gates[u.gate].probed = false }

func (l *ledger) drawOutcome() penstock.Outcome {
	return penstock.Outcome(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(l.T, "outcome"))
}

// quiet lets time pass and the core do what is due, so that what it starts within
// the call to come is of that call's making.
func (l *ledger) quiet() mono.Time {
	now := l.pass()
	l.core.Stats(now)
	l.settle()
	return now
}

func (l *ledger) away(t *rapid.T) {
	u := l.pick(t, true)
	now := l.quiet()
	may := !u.away && !u.zombie
	if l.core.Away(now, u.ticket) != may {
		l.Fatalf("Away of work that is away (%v) or a zombie (%v) is %v", u.away, u.zombie, !may)
	}
	if may {
		u.away = true
		l.gates[u.gate].inFlight -= u.work.Slots()
		l.gates[u.gate].away += u.work.Slots()
	}
	l.settle()
}

func (l *ledger) back(t *rapid.T) {
	u := l.pick(t, true)
	if l.core.Back(l.quiet(), u.ticket) != u.away {
		l.Fatalf("Back of work of which away is %v", u.away)
	}
	l.home(u)
	l.settle()
}

// home has work's slots again that were lent.
func (l *ledger) home(u *unit) {
	if u.away {
		u.away = false
		l.gates[u.gate].inFlight += u.work.Slots()
		l.gates[u.gate].away -= u.work.Slots()
	}
}

func (l *ledger) done(t *rapid.T) {
	u := l.pick(t, true)
	g := l.gates[u.gate]
	now := l.quiet()
	o := l.drawOutcome()
	if !l.core.Done(now, u.ticket, o) {
		l.Fatalf("Done of running work is refused")
	}
	l.sampleOnce(u, o)
	l.home(u)
	g.inFlight -= u.work.Slots()
	if u.zombie {
		if g.zombies -= u.work.Slots(); g.zombies == 0 {
			g.answers = 0
		}
	}
	l.forgetProbe(u)
	l.end(u)
	l.settle()
}

func (l *ledger) doneAgain(t *rapid.T) {
	if len(l.ended) == 0 {
		t.Skip("none")
	}
	ticket := rapid.SampledFrom(l.ended).Draw(t, "ended")
	if l.core.Done(l.pass(), ticket, penstock.OK) {
		l.Fatalf("%v was done twice", ticket)
	}
	l.stale++
	l.settle()
}

func (l *ledger) reconfigure(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "rarely") > 0 {
		t.Skip("not now")
	}
	cfg := l.drawConfig()
	now := l.pass()
	l.core.Stats(now)
	l.settle()
	old := maps.Clone(l.routes)
	if err := l.core.Reconfigure(now, cfg); err != nil {
		l.Fatalf("%v", err)
	}
	l.adopt(cfg)
	l.settle()
	for _, u := range l.units {
		if !u.running && l.routes[u.route] == nil {
			l.Fatalf("work of route %q still waits, and the route is gone", u.route)
		}
	}
	for name, r := range old {
		inUse := slices.ContainsFunc(slices.Collect(maps.Values(l.routes)), func(b *routeBooks) bool { return b.index == r.index })
		if l.routes[name] != nil || inUse {
			continue
		}
		l.offered++
		d := l.core.Offer(now, r.index, penstock.Work{})
		// Its room may live on, and have a price.
		if d.State != admission.Refused || d.Refusal.Reason != penstock.ReasonDraining && d.Refusal.Reason != penstock.ReasonPriority {
			l.Fatalf("an offer to a route that is gone: %+v", d)
		}
		l.refuse(&unit{}, d.Refusal)
		l.settle()
	}
}

func (l *ledger) drain(t *rapid.T) {
	if rapid.IntRange(0, 30).Draw(t, "rarely") > 0 {
		t.Skip("not now")
	}
	l.core.Drain(l.pass())
	l.draining = true
	l.settle()
}

// check holds everything that the core says of itself against the books.
func (l *ledger) check() {
	s := l.core.Stats(l.now)
	l.settle()
	waiting, inFlight, zombies := 0, 0, 0
	for _, u := range l.units {
		switch {
		case !u.running:
			waiting++
			if l.punctual && u.expires <= l.now {
				l.Fatalf("waits at %v, though its bound was %v", l.now, u.expires)
			}
		default:
			inFlight += u.work.Slots()
			if u.zombie {
				zombies += u.work.Slots()
			}
		}
	}
	equal(l, "offered", s.Offered, uint64(l.offered))
	equal(l, "admitted", s.Admitted, uint64(l.admitted))
	equal(l, "left", s.Left, uint64(l.left))
	equal(l, "stale", s.StaleDone, uint64(l.stale))
	equal(l, "waiting", s.Waiting, waiting)
	equal(l, "in flight", s.InFlight, inFlight)
	equal(l, "zombies", s.Zombies, zombies)
	equal(l, "sampled", s.Good+s.Dropped+s.Ignored, uint64(l.sampled))
	equal(l, "refused", fmt.Sprint(s.Refused), fmt.Sprint(l.refused))
	equal(l, "offered by sum", s.Offered, s.Admitted+s.Refused.Total()+s.Left+uint64(s.Waiting))
	if waiting > admission.RoomLength*len(l.routes) {
		l.Fatalf("%d wait", waiting)
	}
	l.checkGates(s)
	if s.Level < 0 || s.Level > 1 || s.Price > penstock.MaxPrice || s.Wasted > s.Dropped+s.Ignored+s.Good {
		l.Fatalf("%+v", s)
	}
	if !l.punctual {
		return
	}
	if stuck := l.core.Stuck(); stuck != "" {
		l.Fatalf("%s", stuck)
	}
}

func (l *ledger) checkGates(s penstock.Stats) {
	seen := map[string]bool{}
	limits := 0.0
	for _, g := range s.Gates {
		b := l.gates[g.Name]
		if b == nil || seen[g.Name] {
			l.Fatalf("gate %q is unknown or comes twice", g.Name)
		}
		seen[g.Name] = true
		equal(l, "in flight at "+g.Name, g.InFlight, b.inFlight)
		equal(l, "away from "+g.Name, g.Away, b.away)
		equal(l, "zombies at "+g.Name, g.Zombies, b.zombies)
		limits += g.Limit
	}
	equal(l, "limit", s.Limit, limits)
	for name, b := range l.gates {
		if b.inFlight+b.away > 0 && !seen[name] {
			l.Fatalf("gate %q has %d in flight and is not in Stats", name, b.inFlight)
		}
	}
}

func equal[T cmp.Ordered](l *ledger, what string, got, want T) {
	l.Helper()
	if got != want {
		l.Fatalf("%s: the core says %v, the books %v", what, got, want)
	}
}
