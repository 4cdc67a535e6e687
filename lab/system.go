package lab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim"
)

// A partKind is what a part of a system is.
type partKind uint8

const (
	aSource partKind = 1 << iota
	aStage
	aCache
	aLink
	aLine
	aStation
	aBottleneck
	aReservoir
)

var partNames = map[partKind]string{
	aSource: "source", aStage: "stage", aCache: "cache", aLink: "link", aLine: "line",
	aStation: "station", aBottleneck: "bottleneck", aReservoir: "reservoir",
}

// A part is something that others name.
type part struct {
	name string
	kind partKind
}

// isMachine reports whether it is one machine of a stage.
func (p part) isMachine() bool { return p.kind == aStage && strings.Contains(p.name, "/") }

// shown reports whether it has a place of its own in tables and pictures.
func (p part) shown() bool { return p.kind&(aSource|aLink) == 0 && !p.isMachine() }

// A builder reads one variant of a system.
type builder struct {
	System
	stages []stageSpec
	change disturbance
}

// system reads the parts of a variant, or of a mutant of it.
func (s *Scenario) system(variant, mutate string) System {
	b := &builder{}
	b.places = map[string]config.Node{}
	b.Plan.For, b.Warmup = s.Run.For, s.Run.Warmup
	get := func(key string) value { return s.source.value(key, variant, mutate, b.places) }
	each(b, get("sources"), aSource, func(name string, v value) {
		src, d := readSource(name, v)
		b.Plan.Sources = append(b.Plan.Sources, src)
		b.change.join(d)
	})
	each(b, get("stages"), aStage, func(name string, v value) { b.stages = append(b.stages, readStage(name, v)) })
	readParts(b, get("caches"), aCache, cacheKeys, &b.Plan.Caches, func(c *sim.Cache, name string) { c.Name = name })
	readParts(b, get("links"), aLink, linkKeys, &b.Plan.Links, func(l *sim.Link, name string) { l.Name = name })
	readParts(b, get("lines"), aLine, lineKeys, &b.Plan.Lines, func(l *sim.Line, name string) { l.Name = name })
	readParts(b, get("bottlenecks"), aBottleneck, bottleneckKeys, &b.Plan.Bottlenecks, func(p *sim.Bottleneck, name string) { p.Name = name })
	readParts(b, get("reservoirs"), aReservoir, reservoirKeys, &b.Plan.Reservoirs, func(r *sim.Reservoir, name string) { r.Name = name })
	for _, l := range b.Plan.Lines {
		for _, st := range l.Stations {
			b.parts = append(b.parts, part{l.Name + "/" + st.Name, aStation})
		}
	}
	for _, st := range b.stages {
		for i := range st.Machines {
			if st.Machines > 1 {
				b.parts = append(b.parts, part{st.Name + "/" + strconv.Itoa(i), aStage})
			}
		}
	}
	if events := get("events"); events.present() {
		for _, item := range events.items(maxEvents) {
			b.event(item)
		}
	}
	b.defaults()
	b.check()
	b.First, b.Last, b.Disturbed = b.change.first, b.change.last, b.change.any
	if s.source.doc.Err() == nil {
		b.simulatorCheck(s.source.base.Get("stages"))
	}
	return b.System
}

// each calls read for the parts of one kind, and remembers their names.
func each(b *builder, v value, kind partKind, read func(name string, v value)) {
	if !v.present() {
		return
	}
	for _, item := range v.entries(MaxParts) {
		checkName(item.value.place.BadKey, item.key)
		for _, p := range b.parts {
			if p.name == item.key {
				item.value.place.BadKey("a "+partNames[p.kind]+" has the same name", "different names")
			}
		}
		b.parts = append(b.parts, part{item.key, kind})
		read(item.key, item.value)
	}
}

func readParts[T any](b *builder, v value, kind partKind, keys table[T], into *[]T, named func(*T, string)) {
	each(b, v, kind, func(name string, v value) {
		var t T
		keys.read(v, &t)
		named(&t, name)
		*into = append(*into, t)
	})
}

// find returns the kind of a part.
func (s *System) find(name string) (partKind, bool) {
	for _, p := range s.parts {
		if p.name == name {
			return p.kind, true
		}
	}
	return 0, false
}

// namesOf lists the parts of some kinds.
func (s *System) namesOf(kinds partKind) []string {
	var out []string
	for _, p := range s.parts {
		if p.kind&kinds != 0 && !p.isMachine() {
			out = append(out, p.name)
		}
	}
	return out
}

