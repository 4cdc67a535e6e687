package sim_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/sim"
)

// Everything that is wrong is reported at once, each with the way to it.
func TestValidate(t *testing.T) {
	good := func() sim.Plan { return everything() }
	for _, row := range []struct {
		path   string
		change func(p *sim.Plan)
	}{
		{"run.for", func(p *sim.Plan) { p.For = 0 }},
		{"run.window", func(p *sim.Plan) { p.Window = time.Nanosecond }},
		{"run.max_calls", func(p *sim.Plan) { p.MaxCalls = -1 }},
		{"sources", func(p *sim.Plan) { p.Sources[0].Name = "" }},
		{"stages.users", func(p *sim.Plan) { p.Stages[1].Name = "users" }},
		{"sources.users.arrivals", func(p *sim.Plan) { p.Sources[0].Arrivals = nil }},
		{"sources.batch.users", func(p *sim.Plan) { p.Sources[1].Arrivals = poisson(1) }},
		{"sources.batch.users.number", func(p *sim.Plan) { p.Sources[1].Users = &sim.Users{Think: sim.Constant(1)} }},
		{"sources.batch.users.think", func(p *sim.Plan) { p.Sources[1].Users = &sim.Users{Number: 100} }},
		{"sources.users.to", func(p *sim.Plan) { p.Sources[0].To = "nowhere" }},
		{"sources.users.to", func(p *sim.Plan) { p.Sources[0].To = "net" }},
		{"sources.users.link", func(p *sim.Plan) { p.Sources[0].Link = "web" }},
		{"sources.users.link", func(p *sim.Plan) { p.Sources[0].Deadline = 0 }},
		{"sources.users.retry.attempts", func(p *sim.Plan) { p.Sources[0].Retry.Attempts = 1000 }},
		{"sources.users.retry.budget", func(p *sim.Plan) { p.Sources[0].Retry.Budget = new(math.NaN()) }},
		{"sources.users.zipf", func(p *sim.Plan) { p.Sources[0].Zipf = math.NaN() }},
		{"sources.users.keys", func(p *sim.Plan) { p.Sources[0].Keys = -1 }},
		{"sources.users.mix[0].share", func(p *sim.Plan) { p.Sources[0].Mix = []sim.Kind{{Share: -1}, {Share: 1}} }},
		{"sources.users.mix", func(p *sim.Plan) { p.Sources[0].Mix = []sim.Kind{{}} }},
		{"sources.people.refresh.most", func(p *sim.Plan) { p.Sources[2].Refresh = &sim.Refresh{After: sim.Constant(1)} }},
		{"stages.web.machines", func(p *sim.Plan) { p.Stages[0].Machines = sim.MaxMachines + 1 }},
		{"stages.web.machine.servers", func(p *sim.Plan) { p.Stages[0].Machine.Servers = -1 }},
		{"stages.web.machine.service", func(p *sim.Plan) { p.Stages[0].Machine.Service = sim.Constant(-1) }},
		{"stages.web.machine.usl", func(p *sim.Plan) { p.Stages[0].Machine.USL = &sim.USL{} }},
		{"stages.web.machine.cold.speed", func(p *sim.Plan) { p.Stages[0].Machine.Cold.Speed = 0 }},
		{"stages.web.calls[0].times", func(p *sim.Plan) { p.Stages[0].Calls[0].Times = -1 }},
		{"stages.web.calls[0].to", func(p *sim.Plan) { p.Stages[0].Calls[0].To = "" }},
		{"stages.web.health.every", func(p *sim.Plan) { p.Stages[0].Health.Every = 0 }},
		{"stages.log.rate.per", func(p *sim.Plan) { p.Stages[2].Rate.PerSecond = math.Inf(1) }},
		{"stages.farm.machine.memory.max", func(p *sim.Plan) { p.Stages[5].Machine.Memory.Max = 0 }},
		{"caches.cache.capacity", func(p *sim.Plan) { p.Caches[0].Capacity = 0 }},
		{"caches.cache.to", func(p *sim.Plan) { p.Caches[0].To = "cache" }},
		{"links.net.bandwidth", func(p *sim.Plan) { p.Links[0].BytesPerSecond = -1 }},
		{"lines.works.stations[0].service", func(p *sim.Plan) { p.Lines[0].Stations[0].Service = nil }},
		{"lines.works.stations[1].name", func(p *sim.Plan) { p.Lines[0].Stations[1].Name = "cut" }},
		{"lines.works.stations", func(p *sim.Plan) { p.Lines[0].Stations = nil }},
		{"lines.works.stations[1].cards", func(p *sim.Plan) { p.Lines[0].Stations[1].Cards = 3 }},
		{"lines.works.saturated", func(p *sim.Plan) {
			p.Lines[0].Saturated, p.Lines[0].Cards, p.Lines[0].Stations[0].Buffer = true, 0, -1
		}},
		{"bottlenecks.wire.flows.number", func(p *sim.Plan) { p.Bottlenecks[0].Number = 0 }},
		{"bottlenecks.wire.rate", func(p *sim.Plan) { p.Bottlenecks[0].PacketsPerSecond = 0 }},
		{"reservoirs.upper.start", func(p *sim.Plan) { p.Reservoirs[0].Start = 101 }},
		{"reservoirs.upper.to", func(p *sim.Plan) { p.Reservoirs[1].To = "upper" }},
		{"events[0].of", func(p *sim.Plan) { p.Events[0].Of = "web/2" }},
		{"events[0].of", func(p *sim.Plan) { p.Events[0].Of = "users" }},
		{"events[0].to", func(p *sim.Plan) { p.Events[0].To = 0 }},
		{"events[0].at", func(p *sim.Plan) { p.Events[0].At = -1 }},
	} {
		p := good()
		row.change(&p)
		_, err := sim.New(p)
		found := false
		for e := range problems(err) {
			found = found || e.Path == row.path
		}
		if !found {
			t.Errorf("%s: not reported; got %v", row.path, err)
		}
	}
	p := good()
	p.Sources[0].To, p.Caches[0].Capacity = "nowhere", 0
	if _, err := sim.New(p); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two problems: %v", err)
	}
}

// problems walks a joined error.
func problems(err error) map[*sim.Problem]bool {
	out := map[*sim.Problem]bool{}
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return out
	}
	for _, e := range many.Unwrap() {
		if p, ok := errors.AsType[*sim.Problem](e); ok {
			out[p] = true
		}
	}
	return out
}
