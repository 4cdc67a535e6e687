package sim

import (
	"math"
	"strconv"
	"strings"
)

// settable says whose each parameter is, and what it may be set to.
var settable = map[Param]struct {
	of     PartKind
	lo, hi float64
}{
	Speed:     {MachinePart, 1e-6, 1e6},
	Servers:   {MachinePart, 0, MaxServers},
	NumUsers:  {SourcePart, 0, 4 * MaxUsers},
	Latency:   {LinkPart, 0, 1e6},
	Bandwidth: {LinkPart, 1e-6, 1e6},
	MemoryMax: {MachinePart, 0, 1e18},
	Kill:      {MachinePart, math.Inf(-1), math.Inf(1)},
	Flush:     {CachePart, math.Inf(-1), math.Inf(1)},
	Inflow:    {ReservoirPart, 0, 1e15},
	Outflow:   {ReservoirPart, 0, 1e15},
	Packets:   {BottleneckPart, 1e-6, 1e9},
}

func (c *checker) event(i int, e *Event) {
	at := "events[" + strconv.Itoa(i) + "]"
	c.time(at+".at", e.At, 0)
	c.time(at+".for", e.For, 0)
	k, known := settable[e.Set]
	if !known {
		c.bad(at, "unknown parameter %d", e.Set)
		return
	}
	c.within(at+".to", e.To, k.lo, k.hi)
	kind, what, ok := c.target(e.Of)
	switch {
	case !ok:
		c.bad(at+".of", "there is no %q", e.Of)
	case kind == StationPart && (e.Set == Speed || e.Set == Servers):
		if e.Set == Servers {
			c.within(at+".to", e.To, 0, 1<<16)
		}
	case kind != k.of:
		c.bad(at+".of", "%q is nothing of which this can be set", e.Of)
	case e.Set == NumUsers:
		c.users(at, what, e)
	case e.Set == MemoryMax && c.plan.Stages[what].Machine.Memory == nil:
		c.bad(at+".of", "%q has no memory configured", e.Of)
	}
}

func (c *checker) users(at string, source int, e *Event) {
	u := c.plan.Sources[source].Users
	switch {
	case u == nil:
		c.bad(at+".of", "%q is an open source: its arrivals are its rate", e.Of)
	case e.To > 4*float64(u.Number):
		c.bad(at+".to", "%v is more than four times the %d users of the plan", e.To, u.Number)
	}
}

// target finds what an event names, and its place in the plan.
func (c *checker) target(name string) (kind PartKind, what int, ok bool) {
	part, sub, divided := strings.Cut(name, "/")
	for i := range c.plan.Stages {
		s := &c.plan.Stages[i]
		if s.Name != part {
			continue
		}
		n, err := strconv.Atoi(sub)
		return MachinePart, i, !divided || err == nil && n >= 0 && n < max(1, s.Machines) && strconv.Itoa(n) == sub
	}
	for i := range c.plan.Lines {
		for k := range c.plan.Lines[i].Stations {
			if name == c.plan.Lines[i].Name+"/"+c.plan.Lines[i].Stations[k].Name {
				return StationPart, i, true
			}
		}
	}
	for i := range c.plan.Sources {
		if c.plan.Sources[i].Name == name {
			return SourcePart, i, true
		}
	}
	kind, ok = c.kinds[name]
	return kind, 0, ok
}
