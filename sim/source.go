package sim

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/arrival"
	"github.com/penstock-go/penstock/sim/rival"
)

// source is who asks.
type source struct {
	cfg    *Source
	world  *World
	client *client
	led    *ledger

	process arrival.Process // open
	users   users           // closed

	mix   *rand.Rand // draws of what is asked for
	kinds alias
	works []penstock.Work // by kind
	keys  *zipf
	keyed *rand.Rand
}

// users are a closed source's.
type users struct {
	rng    *rand.Rand
	number int
	live   []bool // by user: thinks or waits; a user above number stops
}

func newSource(w *World, cfg *Source) *source {
	s := &source{cfg: cfg, world: w, led: w.ledger(cfg.Name, SourcePart, true)}
	s.client = w.newClient(cfg.Name, cfg.Client, s)
	s.client.led = s.led
	if cfg.Tokens > 0 {
		s.client.rival.purse = rival.NewPurse(cfg.Tokens, Stream(w.plan.Seed, cfg.Name, "tokens"))
	}
	if cfg.Refresh != nil {
		s.client.patience, s.client.patient = cfg.Refresh, Stream(w.plan.Seed, cfg.Name, "patience")
	}
	s.mix = Stream(w.plan.Seed, cfg.Name, "work")
	if len(cfg.Mix) == 0 {
		s.works = []penstock.Work{{Criticality: penstock.Critical}}
	}
	shares := make([]float64, 0, len(cfg.Mix))
	for _, k := range cfg.Mix {
		work := penstock.Work{Criticality: k.Criticality, Cost: k.Cost}
		if work.Criticality == penstock.Unspecified {
			work.Criticality = penstock.Critical
		}
		s.works = append(s.works, work)
		shares = append(shares, k.Share)
	}
	s.kinds = newAlias(shares)
	if cfg.Keys > 0 {
		s.keys, s.keyed = newZipf(cfg.Keys, cfg.Zipf), Stream(w.plan.Seed, cfg.Name, "keys")
	}
	return s
}

// start schedules the first arrivals.
func (s *source) start() {
	arrivals := Stream(s.world.plan.Seed, s.cfg.Name, "arrivals")
	if s.cfg.Users == nil {
		s.process = s.cfg.Arrivals(arrivals)
		s.arrive()
		return
	}
	s.users.rng = arrivals
	s.users.live = make([]bool, s.cfg.Users.Number)
	s.setUsers(0, s.cfg.Users.Number)
}

func (s *source) arrive() {
	if at, ok := s.process.Next(); ok {
		s.world.loop.At(mono.Time(at), s, 0)
	}
}

// setUsers changes the number of users. New ones begin within one think time;
// those who are too many stop when they would ask next.
func (s *source) setUsers(now mono.Time, n int) {
	for len(s.users.live) < n {
		s.users.live = append(s.users.live, false)
	}
	s.users.number = n
	for u := range n {
		if !s.users.live[u] {
			s.users.live[u] = true
			first := s.users.rng.Float64() * float64(s.cfg.Users.Think.Mean())
			s.world.loop.At(now.Add(time.Duration(first)), s, uint64(u))
		}
	}
}

// Fire is an arrival, or the end of a user's thought.
func (s *source) Fire(now mono.Time, user uint64) {
	if s.process != nil {
		s.arrive()
	} else if int(user) >= s.users.number {
		s.users.live[user] = false
		return
	}
	s.led.advance(now)
	s.led.cur.First++
	s.client.ask(now, user, s.draw())
}

// draw draws what is asked for. Each request takes the same number of draws, so
// that it does not depend on the mix which ones the next gets.
func (s *source) draw() request {
	kind := s.kinds.draw(s.mix)
	cohort, flow := s.mix.Uint64(), s.mix.Uint64()
	r := request{work: s.works[kind], demand: 1}
	r.work.Cohort = penstock.CohortAt(cohort)
	if len(s.cfg.Mix) > 0 {
		k := &s.cfg.Mix[kind]
		if k.Demand > 0 {
			r.demand = k.Demand
		}
		if k.Flows > 0 {
			r.work.Flow = mix(uint64(kind)<<32 + flow%uint64(k.Flows) + 1)
		}
	}
	if s.keys != nil {
		r.key = s.keys.draw(s.keyed)
	}
	return r
}

// ended is what came of a request in the end.
func (s *source) ended(now mono.Time, user uint64, r result) {
	if r.fate == good {
		s.led.cur.Satisfied++
	} else {
		s.led.cur.GaveUp++
	}
	if s.process == nil {
		think := s.cfg.Users.Think.Draw(s.users.rng)
		s.world.loop.At(now.Add(think), s, user)
	}
}
