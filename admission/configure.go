package admission

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// A route is one way in.
type route struct {
	name    string
	pool    *pool
	cap     int
	waitFor time.Duration
	taken   int  // slots of this route, waiting or running
	gone    bool // no longer configured
}

// withDefaults fills in what an empty configuration means.
func (cfg Config) withDefaults() Config {
	if len(cfg.Gates) == 0 {
		cfg.Gates = []Gate{{Limit: cfg.Limit}}
		cfg.Limit = nil
	}
	if len(cfg.Routes) == 0 {
		cfg.Routes = []Route{{}}
	}
	all := make([]int, len(cfg.Gates))
	for i := range all {
		all[i] = i
	}
	cfg.Routes = slices.Clone(cfg.Routes)
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		if len(r.Gates) == 0 {
			r.Gates = all
		}
		r.Gates = slices.Sorted(slices.Values(r.Gates))
	}
	return cfg
}

// Validate reports every problem of the configuration, joined.
func (cfg Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("admission: "+format, args...)) }
	if cfg.Limit != nil && len(cfg.Gates) > 0 {
		bad("Limit is the law of a lone gate: with Gates, give each its own")
	}
	if len(cfg.Gates) > MaxGates {
		bad("%d gates, at most %d are allowed", len(cfg.Gates), MaxGates)
	}
	if len(cfg.Routes) > MaxRoutes {
		bad("%d routes, at most %d are allowed", len(cfg.Routes), MaxRoutes)
	}
	cfg = cfg.withDefaults()
	names := map[string]int{}
	for i, g := range cfg.Gates {
		if first, twice := names[g.Name]; twice {
			bad("gates %d and %d are both named %q: names must differ", first, i, g.Name)
		}
		names[g.Name] = i
	}
	clear(names)
	first := map[string]int{} // set of gates -> the first route over it
	for i, r := range cfg.Routes {
		if other, twice := names[r.Name]; twice {
			bad("routes %d and %d are both named %q: names must differ", other, i, r.Name)
		}
		names[r.Name] = i
		if slices.ContainsFunc(r.Gates, func(g int) bool { return g < 0 || g >= len(cfg.Gates) }) {
			bad("route %d (%q): Gates must be indices from 0 to %d", i, r.Name, len(cfg.Gates)-1)
		}
		if len(slices.Compact(slices.Clone(r.Gates))) != len(r.Gates) {
			bad("route %d (%q): names a gate twice", i, r.Name)
		}
		if r.Cap < 0 {
			bad("route %d (%q): Cap is %d, it must be 0 (none) or more", i, r.Name, r.Cap)
		}
		if r.Order > queue.Fair {
			bad("route %d (%q): unknown order %d", i, r.Name, r.Order)
		}
		key := fmt.Sprint(r.Gates)
		if j, shared := first[key]; !shared {
			first[key] = i
		} else if o := cfg.Routes[j]; o.Order != r.Order || o.CoDel != r.CoDel {
			bad("routes %d (%q) and %d (%q) share a waiting room: their Order and CoDel must agree", j, o.Name, i, r.Name)
		}
	}
	return errors.Join(errs...)
}

// Reconfigure changes gates, routes and modes while work runs or waits. A gate
// keeps its limit and its work by its name, and keeps its law where the new
// configuration gives none. Work that waits moves to the room of its route, or
// is refused (draining) if the route is gone.
//
// Routes and gates keep their index as long as their name stays configured;
// new ones take free indices. See [Core.RouteIndex]. If it returns an error,
// nothing has changed.
func (c *Core) Reconfigure(now mono.Time, cfg Config) error {
	now = c.advance(now)
	if err := c.configure(cfg); err != nil {
		return err
	}
	c.rehouse(now)
	c.tick(now)
	return nil
}

func (c *Core) configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	if err := c.fits(cfg); err != nil {
		return err
	}
	index := c.configureGates(cfg.Gates)
	c.observe = cfg.Observe
	old := c.pools
	c.pools = nil
	for i := range c.gates {
		c.gates[i].pools = nil
	}
	for i := range c.routes {
		c.routes[i].gone = !cfg.hasRoute(c.routes[i].name)
	}
	for _, r := range cfg.Routes {
		at := c.routePlace(r.Name)
		gates := make([]int32, len(r.Gates))
		for k, g := range r.Gates {
			gates[k] = index[g]
		}
		rt := &c.routes[at]
		rt.name, rt.cap, rt.waitFor, rt.gone = r.Name, r.Cap, r.WaitFor, false
		rt.pool = c.poolFor(old, gates, r)
	}
	for _, p := range c.pools {
		p.waitFor = c.longestWait(p)
	}
	c.retire(old)
	return nil
}

// longestWait returns the longest wait that the routes of a pool are given in
// numbers; 0 if one of them is given none.
func (c *Core) longestWait(p *pool) (longest time.Duration) {
	for i := range c.routes {
		switch r := &c.routes[i]; {
		case r.pool != p || r.gone || r.waitFor < 0:
		case r.waitFor == 0:
			return 0
		default:
			longest = max(longest, r.waitFor)
		}
	}
	return longest
}

func (cfg Config) hasGate(name string) bool {
	return slices.ContainsFunc(cfg.Gates, func(g Gate) bool { return g.Name == name })
}

func (cfg Config) hasRoute(name string) bool {
	return slices.ContainsFunc(cfg.Routes, func(r Route) bool { return r.Name == name })
}

