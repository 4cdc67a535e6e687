package rival

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The defaults of a RajomonConfig. Interval and decay are those of the authors'
// library (github.com/pennsail/rajomon, initOptions.go); threshold and step are
// where their experiments begin to tune, as the library leaves them at 0 and 1.
const (
	RajomonThreshold = 5 * time.Millisecond
	RajomonInterval  = 10 * time.Millisecond
	RajomonStep      = 10

	rajomonDecay   = 0.8   // of a rise, for each rise in a row before it,
	rajomonInARow  = 2     // from the third on
	rajomonPerStep = 10000 // microseconds above the threshold for which the price rises by one step
	rajomonTold    = 5     // one answer in so many tells the price: those whose tokens it divides
)

// RajomonConfig configures a [Rajomon]. The zero RajomonConfig means the
// defaults.
type RajomonConfig struct {
	Threshold time.Duration // wait above which the price rises
	Interval  time.Duration // between changes of the price
	Step      int64         // how much it rises for 10 ms above the threshold
}

// A Rajomon prices a service. At the end of each interval its own price rises by
// the longest wait seen in it, less the threshold, or falls by what that lacks; of
// several rises in a row the third and later ones count ever less. A request
// enters if its tokens are at least the higher of the own price and the highest
// that any callee told. One answer in five tells that price. Callers in between
// refuse nothing themselves: what their callees ask for is part of their own
// price.
//
// Source: the paper's sections 3 and 4, with aggregation "maximal" and strategy
// "expdecay" of the authors' library. Here the price told is the one at the time
// of the answer; the library tells the one at the arrival of the request, which is
// older.
type Rajomon struct {
	cfg     RajomonConfig
	next    mono.Time // end of the interval
	begun   bool
	longest time.Duration // wait seen in the interval
	price   int64
	rises   int // in a row
	callees []int64
}

// NewRajomon returns the control of a service with so many callees.
func NewRajomon(cfg RajomonConfig, callees int) *Rajomon {
	if cfg.Threshold <= 0 {
		cfg.Threshold = RajomonThreshold
	}
	if cfg.Interval <= 0 {
		cfg.Interval = RajomonInterval
	}
	if cfg.Step <= 0 {
		cfg.Step = RajomonStep
	}
	return &Rajomon{cfg: cfg, callees: make([]int64, callees)}
}

// Price is the price at now: the service's own, or a callee's that is higher.
func (r *Rajomon) Price(now mono.Time) int64 {
	r.advance(now)
	price := r.price
	for _, p := range r.callees {
		price = max(price, p)
	}
	return price
}

// advance ends the intervals that are over.
func (r *Rajomon) advance(now mono.Time) {
	if !r.begun {
		r.next, r.begun = now.Add(r.cfg.Interval), true
	}
	for now >= r.next {
		r.update(r.longest)
		r.longest = 0
		r.next = r.next.Add(r.cfg.Interval)
		if r.price == 0 && now >= r.next { // nothing more would change
			r.next = now.Add(r.cfg.Interval - now.Sub(r.next)%r.cfg.Interval)
		}
	}
}

// update moves the own price by what was seen in an interval, in whole tokens.
func (r *Rajomon) update(waited time.Duration) {
	by := (waited - r.cfg.Threshold).Microseconds() * r.cfg.Step / rajomonPerStep
	switch {
	case by > 0:
		if r.rises >= rajomonInARow {
			by = int64(float64(by) * math.Pow(rajomonDecay, float64(r.rises)))
		}
		r.rises++
	case by < 0:
		r.rises = 0
	}
	r.price = max(0, r.price+by)
}

// Admit implements [Controller].
func (r *Rajomon) Admit(now mono.Time, a Ask) bool { return a.Tokens >= r.Price(now) }

// Started implements [Controller].
func (r *Rajomon) Started(now mono.Time, waited time.Duration) {
	r.advance(now)
	r.longest = max(r.longest, waited)
}

// Says implements [Controller].
func (r *Rajomon) Says(now mono.Time, a Ask) (int64, bool) {
	return r.Price(now), a.Tokens%rajomonTold == 0
}

// Heard implements [Controller].
func (r *Rajomon) Heard(callee int, said int64) { r.callees[callee] = said }

// Sends implements [Controller]: the price that was paid at the entrance covers
// all callees.
func (r *Rajomon) Sends(int, Ask) bool { return true }
