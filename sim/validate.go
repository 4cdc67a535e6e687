package sim

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/rate"
)

// A Problem is something wrong with a plan.
type Problem struct { //nolint:errname // a problem of a plan, which happens to be an error
	// Path leads to it, as in stages.api.machine.servers or sources.users.retry.
	Path string
	What string // what it is, and what is allowed
}

// Error is "path: what".
func (p *Problem) Error() string { return p.Path + ": " + p.What }

// Validate checks the plan. The error joins a [*Problem] for each thing that is
// wrong.
func (p *Plan) Validate() error {
	c := &checker{plan: p, kinds: map[string]PartKind{}}
	c.length()
	c.names()
	for i := range p.Sources {
		c.source(&p.Sources[i])
	}
	for i := range p.Stages {
		c.stage(&p.Stages[i])
	}
	for i := range p.Caches {
		c.cache(&p.Caches[i])
	}
	for i := range p.Links {
		c.link(&p.Links[i])
	}
	for i := range p.Lines {
		c.line(&p.Lines[i])
	}
	for i := range p.Bottlenecks {
		c.bottleneck(&p.Bottlenecks[i])
	}
	for i := range p.Reservoirs {
		c.reservoir(&p.Reservoirs[i])
	}
	for i := range p.Events {
		c.event(i, &p.Events[i])
	}
	return errors.Join(c.errs...)
}

// checker collects what is wrong.
type checker struct {
	plan  *Plan
	kinds map[string]PartKind
	errs  []error
}

func (c *checker) bad(path, format string, args ...any) {
	c.errs = append(c.errs, &Problem{path, fmt.Sprintf(format, args...)})
}

// within checks a number; NaN is never within.
func (c *checker) within(path string, x, lo, hi float64) {
	if !(x >= lo && x <= hi) {
		c.bad(path, "%v is not between %v and %v", x, lo, hi)
	}
}

func (c *checker) whole(path string, n, lo, hi int) {
	if n < lo || n > hi {
		c.bad(path, "%d is not between %d and %d", n, lo, hi)
	}
}

func (c *checker) time(path string, d, lo time.Duration) {
	if d < lo || d > MaxLength {
		c.bad(path, "%v is not between %v and %v", d, lo, MaxLength)
	}
}

func (c *checker) law(path string, l ServiceLaw, needed bool) {
	if l == nil {
		if needed {
			c.bad(path, "no law: one of constant, exponential and so on is needed")
		}
		return
	}
	if m := l.Mean(); m <= 0 || m > MaxLength {
		c.bad(path, "its mean of %v is not above 0 and up to %v", m, MaxLength)
	}
}

func (c *checker) length() {
	p := c.plan
	c.time("run.for", p.For, 1)
	if p.Window < 0 || p.Window > 0 && p.For/p.Window >= MaxWindows {
		c.bad("run.window", "%v is not such that %v has at most %d windows", p.Window, p.For, MaxWindows)
	}
	if p.Window == 0 && p.For/DefaultWindow >= MaxWindows {
		c.bad("run.window", "%v needs a window of its own: at most %d windows are allowed", p.For, MaxWindows)
	}
	if p.MaxCalls < 0 {
		c.bad("run.max_calls", "%d is not 0 or more", p.MaxCalls)
	}
}

// names checks that no two parts share a name.
func (c *checker) names() {
	p := c.plan
	add := func(group, name string, kind PartKind) {
		switch _, twice := c.kinds[name]; {
		case name == "":
			c.bad(group, "a part has no name")
		case twice:
			c.bad(group+"."+name, "another part has this name, too")
		}
		c.kinds[name] = kind
	}
	for _, s := range p.Sources {
		add("sources", s.Name, SourcePart)
	}
	for _, s := range p.Stages {
		add("stages", s.Name, StagePart)
	}
	for _, s := range p.Caches {
		add("caches", s.Name, CachePart)
	}
	for _, s := range p.Links {
		add("links", s.Name, LinkPart)
	}
	for _, s := range p.Lines {
		add("lines", s.Name, LinePart)
	}
	for _, s := range p.Bottlenecks {
		add("bottlenecks", s.Name, BottleneckPart)
	}
	for _, s := range p.Reservoirs {
		add("reservoirs", s.Name, ReservoirPart)
	}
	if n := len(c.kinds); n > MaxParts {
		c.bad("stages", "%d parts: at most %d are allowed", n, MaxParts)
	}
}

