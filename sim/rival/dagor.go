package rival

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The constants of DAGOR: section 4.1 of the paper for the threshold and the
// window, section 4.2.3 for the two shares.
const (
	DagorThreshold = 20 * time.Millisecond
	DagorWindow    = time.Second
	DagorRequests  = 2000 // that end a window earlier

	dagorAlpha = 0.05 // less of what was admitted, after a window of overload
	dagorBeta  = 0.01 // more, of what arrived, after any other
)

// DagorConfig configures a [Dagor]. The zero DagorConfig means the paper's
// constants.
type DagorConfig struct {
	Threshold time.Duration // mean wait above which a window was one of overload
	Window    time.Duration
}

// A Dagor guards a service by a level: the least important priority that enters.
// At the end of each window it walks the level through a histogram of what
// arrived, down until 5 % less would have been admitted, or up until 1 % more
// would. Each answer tells the level, and callers refuse what lies below it
// themselves. The level speaks of one service alone: nothing is passed on beyond
// its callers.
//
// Source: the paper's algorithm 1 and section 4.2.4, as of its errata (arXiv
// 1806.04075v3).
type Dagor struct {
	cfg      DagorConfig
	level    int // the highest priority number that enters
	arrived  [Priorities]int
	all      int // that arrived in the window,
	admitted int // and entered
	waited   time.Duration
	started  int
	ends     mono.Time
	begun    bool
	callees  []int
}

// NewDagor returns the control of a service with so many callees. It admits
// everything.
func NewDagor(cfg DagorConfig, callees int) *Dagor {
	if cfg.Threshold <= 0 {
		cfg.Threshold = DagorThreshold
	}
	if cfg.Window <= 0 {
		cfg.Window = DagorWindow
	}
	d := &Dagor{cfg: cfg, level: Priorities - 1, callees: make([]int, callees)}
	for i := range d.callees {
		d.callees[i] = Priorities - 1
	}
	return d
}

// Level is the least important priority that enters at now.
func (d *Dagor) Level(now mono.Time) int {
	d.advance(now)
	return d.level
}

// advance ends the window if it is over.
func (d *Dagor) advance(now mono.Time) {
	switch {
	case !d.begun:
		d.begun = true
	case now >= d.ends || d.all >= DagorRequests:
		d.update(d.started > 0 && d.waited/time.Duration(d.started) > d.cfg.Threshold)
		clear(d.arrived[:])
		d.all, d.admitted, d.waited, d.started = 0, 0, 0, 0
	default:
		return
	}
	d.ends = now.Add(d.cfg.Window)
}

// update walks the level.
func (d *Dagor) update(overload bool) {
	would := float64(d.admitted)
	if overload {
		want := (1 - dagorAlpha) * would
		for would > want && d.level > 0 {
			would -= float64(d.arrived[d.level])
			d.level--
		}
		return
	}
	want := would + dagorBeta*float64(d.all)
	for would < want && d.level < Priorities-1 {
		d.level++
		would += float64(d.arrived[d.level])
	}
}

// Admit implements [Controller].
func (d *Dagor) Admit(now mono.Time, a Ask) bool {
	d.advance(now)
	d.all++
	d.arrived[a.Priority]++
	if a.Priority > d.level {
		return false
	}
	d.admitted++
	return true
}

// Started implements [Controller].
func (d *Dagor) Started(now mono.Time, waited time.Duration) {
	d.advance(now)
	d.waited += waited
	d.started++
}

// Says implements [Controller].
func (d *Dagor) Says(now mono.Time, _ Ask) (int64, bool) { return int64(d.Level(now)), true }

// Heard implements [Controller].
func (d *Dagor) Heard(callee int, said int64) { d.callees[callee] = int(said) }

// Sends implements [Controller].
func (d *Dagor) Sends(callee int, a Ask) bool { return a.Priority <= d.callees[callee] }
