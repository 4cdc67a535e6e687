package admission_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// Callers that ask in step, five times what the backend can do, and wait: as hey
// and many a cron job do. What is refused while the backend idles later is lost, so
// the room has to hold nearly a period's worth, and no more: nobody waits longer
// than for the burst after.
func TestBurstsInStep(t *testing.T) {
	const workers, service, warm, end = 8, 10 * time.Millisecond, 10 * time.Second, 20 * time.Second
	for _, tt := range []struct {
		name     string
		period   time.Duration
		deadline time.Duration // none if 0
	}{
		{"short", 30 * time.Millisecond, 0},
		{"long", 111 * time.Millisecond, 0},
		{"long, with a deadline", 111 * time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var loop sim.Loop
			type ask struct {
				at     mono.Time
				ticket admission.Ticket
			}
			var asked []ask
			waiting := map[int]int{}
			good, longest := 0, time.Duration(0)
			var gate *sim.Admission
			backend := sim.NewServer(&loop, workers, sim.Constant(service), rand.New(rand.NewPCG(1, 2)), func(now mono.Time, arg uint64) {
				a := asked[arg]
				if a.at >= mono.Time(warm) {
					good++
					longest = max(longest, now.Sub(a.at))
				}
				gate.Done(now, a.ticket, penstock.OK)
			})
			gate = sim.NewAdmission(&loop, admission.Config{Seed: 7}, func(now mono.Time, d admission.Decision) {
				if i := waiting[d.Ticket.Slot()]; d.State == admission.Admitted {
					backend.Submit(now, uint64(i))
				}
			})
			burst := func(now mono.Time, _ uint64) {
				for range 5 * workers * int(tt.period/time.Millisecond) / int(service/time.Millisecond) {
					w := penstock.Work{}
					if tt.deadline > 0 {
						w.Deadline, w.HasDeadline = now.Add(tt.deadline), true
					}
					d := gate.Offer(now, 0, w)
					i := len(asked)
					asked = append(asked, ask{now, d.Ticket})
					switch d.State {
					case admission.Admitted:
						backend.Submit(now, uint64(i))
					case admission.Waiting:
						waiting[d.Ticket.Slot()] = i
					default:
					}
				}
			}
			for at := mono.Time(0); at < mono.Time(end); at = at.Add(tt.period) {
				loop.At(at, sim.HandlerFunc(burst), 0)
			}
			loop.Run(mono.Time(end))
			attainable := workers * int((end-warm)/service)
			t.Logf("%d of %d, the longest after %v", good, attainable, longest)
			if good*100 < attainable*97 {
				t.Errorf("%d answers, of %d that it could give", good, attainable)
			}
			if longest > 2*tt.period {
				t.Errorf("somebody waited for %v", longest)
			}
		})
	}
}