func (c *checker) source(s *Source) {
	at := "sources." + s.Name
	switch {
	case s.Arrivals == nil && s.Users == nil:
		c.bad(at+".arrivals", "neither arrivals nor users")
	case s.Arrivals != nil && s.Users != nil:
		c.bad(at+".users", "arrivals and users: one of both is allowed")
	case s.Users != nil:
		c.whole(at+".users.number", s.Users.Number, 1, MaxUsers)
		c.law(at+".users.think", s.Users.Think, true)
	}
	c.client(at, &s.Client)
	if r := s.Refresh; r != nil {
		c.law(at+".refresh.after", r.After, true)
		c.whole(at+".refresh.most", r.Most, 1, MaxAttempts)
	}
	c.within(at+".tokens", s.Tokens, 0, MaxTokens)
	if s.Tokens > 0 && s.Listen != nil {
		c.bad(at+".tokens", "a client with tokens listens in a rival's way: leave out listen")
	}
	c.whole(at+".keys", s.Keys, 0, MaxKeys)
	c.within(at+".zipf", s.Zipf, 0, 10)
	sum := 0.0
	for i, k := range s.Mix {
		path := at + ".mix[" + strconv.Itoa(i) + "]"
		c.within(path+".share", k.Share, 0, 1e9)
		c.within(path+".demand", k.Demand, 0, 1e6)
		c.whole(path+".cost", k.Cost, 0, 1000)
		c.whole(path+".flows", k.Flows, 0, MaxKeys)
		sum += k.Share
	}
	if len(s.Mix) > 0 && !(sum > 0) {
		c.bad(at+".mix", "no kind of work has a share above 0")
	}
}

func (c *checker) client(at string, cl *Client) {
	switch kind, ok := c.kinds[cl.To]; {
	case cl.To == "":
		c.bad(at+".to", "nobody is asked: name a stage, cache or line")
	case !ok:
		c.bad(at+".to", "there is no %q", cl.To)
	case kind != StagePart && kind != CachePart && kind != LinePart:
		c.bad(at+".to", "%q takes no calls: a stage, cache or line does", cl.To)
	}
	c.time(at+".deadline", cl.Deadline, 0)
	c.time(at+".timeout", cl.Timeout, 0)
	if cl.Link != "" {
		c.uses(at+".link", cl)
	}
	r := &cl.Retry
	c.whole(at+".retry.attempts", r.Attempts, 0, MaxAttempts)
	c.time(at+".retry.backoff", r.Backoff.Base, 0)
	c.time(at+".retry.backoff", r.Backoff.Most, 0)
	if r.Budget != nil {
		c.within(at+".retry.budget", *r.Budget, 0, 1)
	}
	if t := cl.Throttle; t != nil && (!(t.K == 0 || t.K >= 1) || t.Memory < 0 || !(t.Least >= 0)) {
		c.bad(at+".throttle", "k must be at least 1, memory and least not negative")
	}
	if cl.Listen != nil && (cl.Throttle != nil || cl.Breaker != nil) {
		c.bad(at+".listen", "has a throttle and a breaker of its own: leave out throttle and breaker")
	}
	if b := cl.Breaker; b != nil && (!(b.Failures >= 0 && b.Failures <= 1) || !(b.Least >= 0) || b.Memory < 0 || b.OpenFor < 0 || b.Probes < 0 || b.Slow < 0) {
		c.bad(at+".breaker", "failures must be a share, the rest not negative")
	}
}

// uses checks the way to a callee.
func (c *checker) uses(at string, cl *Client) {
	if kind, ok := c.kinds[cl.Link]; !ok || kind != LinkPart {
		c.bad(at, "there is no link %q", cl.Link)
		return
	}
	for i := range c.plan.Links {
		l := &c.plan.Links[i]
		if l.Name == cl.Link && l.Queue > 0 && l.BytesPerSecond > 0 && cl.Timeout == 0 && cl.Deadline == 0 {
			c.bad(at, "link %q may lose messages: whoever uses it needs a timeout or a deadline", cl.Link)
		}
	}
}

