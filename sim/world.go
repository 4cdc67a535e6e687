package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A World is a plan that runs. It is for one goroutine at a time; worlds share
// nothing, so any number may run at once.
type World struct {
	plan  Plan
	loop  Loop
	calls calls

	ledgers     []*ledger // in the order of the plan
	sources     []*source
	stages      []*stage
	caches      []*cache
	lines       []*line
	bottlenecks []*bottleneck
	river       *river
	knobs       map[string]knobs

	first   mono.Time // of the events
	stopped string
}

// New builds the world that a plan describes. The error joins a [*Problem] for
// each thing that is wrong with it.
func New(p Plan) (*World, error) {
	if p.Window == 0 {
		p.Window = DefaultWindow
	}
	if p.MaxCalls == 0 {
		p.MaxCalls = DefaultMaxCalls
	}
	if p.MaxEvents == 0 {
		p.MaxEvents = DefaultMaxEvents
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	w := &World{plan: p, knobs: map[string]knobs{}, calls: calls{most: p.MaxCalls}}
	w.firstEvent()
	w.make()
	w.connect()
	w.start()
	return w, nil
}

// firstEvent finds when the plan first disturbs the world.
func (w *World) firstEvent() {
	for i, e := range w.plan.Events {
		if at := mono.Time(e.At); i == 0 || at < w.first {
			w.first = at
		}
	}
}

// make makes the parts.
func (w *World) make() {
	p := &w.plan
	keys := 0
	for i := range p.Sources {
		w.sources = append(w.sources, newSource(w, &p.Sources[i]))
		keys = max(keys, p.Sources[i].Keys)
	}
	for i := range p.Stages {
		w.stages = append(w.stages, newStage(w, &p.Stages[i]))
	}
	for i := range p.Caches {
		w.caches = append(w.caches, newCache(w, &p.Caches[i], keys))
	}
	for i := range p.Lines {
		w.lines = append(w.lines, newLine(w, &p.Lines[i]))
	}
	for i := range p.Bottlenecks {
		w.bottlenecks = append(w.bottlenecks, newBottleneck(w, &p.Bottlenecks[i]))
	}
	if len(p.Reservoirs) > 0 {
		w.river = newRiver(w, p.Reservoirs)
	}
}

// connect gives every client its callee and its link.
func (w *World) connect() {
	links := map[string]*link{}
	for i := range w.plan.Links {
		cfg := &w.plan.Links[i]
		links[cfg.Name] = newLink(w, cfg)
	}
	callees := map[string]callee{}
	for i, s := range w.stages {
		callees[w.plan.Stages[i].Name] = s
	}
	for i, c := range w.caches {
		callees[w.plan.Caches[i].Name] = c
	}
	for i, l := range w.lines {
		callees[w.plan.Lines[i].Name] = l
	}
	tie := func(c *client) { c.to, c.link = callees[c.To], links[c.Link] }
	for _, s := range w.sources {
		tie(s.client)
	}
	for _, c := range w.caches {
		tie(c.client)
	}
	for _, s := range w.stages {
		for _, g := range s.groups {
			for _, c := range g {
				tie(c.client)
			}
		}
	}
	w.makeKnobs(links)
}

// start schedules the first event of everything.
func (w *World) start() {
	for i := range w.plan.Events {
		e := &w.plan.Events[i]
		w.loop.At(mono.Time(e.At), (*change)(w), uint64(i)<<1)
		if e.For > 0 {
			w.loop.At(mono.Time(e.At).Add(e.For), (*change)(w), uint64(i)<<1|1)
		}
	}
	w.loop.At(w.sampleAt(0), (*sampler)(w), 0)
	for _, s := range w.stages {
		s.start()
	}
	for _, l := range w.lines {
		l.start()
	}
	for _, b := range w.bottlenecks {
		b.start()
	}
	if w.river != nil {
		w.river.settle(0)
	}
	for _, s := range w.sources {
		s.start()
	}
}

// ledger opens the books of a part.
func (w *World) ledger(name string, kind PartKind, latencies bool) *ledger {
	l := newLedger(name, kind, &w.plan, latencies)
	l.first = w.first
	w.ledgers = append(w.ledgers, l)
	return l
}

// stop ends the world early.
func (w *World) stop(why string) {
	if w.stopped == "" {
		w.stopped = why
	}
}

// Run runs the world to its end and reports.
func (w *World) Run() *Report {
	w.RunFor(w.plan.For)
	return w.Report()
}

// RunFor runs the world for d more, at most to its end, and says whether it is
// not over yet.
func (w *World) RunFor(d time.Duration) bool {
	// The end belongs to the next window, which there is not.
	last := mono.Time(w.plan.For) - 1
	end := min(w.loop.now.Add(max(0, d)), last)
	for w.stopped == "" && w.loop.step(end) {
		if w.plan.Check {
			w.check()
		}
		if w.loop.fired >= w.plan.MaxEvents {
			w.stop("more than " + strconv.FormatUint(w.plan.MaxEvents, 10) + " events: something goes on without end")
		}
	}
	if w.stopped == "" {
		w.loop.now = max(w.loop.now, end)
	}
	return w.stopped == "" && end < last
}

// Report says what has happened so far. It stays as it is when the world goes
// on.
func (w *World) Report() *Report {
	now := w.loop.now
	r := &Report{Seed: w.plan.Seed, Until: time.Duration(now), Events: w.loop.fired, Stopped: w.stopped, Window: w.plan.Window}
	if now >= mono.Time(w.plan.For)-1 {
		r.Until = w.plan.For
	}
	for _, l := range w.ledgers {
		l.advance(now)
		p := *l.part
		p.Total, p.Open = l.total(), l.open
		p.Windows = slices.Clone(p.Windows[:l.index+1])
		p.Latencies = slices.Clone(p.Latencies[:min(len(p.Latencies), l.index/LatencyWindows+1)])
		p.PerFlow = slices.Clone(p.PerFlow)
		r.Parts = append(r.Parts, &p)
	}
	return r
}

// Open is how many calls are open now: each takes memory.
func (w *World) Open() int { return w.calls.open }

// Events is how many events have fired so far.
func (w *World) Events() uint64 { return w.loop.fired }

// sampler looks at levels and limits just before each window ends.
type sampler World

func (w *World) sampleAt(window uint64) mono.Time {
	return mono.Time(window+1)*mono.Time(w.plan.Window) - 1
}

// Fire samples everything.
func (s *sampler) Fire(now mono.Time, window uint64) {
	w := (*World)(s)
	for _, s := range w.stages {
		s.sample(now)
	}
	for _, l := range w.lines {
		l.sample(now)
	}
	for _, b := range w.bottlenecks {
		b.sample(now)
	}
	if w.river != nil {
		w.river.sample(now)
	}
	w.loop.At(w.sampleAt(window+1), s, window+1)
}

// check verifies conservation and Little's law in every part, and that the books
// agree with what the plants hold. It panics where they do not: that is a bug.
func (w *World) check() {
	now := w.loop.now
	for _, l := range w.ledgers {
		if err := l.verify(now); err != nil {
			panic(err)
		}
	}
	for _, s := range w.stages {
		if n := s.inside(); n != s.led.open {
			panic("sim: " + s.cfg.Name + ": the books say " + itoa(s.led.open) + " inside, the plants " + itoa(n))
		}
	}
	if w.loop.fired%checkEvery == 0 {
		w.recount()
	}
}

// checkEvery is how many events share one full count of the calls.
const checkEvery = 256

// recount counts what each source is waiting for.
func (w *World) recount() {
	open := map[*client]int{}
	w.calls.each(func(c *call) {
		if c.state == callSent && !c.gone {
			open[c.client]++
		}
	})
	for _, s := range w.sources {
		if n := open[s.client]; n != s.led.open {
			panic("sim: " + s.cfg.Name + ": the books say " + itoa(s.led.open) + " asked, the calls " + itoa(n))
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
