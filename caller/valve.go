package caller

import (
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/shed"
	"github.com/penstock-go/penstock/mono"
)

// The constants of a valve.
const (
	valveTick   = 10 * time.Millisecond
	valveRest   = 5 * time.Second        // without refusals and without a price, and it is put away
	valveTarget = 0.85                   // the callee's level at which as much is sent as it takes
	valveGain   = 1.0                    // how much more per level below that, and less per level above
	valveWaste  = 20.0                   // how much less per share of calls that the callee refuses:
	valveCut    = 0.3                    // at most,
	valveShare  = time.Second            // over so long. A level of 0.75 balances a share of 0.75 %
	valveMemory = 250 * time.Millisecond // of the count; that of the histogram is the same
	valveLeast  = 10                     // calls remembered before it prices: fewer are no statistics
)

// A valve finds how much of its demand a caller may send so that the callee has
// next to nothing left to refuse: as much as the callee took of late, and more or
// less by how full it says it is. What exceeds that is refused by rank, with a
// histogram of all that the caller was asked for, so that its price stands
// although the callee no longer sees the surplus.
//
// The callee's own price does the coarse part: it lets through twice what the
// callee finishes, for a waiting room to choose from. Over a network that
// surplus costs each hop a call. The zero valve is open.
type valve struct {
	pricer  *shed.Pricer // nil while it rests
	count   float64      // calls asked for, decayed
	sent    float64      // calls that were answered, decayed,
	wasted  float64      // of them, those that the callee refused
	stepped mono.Time
	refused mono.Time // when the callee last refused
	price   penstock.Price
}

// offered counts demand, refused here or not.
func (v *valve) offered(r penstock.Rank, cost float64) {
	if v.pricer != nil {
		v.pricer.Offered(r, cost)
		v.count++
	}
}

// answered counts what came of a call.
func (v *valve) answered(now mono.Time, refused bool, cost float64) {
	if refused {
		if v.pricer == nil {
			v.pricer = &shed.Pricer{}
			v.pricer.Step(now, false)
			v.stepped, v.count, v.sent, v.wasted = now, 0, 0, 0
		}
		v.refused = now
		v.wasted++
		v.sent++
	} else if v.pricer != nil {
		v.pricer.Finished(cost)
		v.sent++
	}
}

// at is the price at now, at that level of the callee.
func (v *valve) at(now mono.Time, level float64) penstock.Price {
	if v.pricer == nil {
		return 0
	}
	since := now.Sub(v.stepped)
	if since < 0 { // the clock jumped back
		v.stepped, v.refused = now, now
		return v.price
	}
	if since < valveTick {
		return v.price
	}
	v.count *= math.Exp(-since.Seconds() / valveMemory.Seconds())
	keep := math.Exp(-since.Seconds() / valveShare.Seconds())
	v.sent *= keep
	v.wasted *= keep
	v.pricer.Pass = v.pass(level)
	v.price = v.pricer.Step(now, v.count >= valveLeast)
	v.stepped = now
	if v.price == 0 && now.Sub(v.refused) > valveRest {
		*v = valve{}
	}
	return v.price
}

// pass is how much to send for each call that the callee has taken of late. What
// was taken already is less where the callee refused: this is what moves it.
func (v *valve) pass(level float64) float64 {
	pass := 1 + valveGain*(valveTarget-level)
	if v.sent >= valveLeast {
		pass -= min(valveWaste*v.wasted/v.sent, valveCut)
	}
	return pass
}
