package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
	"github.com/penstock-go/penstock/rate"
	"github.com/penstock-go/penstock/sim/rival"
)

// stage is a service: a limiter and a controller in front of machines.
type stage struct {
	cfg      *Stage
	world    *World
	led      *ledger
	rate     *rate.Limiter
	adm      *doorman         // in front of all machines
	door     *caller.Peer     // in front of all, where the stage listens to what its work needs
	draws    *rand.Rand       // of the door
	rival    rival.Controller // in front of all of these
	machines []*machine
	balancer balancer
	groups   [][]*stageCall

	waiting int // in waiting rooms
	ending  int // answers that leave in an event of their own
}

func newStage(w *World, cfg *Stage) *stage {
	s := &stage{cfg: cfg, world: w, led: w.ledger(cfg.Name, StagePart, true)}
	n := max(1, cfg.Machines)
	if cfg.Rate != nil {
		s.rate = rate.New(cfg.Rate.PerSecond, max(1, cfg.Rate.Burst))
	}
	for i := range n {
		s.machines = append(s.machines, newMachine(s, i, n > 1))
	}
	if cfg.Admit != nil && !cfg.Admit.Inside {
		s.adm = newDoorman(s, cfg.Name, nil, n)
	}
	if cfg.Admit != nil && slices.ContainsFunc(cfg.Calls, func(c Call) bool { return c.Listen != nil }) {
		s.door = caller.NewPeer(caller.PeerConfig{NoThrottle: true})
		s.draws = Stream(w.plan.Seed, cfg.Name, "door")
	}
	if cfg.Rival != nil {
		s.rival = cfg.Rival(len(cfg.Calls))
	}
	s.balancer = balancer{stage: s, rng: Stream(w.plan.Seed, cfg.Name, "balance")}
	for i := range cfg.Calls {
		c := newStageCall(s, &cfg.Calls[i], i)
		if cfg.Calls[i].With && len(s.groups) > 0 {
			last := len(s.groups) - 1
			c.bit = 1 << len(s.groups[last])
			s.groups[last] = append(s.groups[last], c)
		} else {
			s.groups = append(s.groups, []*stageCall{c})
		}
	}
	return s
}

// start brings everything to life.
func (s *stage) start() {
	for _, m := range s.machines {
		m.sync(0)
	}
	if s.cfg.Health != nil {
		newWatchdog(s)
	}
}

// take is work that arrives.
func (s *stage) take(now mono.Time, c *call) {
	s.led.enter(now)
	work := c.shown()
	if work.Attempt <= 1 {
		s.led.cur.First++
	}
	c.arrived = now
	if s.rate != nil {
		if ok, wait := s.rate.AllowN(now, work.Slots()); !ok {
			s.end(now, c, result{refused, penstock.ReasonRate, wait, false}, false)
			return
		}
	}
	if s.rival != nil && !s.rival.Admit(now, c.rivalAsk()) {
		s.end(now, c, result{fate: refused, reason: penstock.ReasonPriority}, false)
		return
	}
	if s.door != nil {
		var refused *penstock.RejectedError
		if c.pass, refused = s.door.Ask(now, work, c.client.peer != nil, s.draws.Float64()); refused != nil {
			s.end(now, c, refusal(refused), false)
			return
		}
		c.passed = true
	}
	if s.adm != nil {
		s.adm.offer(now, c, work)
		return
	}
	m := s.balancer.pick()
	switch {
	case m == nil:
		s.end(now, c, result{fate: failed}, false)
	case m.adm != nil:
		m.adm.offer(now, c, work)
	default:
		m.enter(now, c)
	}
}

// leave is news that the caller of some work has left.
func (s *stage) leave(now mono.Time, c *call) {
	switch c.place {
	case placeRoom:
		c.door.leave(now, c)
		return
	case placeQueue, placeService:
		m := c.machine
		if s.cfg.Stops && m.engine.Stop(now, c.id, c.place == placeQueue) {
			s.finish(now, c, result{fate: late}, c.place == placeService)
			m.sync(now)
			return
		}
	default:
	}
	if c.door != nil && c.place != placeAnswer {
		c.door.abandon(now, c)
	}
}