func (c *checker) stage(s *Stage) {
	at := "stages." + s.Name
	c.whole(at+".machines", s.Machines, 0, MaxMachines)
	c.machine(at+".machine", &s.Machine)
	if s.Balance > TwoChoices {
		c.bad(at+".balance", "unknown way %d", s.Balance)
	}
	if h := s.Health; h != nil {
		c.time(at+".health.every", h.Every, 1)
		c.time(at+".health.timeout", h.Timeout, 1)
		c.whole(at+".health.fails", h.Fails, 0, 1000)
		c.whole(at+".health.passes", h.Passes, 0, 1000)
		c.within(at+".health.max_out", h.MaxOut, 0, 1)
	}
	if r := s.Rate; r != nil {
		c.within(at+".rate.per", r.PerSecond, math.SmallestNonzeroFloat64, 1e9)
		c.whole(at+".rate.burst", r.Burst, 0, rate.MaxBurst)
	}
	if a := s.Admit; a != nil {
		c.whole(at+".admission.cap", a.Cap, 0, MaxCallsAllowed)
		if a.Order > queue.Fair {
			c.bad(at+".admission.order", "unknown order %d", a.Order)
		}
	}
	for i := range s.Calls {
		call := &s.Calls[i]
		path := at + ".calls[" + strconv.Itoa(i) + "]"
		c.client(path, &call.Client)
		c.whole(path+".times", call.Times, 0, MaxParallel)
		c.within(path+".share", call.Share, 0, 1)
		if s.Rival != nil && call.Listen != nil {
			c.bad(path+".listen", "a stage with a rival's control listens in its way")
		}
		if call.With && i == 0 {
			c.bad(path+".with", "the first call has none before it")
		}
	}
}

// MaxCallsAllowed is the largest Plan.MaxCalls.
const MaxCallsAllowed = 1 << 30

func (c *checker) machine(at string, m *Machine) {
	c.whole(at+".servers", m.Servers, 0, MaxServers)
	c.law(at+".service", m.Service, false)
	c.whole(at+".queue", m.Queue, -1, MaxQueue)
	if m.Order > Sharing {
		c.bad(at+".order", "unknown order %d", m.Order)
	}
	if m.CoDel != nil && (m.CoDel.Target < 0 || m.CoDel.Interval < 0 || m.Order == Sharing) {
		c.bad(at+".codel", "target and interval must not be negative, and there must be a queue")
	}
	if u := m.USL; u != nil {
		c.within(at+".usl.alpha", u.Alpha, 0, 1)
		c.within(at+".usl.beta", u.Beta, 0, 1)
		if m.Order != Sharing {
			c.bad(at+".usl", "needs processor sharing")
		}
	}
	if h := m.Memory; h != nil {
		c.within(at+".memory.max", h.Max, 1, 1e18)
		c.within(at+".memory.base", h.Base, 0, 1e18)
		c.within(at+".memory.bytes", h.Bytes, 0, 1e18)
		c.within(at+".memory.garbage", h.Garbage, 0, 1e18)
		c.within(at+".memory.mark_per_byte", h.MarkPerByte, 0, 1)
		c.within(at+".memory.most_gc", h.MostGC, 0, 0.999)
		if h.Base >= h.Max && h.Max > 0 {
			c.bad(at+".memory.base", "%v is not below max", h.Base)
		}
	}
	c.whole(at+".dies_above", m.DiesAbove, 0, MaxQueue)
	c.time(at+".restart", m.Restart, 0)
	c.time(at+".cold.for", m.Cold.For, 0)
	if m.Cold.For > 0 {
		c.within(at+".cold.speed", m.Cold.Speed, 1e-6, 1)
	}
}

func (c *checker) cache(h *Cache) {
	at := "caches." + h.Name
	c.whole(at+".capacity", h.Capacity, 1, MaxKeys)
	c.law(at+".hit", h.Hit, false)
	c.time(at+".ttl", h.TTL, 0)
	c.client(at, &h.Client)
	to := h.To
	for range len(c.plan.Caches) {
		if to == h.Name {
			c.bad(at+".to", "caches ask each other in a circle")
			return
		}
		for i := range c.plan.Caches {
			if c.plan.Caches[i].Name == to {
				to = c.plan.Caches[i].To
				break
			}
		}
	}
}

