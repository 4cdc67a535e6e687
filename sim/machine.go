package sim

import (
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// An engine does a machine's work: a [Server], or a [SharingServer].
type engine interface {
	Submit(now mono.Time, job uint64)
	Stop(now mono.Time, job uint64, queued bool) bool
	Die()
	Hold()
	Release(now mono.Time)
	SetWorkers(now mono.Time, n int)
	SetSpeed(speed float64)
	state() engineState
}

// engineState is what an engine's workers do, and how many jobs wait for them.
type engineState struct{ workers, busy, held, queued int }

// machine is one server process of a stage.
type machine struct {
	stage  *stage
	index  int
	engine engine
	adm    *doorman // its own
	led    *ledger  // nil where it is the stage's only one
	heap   *heap

	first  *call // list of the work inside
	inside int
	dying  int // of it, whose answers leave in an event of their own
	last   gauges

	down bool
	out  bool // taken out by the watchdog
	born mono.Time
	cold bool
	life uint64 // counts deaths
	pulse
}

func newMachine(s *stage, i int, many bool) *machine {
	m := &machine{stage: s, index: i}
	cfg := &s.cfg.Machine
	name := s.cfg.Name + "/" + itoa(i)
	if many {
		m.led = s.world.ledger(name, MachinePart, false)
	}
	law := cfg.Service
	if law == nil {
		law = Constant(1)
	}
	rng := Stream(s.world.plan.Seed, name, "service")
	servers := max(1, cfg.Servers)
	if cfg.Order == Sharing {
		var usl USL
		if cfg.USL != nil {
			usl = *cfg.USL
		}
		e := NewSharingServer(&s.world.loop, servers, usl, law, rng, m.served)
		e.Stretch = m.stretch
		m.engine = e
	} else {
		e := NewServer(&s.world.loop, servers, law, rng, m.served)
		e.Stretch, e.Begun = m.stretch, m.begun
		m.setOrder(e)
		m.engine = e
	}
	if cfg.Memory != nil {
		m.heap = newHeap(cfg.Memory)
	}
	if s.cfg.Admit != nil && s.cfg.Admit.Inside {
		m.adm = newDoorman(s, name, m, 1)
	}
	return m
}

// setOrder gives the server a room in place of its queue where it needs one.
func (m *machine) setOrder(e *Server) {
	cfg := &m.stage.cfg.Machine
	if cfg.Order == FIFO && cfg.CoDel == nil {
		return
	}
	order := map[Order]queue.Order{FIFO: queue.FIFO, LIFO: queue.LIFO, Priority: queue.FIFO, Fair: queue.Fair}[cfg.Order]
	var codel *queue.CoDel
	if cfg.CoDel != nil {
		codel = &queue.CoDel{Target: cfg.CoDel.Target, Interval: cfg.CoDel.Interval}
	}
	describe := func(job uint64) (band int, flow uint64) {
		if job&probeBit != 0 {
			return penstock.Bands - 1, 0
		}
		c := m.stage.world.calls.get(job)
		if cfg.Order == Priority {
			band = c.work.Rank().Band()
		}
		return band, c.work.Flow
	}
	dropped := func(now mono.Time, job uint64) {
		if job&probeBit == 0 {
			m.dying++
			m.stage.later(now, m.stage.world.calls.get(job), result{fate: refused, reason: penstock.ReasonSojourn})
		}
	}
	seed := Stream(m.stage.world.plan.Seed, m.stage.cfg.Name+"/"+itoa(m.index), "room").Uint64()
	e.SetRoom(queue.Config{Length: queue.MaxLength, Order: order, Seed: seed}, codel, describe, dropped)
}

// enter gives the machine work, or ends it at once.
func (m *machine) enter(now mono.Time, c *call) {
	if r, ok := m.accept(now, c); !ok {
		m.stage.finish(now, c, r, false)
	}
}

// enterLater is enter for work whose end must leave in an event of its own.
func (m *machine) enterLater(now mono.Time, c *call) {
	if r, ok := m.accept(now, c); !ok {
		m.stage.later(now, c, r)
	}
}

// accept takes work, or says what becomes of it.
func (m *machine) accept(now mono.Time, c *call) (result, bool) {
	cfg := &m.stage.cfg.Machine
	c.machine = nil
	if m.down {
		return result{fate: failed, died: true}, false
	}
	if cfg.Queue != 0 {
		if e := m.engine.state(); e.busy+e.held >= e.workers && e.queued >= max(0, cfg.Queue) {
			return result{fate: refused, reason: penstock.ReasonQueueFull}, false
		}
	}
	m.attach(now, c)
	c.place = placeQueue
	if cfg.DiesAbove > 0 && m.inside > cfg.DiesAbove || m.heap != nil && m.heap.full() {
		m.die(now)
		return result{}, true // dealt with
	}
	if cfg.Order == Sharing {
		m.begun(now, c.id)
	}
	m.engine.Submit(now, c.id)
	m.sync(now)
	return result{}, true
}

func (m *machine) attach(now mono.Time, c *call) {
	c.machine, c.entered = m, now
	c.prev, c.next = nil, m.first
	if m.first != nil {
		m.first.prev = c
	}
	m.first = c
	m.inside++
	if m.heap != nil {
		m.heap.enter()
	}
	if m.led != nil {
		m.led.enter(now)
	}
}

// detach ends the machine's part in some work.
func (m *machine) detach(now mono.Time, c *call, r result) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		m.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	m.inside--
	if c.place == placeAnswer {
		m.dying--
	}
	if m.heap != nil {
		m.heap.leave()
	}
	if m.led != nil {
		if c.gone {
			r.fate = late
		}
		m.led.leave(now, c.entered, r, c.work.Criticality)
	}
	c.machine = nil
	if c.held {
		c.held = false
		m.engine.Release(now)
	}
}

