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
	valveTarget = 0.77                   // the callee's level that is aimed at: its room is in use, and nearly nothing waits
	valveGrow   = 2.0                    // slots more per round trip, for each level below that and root of the window,
	valveShrink = 1.0                    // and the share less for each level above
	valveUsed   = 0.8                    // a window that is less in use does not grow
	valvePass   = 1.5                    // calls that pass the price, for each that the callee takes: the window chooses,
	valveSure   = 0.7                    // and calls whose rank is high enough that they are not kept waiting for it
	valveMemory = 250 * time.Millisecond // of the count; that of the histogram is the same
	valveLeast  = 50                     // calls remembered before it prices

	valveSmall     = 0.2 // windows grow as if they were this at least
	valveNarrowest = 1.0 / 1024
	valveWidest    = 1 << 20
)

// A valve finds how much of its demand a caller may send so that the callee has
// next to nothing left to refuse, and next to nothing waits there. What exceeds that
// is refused by rank, with a histogram of all that the caller was asked for, so that
// its price stands although the callee no longer sees the surplus.
//
// The fine part is a window: how many calls may be out at once. Each answer brings
// the callee's level, and moves the window so that the callee is just full: up by a
// part of its root in each round trip and down by a part of it, so that callers that
// know nothing of each other come to equal windows. A new call leaves as one comes
// back; calls let through at a rate, however right, come in bunches, and what waits
// at a callee that is nearly full grows and grows. The price, by which half as many
// again pass as the callee takes, sees to it that the window chooses from those that
// matter, and who is surely among what the callee takes need not wait for a place in
// it.
//
// The callee's own price does the coarse part: it lets through twice what the
// callee finishes, for a waiting room to choose from. Over a network that
// surplus costs each hop a call.
//
// On a way of several hops each has a valve, and one window is enough: several would
// cut the same surplus several times over. The first has it: a server's door, or a
// client that serves nobody. The others, whose work has come past one, go by the
// price alone. The zero valve is open.
type valve struct {
	inFlight float64 // calls' worth let through, and not answered

	pricer  *shed.Pricer   // nil while it rests
	window  float64        // how much may be in flight,
	shut    mono.Time      // and when it is less than one call: until when none is sent
	price   penstock.Price // the least rank that may use it,
	sure    penstock.Price // and the least that need not
	count   float64        // calls asked for, decayed
	stepped mono.Time
	full    mono.Time // when the callee last refused or said that work waits
}

// offered counts demand, refused here or not.
func (v *valve) offered(r penstock.Rank, cost float64) {
	if v.pricer != nil {
		v.pricer.Offered(r, cost)
		v.count++
	}
}

// admits reports whether a call may be sent now. relayed calls have come past
// another valve.
func (v *valve) admits(now mono.Time, r penstock.Rank, cost float64, relayed bool) bool {
	switch {
	case v.pricer == nil || v.sure.Admits(r):
		return true
	case !v.price.Admits(r):
		return false
	case relayed:
		return true
	case v.inFlight == 0:
		return now >= v.shut
	}
	return v.inFlight+cost <= v.window
}

func (v *valve) sent(cost float64) { v.inFlight += cost }

// ended takes back what was sent: said is that the callee told its level, refused
// that it did nothing about the call, left that the caller did not wait for it.
func (v *valve) ended(now mono.Time, cost float64, took time.Duration, a *Answer) {
	out := v.inFlight
	v.inFlight = max(0, v.inFlight-cost)
	if a.Left || !a.Said {
		return
	}
	if a.Refused || a.Signal.Level >= levelWaiting {
		v.wake(now, out)
		v.full = now
	}
	if v.pricer == nil {
		return
	}
	if !a.Refused {
		v.pricer.Finished(cost)
	}
	v.move(cost, out, valveTarget-a.Signal.Level)
	v.shut = now
	if v.window < 1 {
		v.shut = now.Add(time.Duration(min(float64(took)*(1/v.window-1), float64(valveRest))))
	}
}

// wake begins to count with the first word that work waits, and not with the first
// refusal, by which it is time to know how much is asked and taken.
func (v *valve) wake(now mono.Time, out float64) {
	if v.pricer == nil {
		*v = valve{inFlight: v.inFlight, pricer: &shed.Pricer{Pass: valvePass}, stepped: now, window: max(1, out), shut: now, sure: penstock.MaxPrice}
		v.pricer.Step(now, false)
	}
}

// move follows the callee's level, by how much it is below what is aimed at.
func (v *valve) move(cost, out, below float64) {
	switch {
	case below <= 0:
		v.window += valveShrink * below * cost * min(1, v.window)
	case out >= valveUsed*v.window:
		v.window += valveGrow * below * cost * min(1/math.Sqrt(v.window), max(v.window, valveSmall))
	}
	v.window = min(max(v.window, valveNarrowest), valveWidest)
}

// step sets the prices anew at every tick.
func (v *valve) step(now mono.Time) {
	if v.pricer == nil {
		return
	}
	since := now.Sub(v.stepped)
	if since < 0 { // the clock jumped back
		v.stepped, v.full, v.shut = now, now, now
		return
	}
	if since < valveTick {
		return
	}
	v.count *= math.Exp(-since.Seconds() / valveMemory.Seconds())
	v.stepped = now
	surplus := v.count >= valveLeast && v.inFlight >= valveUsed*v.window
	v.price, v.sure = v.pricer.Step(now, surplus), v.pricer.Cut(valveSure)
	if v.sure > 0 {
		v.sure++ // of the rank at the cut, which may be all that is asked, only a part is
	}
	if v.price == 0 && now.Sub(v.full) > valveRest {
		*v = valve{inFlight: v.inFlight}
	}
}
