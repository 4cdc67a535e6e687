package sim_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/sim"
)

// TestListen: of two stages in a row, the first one's door refuses what the
// second has no room for, and books stay balanced; a caller that does not listen
// leaves all of it to the second.
func TestListen(t *testing.T) {
	refused := map[bool][2]float64{}
	for _, listens := range []bool{false, true} {
		call := sim.Call{Client: sim.Client{To: "back"}}
		if listens {
			call.Listen = &caller.PeerConfig{}
		}
		p := sim.Plan{
			For: 20 * time.Second, Check: true,
			Sources: []sim.Source{{Name: "users", Arrivals: poisson(600), Client: sim.Client{To: "front", Deadline: 300 * time.Millisecond}}},
			Stages: []sim.Stage{
				{Name: "front", Machine: sim.Machine{Servers: 500}, Admit: &sim.Admit{Law: func() limit.Law { return limit.Fixed(300) }}, Calls: []sim.Call{call}},
				{Name: "back", Machine: sim.Machine{Servers: 10, Service: sim.Exponential(50 * time.Millisecond)}, Admit: &sim.Admit{}},
			},
		}
		r := report(t, p, 3)
		var got [2]float64
		for i, name := range []string{"front", "back"} {
			part, _ := r.Part(name)
			got[i] = float64(r.Between(part, 5*time.Second, 20*time.Second).Refused) / 15
		}
		refused[listens] = got
	}
	// 200/s fit; a hundredth of the surplus goes on to test it.
	if silent := refused[false]; silent[1] < 300 {
		t.Errorf("without listening the second refuses %.0f/s", silent[1])
	}
	if heard := refused[true]; heard[0] < 350 || heard[1] > 12 {
		t.Errorf("listening, the first refuses %.0f/s and the second %.0f/s", heard[0], heard[1])
	}
}
