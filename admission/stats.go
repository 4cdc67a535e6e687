package admission

import (
	"math"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// littleMemory is over how long the two sides of Little's law are compared.
const littleMemory = 5 * time.Second

// A littleMeter measures L, lambda and W apart from each other. Each sum
// decays, so that their quotients are means over the last seconds.
type littleMeter struct {
	at       mono.Time // area is up to date until here
	decayed  mono.Time // the last decay: elapsed is up to date until here
	area     float64   // integral of the number in flight, in slot-nanoseconds
	elapsed  float64   // nanoseconds
	ended    float64   // units
	occupied float64   // their times, in nanoseconds
}

func (m *littleMeter) advance(now mono.Time, inFlight int) {
	m.area += float64(now.Sub(m.at)) * float64(inFlight)
	m.at = now
}

func (m *littleMeter) end(now mono.Time, inFlight, cost int, took time.Duration) {
	m.advance(now, inFlight)
	m.ended += float64(cost)
	m.occupied += float64(took) * float64(cost)
}

func (m *littleMeter) tick(now mono.Time, inFlight int) {
	m.advance(now, inFlight)
	since := float64(now.Sub(m.decayed))
	keep := math.Exp(-since / float64(littleMemory))
	m.area, m.elapsed, m.ended, m.occupied = m.area*keep, (m.elapsed+since)*keep, m.ended*keep, m.occupied*keep
	m.decayed = now
}

func (m *littleMeter) read() penstock.Little {
	var l penstock.Little
	if elapsed := m.elapsed + float64(m.at.Sub(m.decayed)); elapsed > 0 {
		l.L, l.Lambda = m.area/elapsed, m.ended/elapsed*1e9
	}
	if m.ended > 0 {
		l.W = m.occupied / m.ended * 1e-9
	}
	l.Gap = l.L - l.Lambda*l.W
	return l
}

// Stats returns a snapshot.
func (c *Core) Stats(now mono.Time) penstock.Stats {
	now = c.advance(now)
	c.little.advance(now, c.total.inFlight)
	for _, p := range c.pools {
		c.collectAll(p)
	}
	for _, p := range c.retired {
		c.collectAll(p)
	}
	t := &c.total
	s := penstock.Stats{
		Offered: t.offered, Admitted: t.admitted, Left: t.left, Refused: t.refused, WouldRefuse: t.wouldRefuse,
		Explored: t.explored, Good: t.good, Wasted: t.wasted, Dropped: t.dropped, Ignored: t.ignored, StaleDone: t.stale,
		InFlight: t.inFlight, Zombies: t.zombies, Waiting: t.waiting,
		Sojourn: c.sojourn.summary().Quantiles, Little: c.little.read(),
	}
	for _, p := range c.pools {
		s.Level = max(s.Level, p.level(now))
		s.Price = max(s.Price, p.price)
	}
	var service summary
	for i := range c.gates {
		g := &c.gates[i]
		if g.unused() {
			continue
		}
		sum := g.service.summary()
		service.merge(sum)
		s.Limit += g.limit
		s.Gates = append(s.Gates, penstock.GateStats{
			Name: g.name, Limit: g.limit, InFlight: g.inFlight, Away: g.away, Zombies: g.zombies,
			Admitted: g.admitted, Good: g.good, Dropped: g.dropped, Service: sum.Quantiles, Explain: g.explain(),
		})
	}
	s.Service = service.Quantiles
	return s
}

// Level is what [Core.Stats] says of level and limit, without the rest.
func (c *Core) Level(now mono.Time) (level, limit float64) {
	now = c.advance(now)
	for _, p := range c.pools {
		level = max(level, p.level(now))
	}
	for i := range c.gates {
		if g := &c.gates[i]; !g.unused() {
			limit += g.limit
		}
	}
	return level, limit
}

// Pressure is what to tell callers of a route: as of the latest tick.
func (c *Core) Pressure(route int) pressure.Signal {
	return c.routes[route].pool.door.verdict.Load().signal
}

// Explain says in words what binds each gate.
func (c *Core) Explain() string {
	var b strings.Builder
	for i := range c.gates {
		g := &c.gates[i]
		if g.unused() {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if g.name != "" {
			b.WriteString(g.name + ": ")
		}
		b.WriteString(g.explain())
	}
	return b.String()
}