func (c *checker) link(l *Link) {
	at := "links." + l.Name
	c.law(at+".latency", l.Latency, false)
	c.within(at+".bandwidth", l.BytesPerSecond, 0, 1e15)
	c.whole(at+".request", l.Request, 0, 1<<40)
	c.whole(at+".reply", l.Reply, 0, 1<<40)
	c.whole(at+".queue", l.Queue, 0, 1<<50)
}

func (c *checker) line(l *Line) {
	at := "lines." + l.Name
	c.whole(at+".stations", len(l.Stations), 1, MaxMachines)
	c.whole(at+".cards", l.Cards, 0, MaxQueue)
	c.whole(at+".yard", l.Yard, -1, MaxQueue)
	names := map[string]bool{}
	for i := range l.Stations {
		s := &l.Stations[i]
		path := at + ".stations[" + strconv.Itoa(i) + "]"
		if s.Name == "" || names[s.Name] {
			c.bad(path+".name", "%q is no name, or another station's", s.Name)
		}
		names[s.Name] = true
		c.whole(path+".servers", s.Servers, 0, 1<<16)
		c.law(path+".service", s.Service, true)
		c.whole(path+".buffer", s.Buffer, -1, MaxQueue)
		c.whole(path+".cards", s.Cards, 0, MaxQueue)
		b := &s.Batch
		c.whole(path+".batch.most", b.Most, 0, 1<<16)
		c.whole(path+".batch.least", b.Least, 0, max(1, b.Most))
		c.time(path+".batch.wait", b.Wait, 0)
		if s.Cards > 0 && s.Cards < b.Least {
			c.bad(path+".cards", "%d are too few for a batch of %d", s.Cards, b.Least)
		}
	}
	if l.Saturated && l.Cards == 0 && len(l.Stations) > 0 && l.Stations[0].Buffer < 0 && l.Stations[0].Cards == 0 {
		c.bad(at+".saturated", "the first station takes any number: it needs a bounded buffer or cards, or the line cards")
	}
}

func (c *checker) bottleneck(b *Bottleneck) {
	at := "bottlenecks." + b.Name
	c.within(at+".rate", b.PacketsPerSecond, 1e-6, 1e9)
	c.whole(at+".buffer", b.Buffer, 1, MaxPackets)
	c.whole(at+".loss", b.Loss, 0, math.MaxInt32)
	c.whole(at+".flows.number", b.Number, 1, 1<<16)
	c.law(at+".flows.rtt", b.RTT, true)
	c.whole(at+".flows.window", b.Window, 0, MaxPackets)
	c.whole(at+".flows.max_window", b.MaxWindow, 0, MaxPackets)
	c.time(at+".flows.rto", b.RTO, 0)
	if b.CoDel != nil && (b.CoDel.Target < 0 || b.CoDel.Interval < 0) {
		c.bad(at+".codel", "target and interval must not be negative")
	}
}

func (c *checker) reservoir(r *Reservoir) {
	at := "reservoirs." + r.Name
	c.within(at+".capacity", r.Capacity, 1e-9, 1e18)
	c.within(at+".start", r.Start, 0, max(r.Capacity, 0))
	c.within(at+".inflow", r.Inflow, 0, 1e15)
	c.within(at+".outflow", r.Outflow, 0, 1e15)
	c.within(at+".hold", r.Hold, 0, 1)
	c.within(at+".hold_outflow", r.HoldOutflow, 0, 1e15)
	if r.To == "" {
		return
	}
	if kind, ok := c.kinds[r.To]; !ok || kind != ReservoirPart {
		c.bad(at+".to", "there is no reservoir %q", r.To)
		return
	}
	to := r.To
	for range len(c.plan.Reservoirs) {
		if to == r.Name {
			c.bad(at+".to", "reservoirs flow in a circle")
			return
		}
		for i := range c.plan.Reservoirs {
			if c.plan.Reservoirs[i].Name == to {
				to = c.plan.Reservoirs[i].To
				break
			}
		}
	}
}