// hold makes the server of some work wait with it, or frees it.
func (m *machine) hold(now mono.Time, c *call, yes bool) {
	switch {
	case yes && c.fresh:
		m.engine.Hold()
		c.held = true
	case !yes && c.held:
		m.engine.Release(now)
		c.held = false
	}
	c.fresh = false
	m.sync(now)
}

// begun is told of work that enters service.
func (m *machine) begun(now mono.Time, job uint64) {
	if job&probeBit != 0 {
		return
	}
	c := m.stage.world.calls.get(job)
	c.place = placeService
	if m.heap != nil {
		m.heap.allocate(now)
	}
	m.stage.delay(now, c)
	if m.led != nil {
		m.led.advance(now)
		m.led.cur.Begun++
		m.led.cur.Delay += time.Duration(now - c.entered)
	}
	m.sync(now)
}

// stretch is the factor on a service time: the work's own, of a cold process,
// and of one that collects garbage.
func (m *machine) stretch(now mono.Time, job uint64) float64 {
	if job&probeBit != 0 {
		return 0
	}
	f := m.stage.world.calls.get(job).demand
	if m.cold {
		f /= m.warmth(now)
	}
	if m.heap != nil {
		f /= 1 - m.heap.share(now)
	}
	return f
}

// warmth is the speed of a process that has just started.
func (m *machine) warmth(now mono.Time) float64 {
	c := m.stage.cfg.Machine.Cold
	age := now.Sub(m.born)
	if age >= c.For {
		m.cold = false
		return 1
	}
	return c.Speed + (1-c.Speed)*float64(age)/float64(c.For)
}

// served is told of work whose own service is over.
func (m *machine) served(now mono.Time, job uint64) {
	if job&probeBit != 0 {
		m.answered = job &^ probeBit
		return
	}
	c := m.stage.world.calls.get(job)
	if len(m.stage.groups) == 0 {
		m.stage.finish(now, c, result{}, true)
	} else {
		c.place, c.fresh = placeCalls, true
		m.stage.proceed(now, c)
	}
	m.sync(now)
}

// die ends the process and all its work.
func (m *machine) die(now mono.Time) {
	if m.down {
		return
	}
	m.down = true
	m.life++
	m.engine.Die()
	m.stage.led.part.Deaths++
	if m.led != nil {
		m.led.part.Deaths++
	}
	for c := m.first; c != nil; c = c.next {
		c.held = false
		if c.place != placeAnswer {
			m.dying++
			m.stage.later(now, c, result{fate: failed, died: true})
		}
	}
	if m.heap != nil {
		m.heap.clear(m.inside)
	}
	m.sync(now)
	if m.stage.cfg.Machine.Restart > 0 {
		m.stage.world.loop.At(now.Add(m.stage.cfg.Machine.Restart), m, m.life)
	}
}

// Fire is the start of a new process after a death.
func (m *machine) Fire(now mono.Time, life uint64) {
	if !m.down || m.life != life {
		return
	}
	m.down = false
	m.born = now
	m.cold = m.stage.cfg.Machine.Cold.For > 0
	m.sync(now)
}

// sync brings the gauges in line with the engine.
func (m *machine) sync(now mono.Time) {
	e := m.engine.state()
	waiting, busy, blocked, down := e.queued, e.busy, e.held, 0
	idle := max(0, e.workers-e.busy-e.held)
	if m.down {
		waiting, busy, blocked, idle, down = 0, 0, 0, 0, e.workers
	}
	last := &m.last
	if waiting == last.waiting && busy == last.busy && blocked == last.blocked && idle == last.idle && down == last.down {
		return
	}
	l := m.stage.led
	l.advance(now)
	l.waiting += waiting - last.waiting
	l.busy += busy - last.busy
	l.blocked += blocked - last.blocked
	l.idle += idle - last.idle
	l.down += down - last.down
	l.cur.MaxWaiting = max(l.cur.MaxWaiting, l.waiting)
	last.waiting, last.busy, last.blocked, last.idle, last.down = waiting, busy, blocked, idle, down
	if m.led != nil {
		m.led.set(now, m.last)
	}
}
