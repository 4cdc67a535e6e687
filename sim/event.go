package sim

import (
	"github.com/penstock-go/penstock/mono"
)

// knobs is what events can set of one part: how, and to what the plan says.
type knobs map[Param]knob

type knob struct {
	set  func(now mono.Time, to float64)
	back float64
	once bool // there is nothing to go back to
}

// change is the world as the handler of its plan's events: arg is the event's
// place, doubled, and odd for its end.
type change World

// Fire sets a parameter, or sets it back.
func (c *change) Fire(now mono.Time, arg uint64) {
	e := &c.plan.Events[arg>>1]
	k := c.knobs[e.Of][e.Set]
	switch {
	case arg&1 == 0:
		k.set(now, e.To)
	case !k.once:
		k.set(now, k.back)
	}
}

// makeKnobs collects what can be set.
func (w *World) makeKnobs(links map[string]*link) {
	for i := range w.plan.Sources {
		if u := w.plan.Sources[i].Users; u != nil {
			s := w.sources[i]
			w.knobs[s.cfg.Name] = knobs{NumUsers: {set: func(now mono.Time, to float64) { s.setUsers(now, int(to)) }, back: float64(u.Number)}}
		}
	}
	for _, s := range w.stages {
		all := knobs{}
		for _, m := range s.machines {
			own := m.knobs()
			w.knobs[s.cfg.Name+"/"+itoa(m.index)] = own
			for p, k := range own {
				before, more := all[p], k.set
				if before.set != nil {
					k.set = func(now mono.Time, to float64) { before.set(now, to); more(now, to) }
				}
				all[p] = k
			}
		}
		w.knobs[s.cfg.Name] = all
	}
	for _, c := range w.caches {
		w.knobs[c.cfg.Name] = knobs{Flush: {set: func(mono.Time, float64) { c.flush() }, once: true}}
	}
	for name, l := range links {
		w.knobs[name] = knobs{
			Latency:   {set: func(_ mono.Time, to float64) { l.latency = to }, back: 1},
			Bandwidth: {set: func(_ mono.Time, to float64) { l.bandwidth = to }, back: 1},
		}
	}
	for _, l := range w.lines {
		for _, s := range l.stations {
			w.knobs[s.led.part.Name] = knobs{
				Speed:   {set: func(_ mono.Time, to float64) { s.speed = to }, back: 1},
				Servers: {set: func(now mono.Time, to float64) { s.setServers(now, int(to)) }, back: float64(max(1, s.cfg.Servers))},
			}
		}
	}
	for _, b := range w.bottlenecks {
		w.knobs[b.cfg.Name] = knobs{Packets: {set: func(_ mono.Time, to float64) { b.setRate(to) }, back: b.cfg.PacketsPerSecond}}
	}
	if w.river == nil {
		return
	}
	for _, v := range w.river.all {
		w.knobs[v.cfg.Name] = knobs{
			Inflow:  {set: func(now mono.Time, to float64) { v.inflow = to; w.river.settle(now) }, back: v.cfg.Inflow},
			Outflow: {set: func(now mono.Time, to float64) { v.gates = to; w.river.settle(now) }, back: v.cfg.Outflow},
		}
	}
}

// knobs is what can be set of a machine.
func (m *machine) knobs() knobs {
	cfg := &m.stage.cfg.Machine
	k := knobs{
		Speed: {set: func(now mono.Time, to float64) { m.engine.SetSpeed(to); m.sync(now) }, back: 1},
		Servers: {set: func(now mono.Time, to float64) {
			m.engine.SetWorkers(now, int(to))
			m.sync(now)
		}, back: float64(max(1, cfg.Servers))},
		Kill: {set: func(now mono.Time, _ float64) { m.die(now) }, once: true},
	}
	if m.heap != nil {
		k[MemoryMax] = knob{set: func(now mono.Time, to float64) {
			if m.heap.max = to; m.heap.full() {
				m.die(now)
			}
		}, back: cfg.Memory.Max}
	}
	return k
}
