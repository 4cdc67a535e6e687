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
	valveRest   = 5 * time.Second        // of a callee that is well, without a price, and it is put away
	valveRelay  = 1.5                    // calls passed on for others, for each that the callee takes
	valveTarget = levelWaiting           // the callee's level at which as much is sent as it takes: its room is in use, and has room
	valveGain   = 1.0                    // how much more per level below that, and less per level above
	valveWaste  = 0.005                  // share of calls that the callee may refuse: above it
	valveLearn  = 1.0                    // the margin grows by this part of the excess per second,
	valveMargin = 0.3                    // to this at most
	valveForget = 8 * time.Second        // and fades with this time constant while there is none
	valveShare  = time.Second            // over which that share is counted
	valveMemory = 250 * time.Millisecond // of the count; that of the histogram is the same
	valveLeast  = 50                     // calls remembered before it prices,
	valveFew    = 200                    // and before a refusal weighs more than half a percent
)

// A valve finds how much of its demand a caller may send so that the callee has
// next to nothing left to refuse: as much as the callee took of late, and more or
// less by how full it says it is. What exceeds that is refused by rank, with a
// histogram of all that the caller was asked for, so that its price stands
// although the callee no longer sees the surplus.
//
// The callee's own price does the coarse part: it lets through twice what the
// callee finishes, for a waiting room to choose from. Over a network that
// surplus costs each hop a call.
//
// On a way of several hops each has a valve, and one of them is enough: were all
// as strict, they would cut the same surplus several times over. The first is
// strict: a server's door, or a client that serves nobody. The others, whose work
// has come past one, leave room above what the callee takes, and act only where
// the first does not. The zero valve is open.
type valve struct {
	pricer  *shed.Pricer // nil while it rests
	count   float64      // calls asked for, decayed
	sent    float64      // calls that were answered, decayed,
	wasted  float64      // of them, those that the callee refused
	margin  float64      // how much less is sent because the callee still refuses
	stepped mono.Time
	full    mono.Time      // when the callee last refused or said that work waits
	price   penstock.Price // for calls that begin here,
	relayed penstock.Price // and for those that came past another valve
}

// offered counts demand, refused here or not.
func (v *valve) offered(r penstock.Rank, cost float64) {
	if v.pricer != nil {
		v.pricer.Offered(r, cost)
		v.count++
	}
}

// answered counts what came of a call; full says that work waits at the callee.
// Counting begins with that, and not with the first refusal, by which it is time
// to know how much is asked and taken.
func (v *valve) answered(now mono.Time, refused, full bool, cost float64) {
	if refused || full {
		if v.pricer == nil {
			v.pricer = &shed.Pricer{}
			v.pricer.Step(now, false)
			v.stepped, v.count, v.sent, v.wasted = now, 0, 0, 0
		}
		v.full = now
	}
	if v.pricer == nil {
		return
	}
	v.sent++
	if refused {
		v.wasted++
	} else {
		v.pricer.Finished(cost)
	}
}

// step sets the prices for now, at that level of the callee.
func (v *valve) step(now mono.Time, level float64) {
	if v.pricer == nil {
		return
	}
	since := now.Sub(v.stepped)
	if since < 0 { // the clock jumped back
		v.stepped, v.full = now, now
		return
	}
	if since < valveTick {
		return
	}
	v.count *= math.Exp(-since.Seconds() / valveMemory.Seconds())
	keep := math.Exp(-since.Seconds() / valveShare.Seconds())
	v.sent *= keep
	v.wasted *= keep
	v.pricer.Pass = v.pass(level, since)
	cut := v.count >= valveLeast && (v.price > 0 || v.share() > valveWaste)
	v.price, v.relayed = v.pricer.Step(now, cut), 0
	if v.price > 0 {
		v.relayed = min(v.price, v.pricer.Cut(valveRelay))
	}
	v.stepped = now
	if v.price == 0 && now.Sub(v.full) > valveRest {
		*v = valve{}
	}
}

// share is the part of the calls sent of late that the callee refused; a few calls
// are no statistics.
func (v *valve) share() float64 { return v.wasted / max(v.sent, valveFew) }

// pass is how much to send for each call that the callee has taken of late. What
// was taken already is less where the callee refused: this is what moves it.
func (v *valve) pass(level float64, since time.Duration) float64 {
	if over := v.share() - valveWaste; over > 0 {
		v.margin = min(v.margin+valveLearn*over*since.Seconds(), valveMargin)
	} else {
		v.margin *= math.Exp(-since.Seconds() / valveForget.Seconds())
	}
	return 1 + valveGain*(valveTarget-level) - v.margin
}
