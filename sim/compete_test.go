package sim_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/rival"
)

// chain is front -> middle -> back, of which the back can do 200/s of 400/s that
// are asked for, all under somebody's control.
func chain(control func(callees int) rival.Controller, tokens float64) sim.Plan {
	call := func(to string) []sim.Call { return []sim.Call{{Client: sim.Client{To: to}}} }
	return sim.Plan{
		For: 40 * time.Second, Check: true,
		Sources: []sim.Source{{Name: "users", Arrivals: poisson(400), Tokens: tokens, Client: sim.Client{To: "front", Deadline: 500 * millisecond}}},
		Stages: []sim.Stage{
			{Name: "front", Stops: true, Rival: control, Machine: sim.Machine{Servers: 1000, Service: sim.Exponential(millisecond)}, Calls: call("middle")},
			{Name: "middle", Stops: true, Rival: control, Machine: sim.Machine{Servers: 1000, Service: sim.Exponential(millisecond)}, Calls: call("back")},
			{Name: "back", Stops: true, Rival: control, Machine: sim.Machine{Servers: 8, Service: sim.Exponential(40 * millisecond)}},
		},
	}
}

// TestRivals: each control does in the simulator what its paper says of it:
// Rajomon's price reaches the clients, who hold requests back; DAGOR's level
// reaches the caller of the full service, and nobody beyond. Books stay balanced.
func TestRivals(t *testing.T) {
	perSecond := func(r *sim.Report, name string) float64 {
		part, ok := r.Part(name)
		if !ok {
			t.Fatalf("no part %q", name)
		}
		return float64(r.Between(part, 20*time.Second, 40*time.Second).Refused) / 20
	}
	none := report(t, chain(nil, 0), 1)
	rajomon := report(t, chain(func(n int) rival.Controller { return rival.NewRajomon(rival.RajomonConfig{}, n) }, 20_000), 1)
	dagor := report(t, chain(func(n int) rival.Controller { return rival.NewDagor(rival.DagorConfig{}, n) }, 0), 1)
	if got := perSecond(none, "users"); got != 0 {
		t.Errorf("without control %.0f/s are refused", got)
	}
	held := perSecond(rajomon, "users") - perSecond(rajomon, "front")
	if held < 100 || perSecond(rajomon, "back") > 20 {
		t.Errorf("rajomon: clients hold back %.0f/s, and the full service refuses %.0f/s", held, perSecond(rajomon, "back"))
	}
	// All of dagor's refusals of a request are made at or before the back, but
	// none before the middle, whose work fails with them.
	front, middle, back := perSecond(dagor, "front"), perSecond(dagor, "middle"), perSecond(dagor, "back")
	if middle < 100 || front < middle-5 || back > middle/2 {
		t.Errorf("dagor: refused %.0f/s at the front, %.0f/s at the middle, %.0f/s at the back", front, middle, back)
	}
	if got, ok := dagor.Part("middle"); !ok || float64(dagor.Between(got, 20*time.Second, 40*time.Second).Begun)/20 < 350 {
		t.Error("dagor: the middle does not work for what it refuses to send on")
	}
}
