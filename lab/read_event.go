package lab

import (
	"slices"
	"strconv"
	"time"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim"
)

// An eventSpec is an event as a file writes it.
type eventSpec struct {
	sim.Event
	machine int
}

func setting(p sim.Param, lo, hi float64) form[eventSpec] {
	return form[eventSpec]{
		number(func(e *eventSpec) *float64 { return &e.To }, lo, hi).allowed,
		object{"type": "number", "minimum": lo, "maximum": hi},
		func(v value, e *eventSpec) { e.Set, e.To = p, v.place.Float(1, lo, hi) },
	}
}

func happening(p sim.Param) form[eventSpec] {
	return form[eventSpec]{
		"true",
		object{"const": true},
		func(v value, e *eventSpec) {
			e.Set = p
			if !v.place.Bool(true) {
				v.place.Bad("false", "true, or no such key")
			}
		},
	}
}

// settings are the parameters that an event may set; exactly one of them.
var settings = table[eventSpec]{
	{"speed", "of a stage, a machine or a station: divides service times", "as it is", setting(sim.Speed, 0.001, 1000)},
	{"servers", "of a stage, a machine or a station; 0 stalls it", "as it is", setting(sim.Servers, 0, sim.MaxServers)},
	{"users", "of a source that has users", "as it is", setting(sim.NumUsers, 0, 4*sim.MaxUsers)},
	{"latency", "of a link: multiplies it", "as it is", setting(sim.Latency, 0, 1e6)},
	{"bandwidth", "of a link: multiplies it", "as it is", setting(sim.Bandwidth, 0.001, 1000)},
	{"memory", "of a stage or a machine: its memory limit", "as it is", form[eventSpec]{
		"a size such as 64MiB", textOf(sizePattern),
		func(v value, e *eventSpec) { e.Set, e.To = sim.MemoryMax, float64(v.place.Size(1, 1, 1<<50)) },
	}},
	{"kill", "a stage's machine dies", "it does not", happening(sim.Kill)},
	{"flush", "a cache forgets everything", "it does not", happening(sim.Flush)},
	{"inflow", "of a reservoir, per second", "as it is", setting(sim.Inflow, 0, maxWater)},
	{"outflow", "of a reservoir, per second", "as it is", setting(sim.Outflow, 0, maxWater)},
	{"rate", "of a bottleneck, in packets per second", "as it is", form[eventSpec]{
		"a rate such as 500/s", textOf(ratePattern),
		func(v value, e *eventSpec) {
			e.Set = sim.Packets
			perSecond(func(e *eventSpec) *float64 { return &e.To }, 0.001, 1e9).read(v, e)
		},
	}},
}

// targets are the keys that say to what an event happens, and the settings that
// each has.
var targets = []struct {
	key  string
	sets []sim.Param
}{
	{"stage", []sim.Param{sim.Speed, sim.Servers, sim.MemoryMax, sim.Kill}},
	{"station", []sim.Param{sim.Speed, sim.Servers}},
	{"source", []sim.Param{sim.NumUsers}},
	{"link", []sim.Param{sim.Latency, sim.Bandwidth}},
	{"cache", []sim.Param{sim.Flush}},
	{"reservoir", []sim.Param{sim.Inflow, sim.Outflow}},
	{"bottleneck", []sim.Param{sim.Packets}},
}

func targetKeys() table[eventSpec] {
	about := map[string]string{
		"stage": "the stage that it happens to", "station": "the station, as LINE/NAME", "source": "the source",
		"link": "the link", "cache": "the cache", "reservoir": "the reservoir", "bottleneck": "the bottleneck",
	}
	var t table[eventSpec]
	for _, target := range targets {
		t = append(t, key[eventSpec]{target.key, about[target.key], "another kind", text(func(e *eventSpec) *string { return &e.Of })})
	}
	return t
}

var eventKeys = joined(table[eventSpec]{
	{"at", "when, from the start of the run", "", duration(func(e *eventSpec) *time.Duration { return &e.At }, 0, maxTime)},
	{"for", "how long until all is as before", "it stays", duration(func(e *eventSpec) *time.Duration { return &e.For }, minTime, maxTime)},
}, targetKeys(), table[eventSpec]{
	{"machine", "the stage's machine, counted from 0", "all of them", integer(func(e *eventSpec) *int { return &e.machine }, 0, sim.MaxMachines-1)},
}, settings)

const maxEvents = 1000

// readEvent reads an event and checks that it does one thing to one part.
func readEvent(v value) sim.Event {
	e := eventSpec{machine: -1}
	eventKeys.read(v, &e)
	if !v.isMapping() {
		return e.Event
	}
	get := v.fields(eventKeys.names()...)
	var target, set []string
	for _, t := range targets {
		if get(t.key).present() {
			target = append(target, t.key)
		}
	}
	for _, s := range settings {
		if get(s.name).present() {
			set = append(set, s.name)
		}
	}
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.key
	}
	switch {
	case len(target) != 1:
		v.place.Bad(strconv.Itoa(len(target))+" parts", "exactly one of "+config.Alternatives(names...))
	case len(set) != 1:
		v.place.Bad(strconv.Itoa(len(set))+" changes", "exactly one of "+config.Alternatives(settings.names()...))
	default:
		checkSetting(get, target[0], set[0], e.Set)
	}
	if m := get("machine"); m.present() {
		if !get("stage").present() {
			m.place.BadKey("machine without stage", "stage with machine")
		}
		e.Of += "/" + strconv.Itoa(e.machine)
	}
	return e.Event
}

func checkSetting(get func(string) value, target, set string, p sim.Param) {
	for _, t := range targets {
		if t.key != target {
			continue
		}
		if slices.Contains(t.sets, p) {
			return
		}
	}
	get(set).place.BadKey("a "+target+" has no "+set, "a change that its kind has")
}
