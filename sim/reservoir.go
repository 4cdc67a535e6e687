package sim

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// river is all reservoirs of a world: their levels depend on each other, so they
// move together.
type river struct {
	world *World
	all   []*reservoir // each before the one below it
	at    mono.Time
	timer Timer
}

// reservoir is one of them. Between events its flows are constant.
type reservoir struct {
	cfg   *Reservoir
	led   *ledger
	below *reservoir
	level float64

	marks         []float64 // levels at which something changes
	inflow, gates float64   // as set: units per second
	holding       bool      // the reservoir below is too full
	in, out, over float64   // as they are now
}

// holdBand is how far a reservoir must sink before the one above it opens its
// gates again, as a share of its capacity. Without a band the gates would move
// without end.
const holdBand = 0.02

func newRiver(w *World, cfgs []Reservoir) *river {
	r := &river{world: w}
	byName := map[string]*reservoir{}
	for i := range cfgs {
		cfg := &cfgs[i]
		v := &reservoir{cfg: cfg, led: w.ledger(cfg.Name, ReservoirPart, false), level: cfg.Start, inflow: cfg.Inflow, gates: cfg.Outflow}
		byName[cfg.Name] = v
		r.all = append(r.all, v)
	}
	for _, v := range r.all {
		v.below = byName[v.cfg.To]
		v.marks = append(v.marks, 0, v.cfg.Capacity)
		if b := v.below; b != nil && v.cfg.Hold > 0 {
			b.marks = append(b.marks, v.cfg.Hold*b.cfg.Capacity, (v.cfg.Hold-holdBand)*b.cfg.Capacity)
		}
	}
	// Sort by distance to the sea, the farthest first.
	depth := func(v *reservoir) (n int) {
		for ; v.below != nil; v = v.below {
			n++
		}
		return n
	}
	for i := range r.all {
		for j := i; j > 0 && depth(r.all[j]) > depth(r.all[j-1]); j-- {
			r.all[j], r.all[j-1] = r.all[j-1], r.all[j]
		}
	}
	return r
}

// Fire is the instant at which a flow changes by itself.
func (r *river) Fire(now mono.Time, _ uint64) {
	r.timer = Timer{}
	r.settle(now)
}

// advance moves the levels to now.
func (r *river) advance(now mono.Time) {
	dt := now.Sub(r.at).Seconds()
	r.at = now
	for _, v := range r.all {
		v.led.advance(now)
		before := v.level
		v.level = min(max(v.level+(v.in-v.out-v.over)*dt, 0), v.cfg.Capacity)
		v.led.cur.Held += (before + v.level) / 2 * dt
		v.led.cur.Amount += v.over * dt
	}
}

// settle finds the flows that hold from now on, and when they change.
func (r *river) settle(now mono.Time) {
	r.advance(now)
	for _, v := range r.all {
		v.in = v.inflow
	}
	for _, v := range r.all {
		v.flow()
		if v.below != nil {
			v.below.in += v.out + v.over
		}
	}
	next := math.Inf(1)
	for _, v := range r.all {
		next = min(next, v.changes())
		g := gauges{idle: 1}
		if v.over > 0 {
			g = gauges{blocked: 1}
			v.led.feel(now)
		} else if v.out > 0 {
			g = gauges{busy: 1}
		}
		v.led.set(now, g)
	}
	r.world.loop.Cancel(r.timer)
	r.timer = Timer{}
	if !math.IsInf(next, 1) {
		d := time.Duration(min(math.Ceil(next*1e9), math.MaxInt64/4))
		r.timer = r.world.loop.Set(now.Add(max(1, d)), r, 0)
	}
}

// flow decides what leaves the reservoir.
func (v *reservoir) flow() {
	if b := v.below; b != nil && v.cfg.Hold > 0 {
		share := b.level / b.cfg.Capacity
		if v.holding {
			v.holding = share > v.cfg.Hold-holdBand
		} else {
			v.holding = share >= v.cfg.Hold-tiny
		}
	}
	want := v.gates
	if v.holding {
		want = v.cfg.HoldOutflow
	}
	v.out, v.over = want, 0
	if v.level <= v.cfg.Capacity*tiny {
		v.out = min(want, v.in)
	}
	if full := v.level >= v.cfg.Capacity*(1-tiny); full && v.in > v.out {
		v.over = v.in - v.out
	}
}

// tiny is the share of a capacity that rounding may take.
const tiny = 1e-9

// changes returns in how many seconds the reservoir fills, empties or passes a
// mark at which the gates above it move.
func (v *reservoir) changes() float64 {
	net := v.in - v.out - v.over
	if net == 0 {
		return math.Inf(1)
	}
	next := math.Inf(1)
	for _, m := range v.marks {
		if d := (m - v.level) / net; d > 1e-9 {
			next = min(next, d)
		}
	}
	return next
}

func (r *river) sample(now mono.Time) {
	r.advance(now)
	for _, v := range r.all {
		level := v.level / v.cfg.Capacity
		v.led.cur.Samples++
		v.led.cur.Level += level
		if level >= feltLevel {
			v.led.feel(now)
		}
	}
}