// later ends work in an event of its own: what decided so must not be called
// back.
func (s *stage) later(now mono.Time, c *call, r result) {
	c.place, c.bad = placeAnswer, r
	s.ending++
	s.world.loop.At(now, s, c.id)
}

// Fire is the end of such work.
func (s *stage) Fire(now mono.Time, id uint64) {
	s.ending--
	c := s.world.calls.get(id)
	s.finish(now, c, c.bad, false)
}

// finish ends work that was admitted, or nobody asked whether to. served says
// that a machine worked on it.
func (s *stage) finish(now mono.Time, c *call, r result, served bool) {
	if c.machine != nil {
		c.machine.detach(now, c, r)
	}
	door, ticket, below := c.door, c.ticket, c.below
	c.door = nil
	s.end(now, c, r, served)
	if door == nil {
		return
	}
	switch {
	case r.fate == good:
		door.done(now, ticket, penstock.OK)
	case r.fate == failed && r.died:
		door.punish(now, ticket)
	case r.fate == failed, r.fate == refused && below:
		door.done(now, ticket, penstock.Ignored) // what was full is not this stage
	default:
		door.done(now, ticket, penstock.Dropped)
	}
}

// end books and answers work that the stage is rid of.
func (s *stage) end(now mono.Time, c *call, r result, served bool) {
	booked := r
	if c.gone || r.fate == good && c.hasWorth && now > c.worth {
		booked.fate = late
		if served {
			s.led.advance(now)
			s.led.cur.Wasted++
		}
	}
	s.led.leave(now, c.arrived, booked, c.work.Criticality)
	if booked.fate == good {
		s.led.latency(now.Sub(c.arrived))
	}
	if c.passed {
		s.door.Answer(now, c.pass, caller.Answer{Said: true, Signal: c.path, Refused: c.below, Left: !served && !c.below})
	}
	s.tell(now, c)
	s.world.answer(now, c, r)
}

// tell adds to an answer what the stage says of itself, and what it has heard of
// those that the work needed.
func (s *stage) tell(now mono.Time, c *call) {
	if s.rival != nil {
		c.tells, c.told = s.rival.Says(now, c.rivalAsk())
	}
	if c.client.peer == nil {
		return
	}
	door := s.adm
	if c.by != nil {
		door = c.by
	}
	if door != nil {
		c.said, c.says = pressure.Merge(door.adm.Core.Pressure(0), c.path), true
	}
}

// wait counts work in waiting rooms.
func (s *stage) wait(now mono.Time, n int) {
	s.waiting += n
	s.led.advance(now)
	s.led.waiting += n
	s.led.cur.MaxWaiting = max(s.led.cur.MaxWaiting, s.led.waiting)
}

// inside recounts what the stage holds, from the plants' own books.
func (s *stage) inside() int {
	n := s.waiting + s.ending
	for _, m := range s.machines {
		n += m.inside - m.dying
	}
	return n
}

// sample looks at level and limit.
func (s *stage) sample(now mono.Time) {
	level, limit, known := 0.0, 0.0, false
	if s.adm != nil {
		level, limit = s.adm.look(now)
		known = true
	}
	for _, m := range s.machines {
		if m.adm != nil {
			l, n := m.adm.look(now)
			level, limit, known = max(level, l), limit+n, true
		}
	}
	if !known {
		level = s.fullness()
	}
	s.led.advance(now)
	s.led.cur.Samples++
	s.led.cur.Level += level
	s.led.cur.Limit += limit
	if level >= feltLevel {
		s.led.feel(now)
	}
}

// feltLevel is the level at which work starts to wait.
const feltLevel = 0.8