// fits reports whether there is a place for every gate and route, next to those
// that are no longer configured and still hold work.
func (c *Core) fits(cfg Config) error {
	gates, routes := len(cfg.Gates), len(cfg.Routes)
	for i := range c.gates {
		if c.gates[i].inFlight+c.gates[i].away > 0 && !cfg.hasGate(c.gates[i].name) {
			gates++
		}
	}
	for i := range c.routes {
		if c.routes[i].taken > 0 && !cfg.hasRoute(c.routes[i].name) {
			routes++
		}
	}
	var errs []error
	if gates > MaxGates {
		errs = append(errs, fmt.Errorf("admission: more than %d gates, counting those that still hold work", MaxGates))
	}
	if routes > MaxRoutes {
		errs = append(errs, fmt.Errorf("admission: more than %d routes, counting those that still hold work", MaxRoutes))
	}
	return errors.Join(errs...)
}

// retire closes the books of the pools that are no longer in use, and opens
// their doors: what still comes that way is refused for being too late.
func (c *Core) retire(old []*pool) {
	c.retired = nil
	for _, p := range old {
		if slices.Contains(c.pools, p) {
			continue
		}
		c.collect(p)
		p.door.verdict.Store(&verdict{})
		c.retired = append(c.retired, p)
	}
}

// configureGates brings the gates in line and returns the place of each.
func (c *Core) configureGates(gates []Gate) []int32 {
	kept := make([]bool, len(c.gates))
	index := make([]int32, len(gates))
	for k, g := range gates {
		index[k] = -1
		for i := range c.gates {
			if c.gates[i].name == g.Name {
				index[k], kept[i] = int32(i), true
			}
		}
	}
	for i := range c.gates {
		c.gates[i].removed = !kept[i]
	}
	for k, g := range gates {
		if index[k] >= 0 {
			if g.Limit != nil {
				c.gates[index[k]].setLaw(g.Limit)
			}
			continue
		}
		at := slices.IndexFunc(c.gates, func(g gate) bool { return g.unused() })
		if at < 0 {
			c.gates = append(c.gates, gate{})
			at = len(c.gates) - 1
		}
		law := g.Limit
		if law == nil {
			law = limit.Default()
		}
		c.gates[at] = gate{name: g.Name}
		c.gates[at].setLaw(law)
		index[k] = int32(at)
	}
	return index
}

// routePlace returns the index for a route: its own, a free one, or a new one.
func (c *Core) routePlace(name string) int {
	at := slices.IndexFunc(c.routes, func(r route) bool { return r.name == name })
	if at < 0 {
		at = slices.IndexFunc(c.routes, func(r route) bool { return r.gone && r.taken == 0 })
	}
	if at < 0 {
		c.routes = append(c.routes, route{})
		at = len(c.routes) - 1
	}
	return at
}

// poolFor returns the pool over a set of gates: one made for an earlier route,
// one that was there before, or a new one.
func (c *Core) poolFor(old []*pool, gates []int32, r Route) *pool {
	slices.Sort(gates)
	same := func(p *pool) bool {
		return slices.Equal(p.gates, gates) && p.order == r.Order && (p.codel != nil) == r.CoDel
	}
	if i := slices.IndexFunc(c.pools, same); i >= 0 {
		return c.pools[i]
	}
	var p *pool
	if i := slices.IndexFunc(old, same); i >= 0 {
		p = old[i]
	} else {
		p = &pool{
			gates: gates, order: r.Order, marked: c.now, explored: c.now, credited: c.now,
			room: queue.New(queue.Config{Length: roomLength, Order: r.Order, Seed: c.rng.Uint64()}),
			door: &turnstile{}, stretch: 1,
		}
		if r.CoDel {
			p.codel = new(queue.CoDel)
		}
		p.door.verdict.Store(&verdict{})
	}
	c.pools = append(c.pools, p)
	for _, g := range gates {
		c.gates[g].pools = append(c.gates[g].pools, int32(len(c.pools)-1))
	}
	return p
}

// rehouse moves waiting work whose room is no longer its route's. A room takes
// its units in the order of arrival, so where any move in, all queue up again.
func (c *Core) rehouse(now mono.Time) {
	stale := map[*pool]bool{} // rooms that work moves into
	var waiting []int32
	for i := range c.slots {
		s := &c.slots[i]
		if s.state != slotWaiting {
			continue
		}
		r := &c.routes[s.route]
		if r.gone {
			s.pool.mark(now)
			s.pool.room.Remove(s.handle)
			c.settleRefused(now, int32(i), penstock.ReasonDraining)
			continue
		}
		waiting = append(waiting, int32(i))
		if r.pool != s.pool {
			stale[r.pool] = true
		}
	}
	slices.SortStableFunc(waiting, func(i, j int32) int { return cmp.Compare(c.slots[i].arrived, c.slots[j].arrived) })
	items := make([]queue.Item, len(waiting))
	for k, i := range waiting {
		if s := &c.slots[i]; stale[c.routes[s.route].pool] {
			s.pool.mark(now)
			items[k] = s.pool.room.Remove(s.handle)
		}
	}
	for k, i := range waiting {
		s := &c.slots[i]
		p := c.routes[s.route].pool
		if !stale[p] {
			continue
		}
		p.mark(now)
		s.pool = p
		handle, ok := p.room.Push(items[k])
		if !ok {
			c.settleRefused(now, i, penstock.ReasonQueueFull)
			continue
		}
		s.handle = handle
	}
}

// RouteIndex returns the index of the route with the given name.
func (c *Core) RouteIndex(name string) (int, bool) {
	i := slices.IndexFunc(c.routes, func(r route) bool { return r.name == name && !r.gone })
	return i, i >= 0
}

// Drain refuses all that asks from now on (reason draining). What waits or runs
// goes on.
func (c *Core) Drain(now mono.Time) {
	now = c.advance(now)
	for _, p := range c.pools {
		c.collect(p)
	}
	c.draining = true
	c.tick(now)
}