// bad reports a problem of a place that was read before.
func (b *builder) bad(path, problem, allowed string) {
	for p := path; p != ""; p = parentOf(p) {
		if n, ok := b.places[p]; ok {
			n.Bad(problem, allowed)
			return
		}
	}
}

func parentOf(path string) string {
	cut := strings.LastIndexAny(path, ".[")
	if cut < 0 {
		return ""
	}
	return path[:cut]
}

// event reads an event, and remembers when it disturbs.
func (b *builder) event(v value) {
	e := readEvent(v)
	b.Plan.Events = append(b.Plan.Events, e)
	b.change.at(e.At)
	if e.For > 0 {
		b.change.at(e.At + e.For)
	}
	if e.At >= b.Plan.For && b.Plan.For > 0 {
		b.bad(v.path+".at", "after the end of the run", "a time before "+config.FormatDuration(b.Plan.For))
	}
	for _, t := range targets {
		place, ok := b.places[v.path+"."+t.key]
		if !ok {
			continue
		}
		name, index, hasIndex := e.Of, "", b.places[v.path+".machine"].Field() != ""
		if hasIndex {
			name, index, _ = strings.Cut(e.Of, "/")
		}
		kind, known := b.find(name)
		want := kindNamed(t.key)
		switch {
		case e.Of == "":
		case !known || kind != want:
			place.Bad(unknownPart(t.key, name, b.namesOf(want)), "")
		case hasIndex:
			b.checkMachine(v.path+".machine", name, index)
		}
	}
}

func (b *builder) checkMachine(path, stage, index string) {
	i, err := strconv.Atoi(index)
	for _, s := range b.stages {
		if most := max(1, s.Machines); err == nil && s.Name == stage && i >= most {
			b.bad(path, fmt.Sprintf("%s has %d machines", stage, most), fmt.Sprintf("0 to %d", most-1))
		}
	}
}

func kindNamed(name string) partKind {
	for k, n := range partNames {
		if n == name {
			return k
		}
	}
	return 0
}

func unknownPart(kind, name string, known []string) string {
	s := "there is no " + kind + " " + config.Quote(name)
	if len(known) == 0 {
		return s + ", nor any other"
	}
	return s + ", allowed: " + config.Alternatives(known...)
}

// defaults applies what admission gives to work that brings none of its own.
func (b *builder) defaults() {
	for _, s := range b.stages {
		b.Plan.Stages = append(b.Plan.Stages, s.Stage)
	}
	for _, s := range b.stages {
		if s.admission.criticality != penstock.Unspecified {
			b.eachSource(s.Name, func(src *sim.Source) {
				for i := range src.Mix {
					if src.Mix[i].Criticality == penstock.Unspecified {
						src.Mix[i].Criticality = s.admission.criticality
					}
				}
			})
		}
		if s.admission.deadline > 0 {
			b.eachClient(s.Name, func(c *sim.Client, path string) { b.giveDeadline(c, path, s.admission.deadline) })
		}
	}
}

// giveDeadline stands for the deadline that admission gives: an answer after it
// is worthless. The caller's patience stays as it is.
func (b *builder) giveDeadline(c *sim.Client, path string, d time.Duration) {
	switch {
	case c.Deadline == 0:
		c.Deadline = d
		if c.Timeout == 0 {
			c.Timeout = maxTime
		}
	case c.Untold:
		b.bad(path+".tell_deadline", "the callee's admission gives a deadline too", "one deadline: tell_deadline: true, or no admission.deadline")
	}
}

func (b *builder) eachSource(to string, f func(*sim.Source)) {
	for i := range b.Plan.Sources {
		if b.Plan.Sources[i].To == to {
			b.Plan.Sources[i].Mix = slices.Clone(b.Plan.Sources[i].Mix)
			f(&b.Plan.Sources[i])
		}
	}
}

// eachClient calls f for all who call a part; the empty name is any.
func (b *builder) eachClient(to string, f func(c *sim.Client, path string)) {
	visit := func(c *sim.Client, path string) {
		if to == "" || c.To == to {
			f(c, path)
		}
	}
	for i := range b.Plan.Sources {
		visit(&b.Plan.Sources[i].Client, "sources."+b.Plan.Sources[i].Name)
	}
	for i := range b.Plan.Stages {
		for j := range b.Plan.Stages[i].Calls {
			visit(&b.Plan.Stages[i].Calls[j].Client, fmt.Sprintf("stages.%s.calls[%d]", b.Plan.Stages[i].Name, j))
		}
	}
	for i := range b.Plan.Caches {
		visit(&b.Plan.Caches[i].Client, "caches."+b.Plan.Caches[i].Name)
	}
}
