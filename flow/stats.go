package flow

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// Counts count since the core was made.
type Counts struct {
	Offered    uint64 `json:"offered"`
	Accepted   uint64 `json:"accepted"`
	Duplicates uint64 `json:"duplicates"`
	Refused    uint64 `json:"refused"`
	Conflated  uint64 `json:"conflated"`
	Finished   uint64 `json:"finished"`
	Spilled    uint64 `json:"spilled"`
	Expired    uint64 `json:"expired"`   // deadlines that passed before the item was handed out
	TimedOut   uint64 `json:"timed_out"` // leases
	Stale      uint64 `json:"stale"`     // leases that came too late and were refused
}

// Stats describe a flow at one instant.
type Stats struct {
	Flow     string       `json:"flow"`
	Level    float64      `json:"level"` // of the entrance, 0 to 1
	Items    int          `json:"items"`
	Delayed  int          `json:"delayed"`  // outside the stages
	Spillway int          `json:"spillway"` // in it
	Counts   Counts       `json:"counts"`
	Stages   []StageStats `json:"stages"`
}

// StageStats describe one stage.
type StageStats struct {
	Stage    string  `json:"stage"`
	Limit    int     `json:"limit"`
	Used     int     `json:"used"` // of the limit: the cost of what is inside
	Waiting  int     `json:"waiting"`
	Leased   int     `json:"leased"`
	Blocked  int     `json:"blocked"`
	Entering int     `json:"entering"`  // outside, due, waiting for room
	OldestMS float64 `json:"oldest_ms"` // how long the oldest has been ready
	Rate     float64 `json:"rate"`      // items that left, per second, over about 10 s
	Paused   bool    `json:"paused"`
	Draining bool    `json:"draining"`

	// What the stage did with its time, as shares of one: busy, some item is
	// leased; blocked, none is and some wait for the next stage; starved,
	// workers ask and there is nothing; idle, nobody asks.
	Busy    float64 `json:"busy"`
	Blocks  float64 `json:"blocked_share"`
	Starved float64 `json:"starved"`
	Idle    float64 `json:"idle"`

	// Workers is how many would hold the stage's target delay: by Little's law,
	// the mean time of service times the rate of arrival, and of what must be
	// caught up within the target. At most the limit; 0 while no service time is
	// known.
	Workers int `json:"workers"`
}

// Stats looks at the flow.
func (c *Core) Stats(now Instant) Stats {
	c.observe(now)
	st := Stats{
		Flow: c.def.Name, Level: c.Level(), Items: len(c.items), Delayed: c.delayed, Spillway: c.spilled,
		Counts: c.counts, Stages: make([]StageStats, len(c.stages)),
	}
	for i, s := range c.stages {
		t := &st.Stages[i]
		*t = StageStats{
			Stage: s.Name, Limit: s.WIP, Used: s.used, Waiting: s.ready.waiting, Leased: s.leased,
			Blocked: s.blocked.len(), Entering: s.entering.len(), Rate: s.clock.left.at(now.Mono),
			Paused: s.Paused, Draining: s.Draining, Workers: s.workers(now.Mono),
		}
		if s.ready.first != nil {
			t.OldestMS = float64(now.Mono.Sub(s.ready.first.since)) / 1e6
		}
		t.Busy, t.Blocks, t.Starved, t.Idle = s.clock.shares()
	}
	return st
}

func (s *stage) workers(now mono.Time) int {
	if s.clock.service <= 0 {
		return 0
	}
	due := s.clock.came.at(now) + float64(s.ready.waiting)/s.TargetDelay.Seconds()
	return min(int(math.Ceil(s.clock.service.Seconds()*due)), s.WIP)
}

type activity uint8

const (
	idle activity = iota
	busy
	blocked
	starved
	activities
)

func (s *stage) doing() activity {
	switch {
	case s.leased > 0:
		return busy
	case s.blocked.len() > 0:
		return blocked
	case s.demand > 0 && s.ready.waiting == 0:
		return starved
	}
	return idle
}

// observe notes what each stage does from now on.
func (c *Core) observe(now Instant) {
	for _, s := range c.stages {
		s.clock.turn(now.Mono, s.doing())
	}
}

// A stageClock measures a stage.
type stageClock struct {
	at      mono.Time
	doing   activity
	spent   [activities]time.Duration
	came    meter
	left    meter
	service time.Duration // mean time from lease to acknowledgement, smoothed; 0 unknown
}

func (k *stageClock) init(now mono.Time) {
	k.at, k.came.last, k.left.last = now, now, now
}

func (k *stageClock) turn(now mono.Time, a activity) {
	if d := now.Sub(k.at); d > 0 {
		k.spent[k.doing] += d
		k.at = now
	}
	k.doing = a
}

func (k *stageClock) served(d time.Duration) {
	const weight = 16
	if k.service == 0 {
		k.service = max(d, 1)
		return
	}
	k.service = max(k.service+(d-k.service)/weight, 1)
}

// shares sum to one, or are all zero before any time has passed.
func (k *stageClock) shares() (b, bl, st, id float64) {
	var sum time.Duration
	for _, d := range k.spent {
		sum += d
	}
	if sum == 0 {
		return 0, 0, 0, 0
	}
	share := func(a activity) float64 { return float64(k.spent[a]) / float64(sum) }
	return share(busy), share(blocked), share(starved), share(idle)
}

// A meter is a rate with exponential forgetting.
type meter struct {
	last mono.Time
	rate float64 // per second
}

const meterMemory = 10 // seconds

func (m *meter) at(now mono.Time) float64 {
	return m.rate * math.Exp(-max(now.Sub(m.last), 0).Seconds()/meterMemory)
}

func (m *meter) add(now mono.Time) {
	m.rate = m.at(now) + 1./meterMemory
	m.last = max(m.last, now)
}

// count notes an applied proposal.
func (c *Core) count(now Instant, p *Proposal) {
	from := p.e.at
	if from.kind == insidePlace && p.to != from {
		from.stage.clock.left.add(now.Mono)
		if from.stage.index == 0 {
			c.entrance.freed(now.Mono, from.charge)
		}
	}
	if p.to.kind == insidePlace && p.to != from {
		p.to.stage.clock.came.add(now.Mono)
	}
	switch p.Outcome {
	case Accepted:
		c.counts.Accepted++
	case Conflated:
		c.counts.Conflated++
		if p.e.Hop == 0 {
			c.counts.Accepted++
		}
	case Finished:
		c.counts.Finished++
	case SpilledOut:
		c.counts.Spilled++
	default:
	}
}
