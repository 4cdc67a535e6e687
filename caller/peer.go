package caller

import (
	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// A PeerConfig says how a caller treats one callee and route. The zero
// PeerConfig listens to what the callee says, and throttles one that says
// nothing.
type PeerConfig struct {
	// NoThrottle does without a throttle.
	NoThrottle bool
	// Throttle is for callees that say nothing of their state: the zero Config
	// means its defaults.
	Throttle throttle.Config
	// Breaker adds a circuit breaker; nil, the default, is none. Read package
	// breaker's comment first.
	Breaker *breaker.Config
}

// A Peer is what a caller knows of one callee and route, and what it does about
// it: work that the callee would refuse is refused here, at the earliest hop and
// for the least cost. It is a pure core, for one goroutine at a time; [Client]
// gives it a lock and a clock. Make one with [NewPeer].
type Peer struct {
	news     pressure.News
	valve    valve
	throttle *throttle.Throttle
	breaker  *breaker.Breaker
	explorer explorer

	refusal [penstock.Reasons]*penstock.RejectedError // one per reason and tick
	made    [penstock.Reasons]mono.Time
}

// NewPeer returns a Peer that has heard nothing. It panics where the
// configurations of throttle and breaker do.
func NewPeer(cfg PeerConfig) *Peer {
	p := &Peer{}
	if !cfg.NoThrottle {
		p.throttle = throttle.New(cfg.Throttle)
	}
	if cfg.Breaker != nil {
		p.breaker = breaker.New(*cfg.Breaker)
	}
	return p
}

// A Ticket is a call that was let through: it wants one [Peer.Answer].
type Ticket struct {
	begun    mono.Time
	cost     int32
	explored bool // refused by estimate, and let through to test it
	broken   bool // so although the breaker is open
}

// An Answer is what came of a call.
type Answer struct {
	Signal  pressure.Signal // what the callee said of itself,
	Said    bool            // if it did
	Refused bool            // it refused the call for want of room, and did nothing about it
	Failed  bool            // it failed, or did not answer in time: what a breaker counts
	Left    bool            // the caller left: the call says nothing of the callee
}

// Governed reports whether the callee has said of late how full it is: then it
// limits itself, and what waits there is its own affair.
func (p *Peer) Governed(now mono.Time) bool { return p.news.Fresh(now) }

// Ask reports whether a call for work w may be sent now; u is a uniform draw
// from [0, 1). Else it says why, and when to come back. One in a hundred of these
// refusals, and one in 100 ms, is let through. relayed says that the work has
// come past somebody who listens as well: who is nearest to its source is left to
// refuse the surplus.
func (p *Peer) Ask(now mono.Time, w penstock.Work, relayed bool, u float64) (Ticket, *penstock.RejectedError) {
	t := Ticket{begun: now, cost: int32(w.Slots())}
	rank := w.Rank()
	said := p.news.At(now)
	p.valve.offered(rank, float64(t.cost))
	p.valve.step(now)
	why := penstock.ReasonNone
	switch {
	case w.HasDeadline && w.Deadline <= now:
		return t, p.refuse(now, penstock.ReasonDeadline, said) // a fact, and no estimate
	case !said.Price.Admits(rank), !p.valve.admits(now, rank, float64(t.cost), relayed):
		why = penstock.ReasonPriority
	case p.throttle != nil && !p.news.Fresh(now) && p.throttle.Refuse(now, u):
		return t, p.refuse(now, penstock.ReasonBreaker, said) // it explores by itself
	}
	if why != penstock.ReasonNone {
		if !p.explorer.let(now) {
			return t, p.refuse(now, why, said)
		}
		t.explored = true
	}
	if p.breaker != nil && !p.breaker.Allow(now) {
		if !p.explorer.let(now) {
			return t, p.refuse(now, penstock.ReasonBreaker, said)
		}
		t.explored, t.broken = true, true
	}
	p.explorer.passed(now)
	p.valve.sent(float64(t.cost))
	return t, nil
}

// refuse returns the refusal of a reason, made once per tick: refusing is cheap.
func (p *Peer) refuse(now mono.Time, why penstock.Reason, said pressure.Signal) *penstock.RejectedError {
	if e := p.refusal[why]; e != nil && now.Sub(p.made[why]).Abs() < valveTick {
		return e
	}
	e := &penstock.RejectedError{Reason: why, Pressure: said.Level}
	if why != penstock.ReasonDeadline {
		e.RetryAfter = max(said.Retry, pressure.MinRetry)
	}
	p.refusal[why], p.made[why] = e, now
	return e
}

// Answer tells what came of a call. Each ticket has one.
func (p *Peer) Answer(now mono.Time, t Ticket, a Answer) {
	if a.Said {
		p.news.Hear(now, a.Signal)
		if a.Signal.Level < levelWaiting {
			p.Recovered(now)
		}
	}
	took := now.Sub(t.begun)
	p.valve.ended(now, float64(t.cost), took, &a)
	switch {
	case p.breaker == nil:
	case t.broken:
		p.breaker.Explored(now, a.Failed || a.Left, took)
	default:
		p.breaker.Report(now, a.Failed, took) // a probe must end, also one that was left
	}
	if p.throttle != nil && !a.Refused && !a.Failed && !a.Left {
		p.throttle.Accepted(now)
	}
}

// levelWaiting is the level at which work starts to wait: below it a callee is
// well.
const levelWaiting = 0.8

// Pressure is what to pass on: what the callee said last, with the price that the
// caller itself has put on calls that it passes on. It is no average: whoever
// decides by it makes one.
func (p *Peer) Pressure(now mono.Time) pressure.Signal {
	p.valve.step(now)
	s := p.news.Last(now)
	s.Price = max(s.Price, p.valve.price)
	return s
}

// Recovered is the callee's word, or an operator's, that it is well again: a
// throttle forgets the refusals.
func (p *Peer) Recovered(now mono.Time) {
	if p.throttle != nil {
		p.throttle.Recovered(now)
	}
}
