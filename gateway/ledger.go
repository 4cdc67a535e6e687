package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
)

// A ledger remembers what was configured as long as a request may still use it.
// A request that began before a reload, even one that waits in the room
// meanwhile, finds its route and its backends as they were.
type ledger struct {
	backends map[string]*backend // by name
	routes   map[string]*route   // by name; as configured last
	tables   []*table            // oldest first; the last is the present one
}

// A plan is what one configuration makes of the ledger, before it is agreed.
type plan struct {
	table     *table
	backends  map[string]*backend
	laws      map[string]Limit // of the backends that the configuration names
	routes    map[string]*route
	admission admission.Config
}

// plan compiles cfg. The error names every problem.
func (l *ledger) plan(cfg Config, b bounds) (*plan, error) {
	if err := checkConfig(cfg); err != nil {
		return nil, err
	}
	p := &plan{
		table: &table{
			trust: slices.Clone(cfg.Trust), observe: cfg.Observe,
			expose: cfg.Expose, streams: cfg.Streams,
		},
		backends: map[string]*backend{}, laws: map[string]Limit{}, routes: map[string]*route{},
	}
	for _, rc := range cfg.Routes {
		r := compile(rc, l.routes[routeName(rc)])
		p.table.routes = append(p.table.routes, r)
		p.routes[r.name] = r
		for _, u := range rc.To {
			if old, ok := p.laws[backendName(u)]; !ok || noOpinion(old) {
				p.laws[backendName(u)] = rc.Limit
			}
		}
	}
	p.table.index()
	retired := l.retired(p)
	p.placeBackends(l, p.table.routes, b)
	for _, t := range l.tables {
		p.placeBackends(l, t.routes, b) // a permit may name one that its route has lost
	}
	p.admission = l.controller(p, cfg.Observe, retired)
	if err := p.admission.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plan) placeBackends(l *ledger, routes []*route, b bounds) {
	for _, r := range routes {
		for _, u := range r.To {
			name := backendName(u)
			if p.backends[name] != nil {
				continue
			}
			if p.backends[name] = l.backends[name]; p.backends[name] == nil {
				p.backends[name] = newBackend(u, b)
			}
		}
	}
}

// commit makes the plan the present state. The controller already has it, and
// says where it put the routes.
func (l *ledger) commit(p *plan, ctl *admission.Controller) {
	for _, r := range p.table.routes {
		i, ok := ctl.RouteIndex(r.name)
		if !ok {
			panic("gateway: the controller has no route " + r.name)
		}
		r.index = i
	}
	for name, be := range l.backends {
		if p.backends[name] == nil {
			be.transport.CloseIdleConnections()
		}
	}
	for name, law := range p.laws {
		p.backends[name].law = law
	}
	l.backends, l.routes = p.backends, p.routes
	l.tables = append(l.tables, p.table)
}

// retired returns the routes that p no longer has and that requests may still
// be about to use.
func (l *ledger) retired(p *plan) []*route {
	if n := len(l.tables); n > 0 {
		present := l.tables[n-1]
		l.tables = slices.DeleteFunc(l.tables, func(t *table) bool { return t != present && t.users.Load() == 0 })
	}
	gone := map[string]*route{}
	for _, t := range l.tables {
		for _, r := range t.routes {
			if p.routes[r.name] == nil {
				gone[r.name] = r
			}
		}
	}
	return slices.Collect(maps.Values(gone))
}