// fullness is the level of a stage that has no controller and so tells none: what
// somebody who looks at it would say. 0.8 x busy / servers while nothing waits;
// while something does, from 0.8 up to 1 where the queue is full, or, if it is
// unbounded, as long as there are servers many times over.
func (s *stage) fullness() float64 {
	g := &s.led.gauges
	servers := g.busy + g.blocked + g.idle
	switch {
	case g.waiting > 0:
		bound := s.cfg.Machine.Queue * len(s.machines)
		if bound <= 0 {
			return feltLevel + (1-feltLevel)*float64(g.waiting)/float64(g.waiting+max(1, servers))
		}
		return feltLevel + (1-feltLevel)*min(1, float64(g.waiting)/float64(bound))
	case servers == 0:
		return 1 // down
	}
	return feltLevel * float64(g.busy+g.blocked) / float64(servers)
}

// stageCall is one of the calls that a stage makes for its work.
type stageCall struct {
	stage  *stage
	cfg    *Call
	client *client
	share  *rand.Rand
	bit    uint64 // its own in call.governed
}

func newStageCall(s *stage, cfg *Call, i int) *stageCall {
	c := &stageCall{stage: s, cfg: cfg, bit: 1}
	name := s.cfg.Name + "->" + cfg.To + "#" + itoa(i)
	c.client = s.world.newClient(name, cfg.Client, c)
	c.client.rival = rivalClient{stage: s.rival, index: i}
	if cfg.Share > 0 && cfg.Share < 1 {
		c.share = Stream(s.world.plan.Seed, name, "share")
	}
	return c
}

// proceed makes the next calls of some work, or ends it when there are none.
func (s *stage) proceed(now mono.Time, c *call) {
	id := c.id
	for c.bad.fate == good && c.group < len(s.groups) {
		g := s.groups[c.group]
		c.group++
		c.machine.hold(now, c, !g[0].cfg.Frees)
		c.open = 1 // so that an answer that comes at once does not end it
		c.governed = 0
		for _, sc := range g {
			if sc.share != nil && sc.share.Float64() >= sc.cfg.Share {
				continue
			}
			c.open += max(1, sc.cfg.Times)
			if p := sc.client.peer; p != nil && p.Governed(now) {
				c.governed |= sc.bit
			}
			for range max(1, sc.cfg.Times) {
				if c.governed&sc.bit != 0 {
					c.goes(now)
				}
				sc.client.ask(now, id, request{work: c.shown(), key: c.key, demand: c.demand, relayed: s.door != nil, tokens: c.tokens})
			}
		}
		if s.world.calls.get(id) == nil || c.place != placeCalls {
			return // the machine has died of it
		}
		c.open--
		if c.open > 0 {
			return
		}
	}
	m := c.machine
	s.finish(now, c, c.bad, true)
	m.sync(now)
}

// ended is what came of one call.
func (sc *stageCall) ended(now mono.Time, owner uint64, r result) {
	c := sc.stage.world.calls.get(owner)
	if c == nil || c.place != placeCalls {
		return
	}
	if p := sc.client.peer; p != nil && !sc.cfg.Optional {
		c.path = pressure.Merge(c.path, p.Pressure(now))
		c.below = c.below || r.fate == refused
	}
	if r.fate != good && !sc.cfg.Optional && c.bad.fate == good {
		c.bad = r
		if r.fate == late {
			c.bad = result{fate: failed}
		}
	}
	if c.governed&sc.bit != 0 {
		c.comes(now)
	}
	if c.open--; c.open == 0 {
		sc.stage.proceed(now, c)
	}
}

// delay books the wait of work whose service begins.
func (s *stage) delay(now mono.Time, c *call) {
	s.led.advance(now)
	s.led.cur.Begun++
	s.led.cur.Delay += time.Duration(now - c.arrived)
	if s.rival != nil {
		s.rival.Started(now, now.Sub(c.arrived))
	}
}
