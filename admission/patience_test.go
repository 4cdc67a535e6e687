package admission_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// Callers that do not say how long they wait are learned from: nothing enters
// the gate so late that its caller would be gone before the answer.
func TestPatienceIsLearned(t *testing.T) {
	const usual = 40 * time.Millisecond
	for name, c := range map[string]struct {
		leaveAt   time.Duration // of all that run so long
		strangers int           // who leave at once, of each round of eight
		longest   time.Duration // that work may then wait
	}{
		"all leave at 60 ms":          {leaveAt: 60 * time.Millisecond, longest: 60 * time.Millisecond},
		"some leave for other causes": {leaveAt: 60 * time.Millisecond, strangers: 2, longest: 60 * time.Millisecond},
		"nobody leaves in time":       {leaveAt: time.Hour, strangers: 2, longest: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			now := mono.Time(0)
			core := admission.NewCore(admission.Config{Limit: limit.Fixed(8)})
			// Rounds of eight that take 40 ms, and a few that take longer than anybody
			// waits: the service time stays what most take.
			for round := range 60 {
				var all []admission.Ticket
				for range 8 {
					all = append(all, mustAdmit(t, core, now, 0, penstock.Work{}))
				}
				for _, d := range all[:c.strangers] {
					core.Abandon(now+ms, d)
				}
				last := len(all) - 1
				for _, d := range all[:last] {
					core.Done(now.Add(usual), d, penstock.OK)
				}
				if round%8 == 0 && c.leaveAt < time.Second {
					core.Abandon(now.Add(c.leaveAt), all[last])
					now = now.Add(c.leaveAt)
				}
				core.Done(now.Add(usual), all[last], penstock.OK)
				now = now.Add(200 * time.Millisecond)
			}
			for range 8 {
				mustAdmit(t, core, now, 0, penstock.Work{})
			}
			if d := core.Offer(now, 0, penstock.Work{}); d.State != admission.Waiting {
				t.Fatalf("a first in the room is %v", d.State)
			}
			end, waited := now.Add(5*time.Second), time.Duration(0)
			for at := now; at < end && waited == 0; at = at.Add(time.Millisecond) {
				core.Step(at)
				if len(settled(core)) > 0 {
					waited = at.Sub(now)
				}
			}
			if waited == 0 || waited > c.longest {
				t.Errorf("it waits for %v", waited)
			}
			if name == "nobody leaves in time" && waited < usual {
				t.Errorf("it waits for %v only, and all were seen to stay for a service time", waited)
			}
		})
	}
}
