// Package shed decides who is refused: it sets the price, the lowest rank that
// is still admitted.
//
// The price is coarse and the waiting room behind it is exact. [Pricer] lets
// through about twice what the callee finishes, from the highest rank down, so
// that the room stays busy and chooses; what lies below would be refused
// anyway, and the price refuses it for the cost of a compare, in the same order
// for every hop.
//
// The cut through a histogram of ranks is that of DAGOR (Zhou et al., "Overload
// control for scaling WeChat microservices", SoCC 2018, section 4.2).
package shed

import (
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

const (
	// overcommit is how much more work passes the price than the callee
	// finishes. At 1 the room would run dry on every fluctuation; the room
	// refuses the surplus for a fraction of a microsecond each.
	overcommit = 2.0
	// memory is the time constant of the histogram: long enough for a few
	// hundred arrivals, short enough to follow a spike within a second.
	memory = 250 * time.Millisecond
	// heaviest bounds the weight of new counts: beyond it all are weighed anew,
	// about once a minute.
	heaviest = 1e100
)

// A Pricer turns what was offered and what was finished into a price. The zero
// Pricer is ready to use and admits everything.
type Pricer struct {
	// Pass is how much work passes the price for each that finishes: positive; 0
	// means 2, for a price in front of a room. It counts from the next Step.
	Pass float64

	// offered counts by rank. New counts weigh more in place of old ones less, so
	// that a step need not touch them all.
	offered  [penstock.MaxRank + 1]float64
	weight   float64 // of a count now; not yet set before the first Step, when it is 1
	total    float64 // decayed
	finished float64 // decayed slots' worth of finished work
	at       mono.Time
	begun    bool
	price    penstock.Price
}

// Offered counts n units of rank r, and what they cost, as asking to enter.
func (p *Pricer) Offered(r penstock.Rank, cost float64) {
	if !p.begun {
		p.weight = 1
	}
	p.offered[min(r, penstock.MaxRank)] += cost * p.weight
	p.total += cost
}

// Finished counts finished work.
func (p *Pricer) Finished(cost float64) { p.finished += cost }

// FinishedPerSecond is how much work has finished per second of late.
func (p *Pricer) FinishedPerSecond() float64 { return p.finished / memory.Seconds() }

// Step forgets the past and sets the price. refusing says that the room has had
// to refuse work in a sustained way: without it there is no price, whatever
// the counts.
func (p *Pricer) Step(now mono.Time, refusing bool) penstock.Price {
	if p.begun {
		keep := math.Exp(-now.Sub(p.at).Seconds() / memory.Seconds())
		p.total, p.finished = p.total*keep, p.finished*keep
		p.forget(keep)
	} else {
		p.begun, p.weight = true, 1
	}
	p.at = now
	p.price = 0
	if refusing {
		pass := p.Pass
		if pass == 0 {
			pass = overcommit
		}
		p.price = p.cut(pass * p.finished)
	}
	return p.price
}

// forget keeps so much of what was offered.
func (p *Pricer) forget(keep float64) {
	if was := p.weight; keep*heaviest < was {
		for i := range p.offered {
			p.offered[i] *= keep / was
		}
		p.weight = 1
		return
	}
	p.weight /= keep
}

// Price is what the last Step set.
func (p *Pricer) Price() penstock.Price { return p.price }

// Cut is the price that Step would set if Pass were pass, as of the last Step.
func (p *Pricer) Cut(pass float64) penstock.Price { return p.cut(pass * p.finished) }

// cut returns the lowest rank such that the work at and above it is about
// room's worth. Some rank always gets in.
func (p *Pricer) cut(room float64) penstock.Price {
	if p.total <= room {
		return 0
	}
	sum := 0.0
	room *= p.weight
	for r := len(p.offered) - 1; r >= 0; r-- {
		sum += p.offered[r]
		if sum > room {
			return penstock.Price(r)
		}
	}
	return 0
}