// controller is the admission controller's configuration: a gate per backend, a
// route per route. Those that it already has come first: they keep their index,
// and new ones take what is left.
func (l *ledger) controller(p *plan, observe bool, retired []*route) admission.Config {
	cfg := admission.Config{Observe: observe}
	gates := map[string]int{}
	for _, r := range slices.Concat(p.table.routes, retired) {
		for _, u := range r.To {
			gates[backendName(u)] = 0
		}
	}
	for i, name := range slices.Sorted(maps.Keys(gates)) {
		gates[name] = i
		gate := admission.Gate{Name: name}
		law, named := p.laws[name]
		if old := l.backends[name]; old == nil || named && !sameLaw(old.law, law) {
			gate.Limit = newLaw(law)
		}
		cfg.Gates = append(cfg.Gates, gate)
	}
	known := func(r *route) bool { _, ok := l.routes[r.name]; return ok }
	present := p.table.routes
	for _, r := range present {
		if known(r) {
			cfg.Routes = append(cfg.Routes, asks(r, gates))
		}
	}
	for _, r := range retired {
		cfg.Routes = append(cfg.Routes, agree(asks(r, gates), present, gates))
	}
	for _, r := range present {
		if !known(r) {
			cfg.Routes = append(cfg.Routes, asks(r, gates))
		}
	}
	return cfg
}

// asks is the controller's side of a route.
func asks(r *route, gates map[string]int) admission.Route {
	var at []int
	for _, u := range r.To {
		at = append(at, gates[backendName(u)])
	}
	slices.Sort(at)
	return admission.Route{
		Name: r.name, Gates: slices.Compact(at), Cap: r.Limit.Cap,
		WaitFor: r.WaitFor, Order: r.Order, CoDel: r.CoDel,
	}
}

// agree gives a retired route the discipline of the present routes that share
// its room.
func agree(old admission.Route, present []*route, gates map[string]int) admission.Route {
	for _, r := range present {
		if a := asks(r, gates); slices.Equal(a.Gates, old.Gates) {
			old.Order, old.CoDel = a.Order, a.CoDel
		}
	}
	return old
}

// compile makes a route. One that was there before hands on its counters and,
// where the rate is the same, its tokens.
func compile(rc Route, old *route) *route {
	r := &route{Route: rc, name: routeName(rc)}
	quoted, err := json.Marshal(r.name)
	if err != nil {
		panic("gateway: a string has no JSON form: " + err.Error())
	}
	r.quoted = string(quoted)
	switch {
	case old == nil:
		r.counts, r.quota = &routeCounts{}, newQuota(rc.Rate)
	case old.Rate == rc.Rate:
		r.counts, r.quota = old.counts, old.quota
	default:
		r.counts, r.quota = old.counts, newQuota(rc.Rate)
	}
	return r
}

func noOpinion(l Limit) bool        { return (l.Law == "" || l.Law == "auto") && l.Max == 0 }
func sameLaw(a, b Limit) bool       { return a.Law == b.Law && a.Max == b.Max }
func backendName(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

func newLaw(l Limit) limit.Law {
	if l.New == nil {
		return limit.Default()
	}
	return l.New()
}

// enter takes the present table for one request. Every enter needs an exit.
func (g *Gateway) enter() *table {
	for {
		t := g.table.Load()
		t.users.Add(1)
		if g.table.Load() == t {
			return t
		}
		t.users.Add(-1) // a reload came between, and may have counted no users
	}
}

func (t *table) exit() { t.users.Add(-1) }

// Reload serves by cfg from now on. Limits, requests in hand and waiting ones
// are kept: a backend keeps its gate by its address, a route its counters and
// rate limit by host and path. The listeners cannot change. On an error the
// gateway goes on as before.
func (g *Gateway) Reload(cfg Config) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	if cfg.Listen != g.listen || cfg.Admin != g.adminListen {
		return fmt.Errorf("gateway: listen and admin cannot change from %q and %q while running: restart", g.listen, g.adminListen)
	}
	p, err := g.ledger.plan(cfg, g.bounds)
	if err != nil {
		return err
	}
	// The backends first, as a permit may name a new one at once, and the old
	// ones stay known until no request can be given them; then the controller;
	// then the requests.
	old := g.backends.Load()
	both := maps.Clone(*old)
	maps.Copy(both, p.backends)
	g.backends.Store(&both)
	if err := g.ctl.Reconfigure(p.admission); err != nil {
		g.backends.Store(old)
		return err
	}
	g.ledger.commit(p, g.ctl)
	g.backends.Store(&p.backends)
	g.table.Store(p.table)
	g.counts.reloads.Add(1)
	return nil
}
