package admission_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// job is one unit of a trace. No two events of a trace share an instant, so
// that neither host has a choice of order.
type job struct {
	route           int
	arrive, service time.Duration
	patience        time.Duration // leaves then, if it still waits or runs
	budget          time.Duration // deadline after arrival; 0 is none
	work            penstock.Work
	goes, comes     time.Duration // lends its slot so long after its start, until then; 0 and 0 is never
}

// fate is what became of a job.
type fate struct {
	at   time.Duration // when it was decided
	gate int           // -1: refused, -2: left
	why  penstock.Reason
}

// TestTwins replays traces through both hosts, the simulator in virtual time
// and the Controller in a bubble, and demands identical fates.
func TestTwins(t *testing.T) {
	for name, cfg := range map[string]func() admission.Config{
		// Named, since a Controller that is given none looks at its process, too.
		"lone gate, default law": func() admission.Config { return admission.Config{Seed: 7, Limit: limit.Default()} },
		"two pools, three gates": func() admission.Config {
			return admission.Config{
				Seed:  8,
				Gates: []admission.Gate{{Name: "a", Limit: limit.Fixed(3)}, {Name: "b"}, {Name: "c", Limit: limit.AIMD(50)}},
				Routes: []admission.Route{
					{Name: "x", Gates: []int{0, 1}, Cap: 30}, {Name: "y", Gates: []int{1, 2}, WaitFor: 15 * time.Millisecond},
				},
			}
		},
		"fractional limit": func() admission.Config { return admission.Config{Seed: 9, Limit: limit.Fixed(0.4)} },
		"observed": func() admission.Config {
			return admission.Config{Seed: 10, Observe: true, Limit: limit.Default()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			refused := 0
			for seed := range uint64(6) {
				jobs := trace(seed, len(cfg().Routes))
				virtual, live := simulate(cfg(), jobs), perform(t, cfg(), jobs)
				for i := range jobs {
					if virtual[i] != live[i] {
						t.Fatalf("seed %d, job %d (%+v): simulated %+v, live %+v", seed, i, jobs[i], virtual[i], live[i])
					}
					if virtual[i].gate == -1 {
						refused++
					}
				}
			}
			if observed := cfg().Observe; (refused == 0) != observed {
				t.Fatalf("%d jobs were refused in all: the traces do not test what they should", refused)
			}
		})
	}
}

func trace(seed uint64, routes int) []job {
	rng := rand.New(rand.NewPCG(seed, 1))
	jobs := make([]job, 1500)
	used := map[time.Duration]bool{}
	unique := func(at time.Duration) time.Duration {
		for used[at] || at%admission.Tick == 0 {
			at++
		}
		used[at] = true
		return at
	}
	var at time.Duration
	for i := range jobs {
		gap := 1.5e6 // about 650 per second,
		if i > 500 && i < 1100 {
			gap = 1e5 // with a flood of 10,000 per second
		}
		at += 1 + time.Duration(rng.ExpFloat64()*gap)
		j := &jobs[i]
		j.arrive = unique(at)
		j.service = 1 + time.Duration(rng.ExpFloat64()*12e6)
		j.patience = unique(j.arrive+1+time.Duration(rng.ExpFloat64()*100e6)) - j.arrive
		if rng.IntN(2) == 0 {
			j.budget = unique(j.arrive+time.Duration(rng.IntN(80e6))) - j.arrive
		}
		if routes > 0 {
			j.route = rng.IntN(routes)
		}
		j.work = penstock.Work{
			Criticality: penstock.Criticality(1 + rng.IntN(4)), Cohort: penstock.CohortAt(rng.Uint64()),
			Attempt: rng.IntN(3), Cost: rng.IntN(3), Flow: rng.Uint64N(5),
		}
	}
	return jobs
}

func (j job) workAt(now mono.Time) penstock.Work {
	w := j.work
	if j.budget > 0 {
		w.Deadline, w.HasDeadline = now.Add(j.budget), true
	}
	return w
}

func simulate(cfg admission.Config, jobs []job) []fate {
	var loop sim.Loop
	fates := make([]fate, len(jobs))
	waiting := map[int]int{} // slot to job
	var host *sim.Admission
	settle := func(now mono.Time, i int, d admission.Decision) {
		if d.State == admission.Refused {
			fates[i] = fate{time.Duration(now), -1, d.Refusal.Reason}
			return
		}
		fates[i] = fate{at: time.Duration(now), gate: d.Gate}
		end, leave := now.Add(jobs[i].service), mono.Time(jobs[i].arrive+jobs[i].patience)
		if leave > now && leave < end {
			loop.At(leave, sim.HandlerFunc(func(now mono.Time, _ uint64) { host.Abandon(now, d.Ticket) }), 0)
		}
		loop.At(end, sim.HandlerFunc(func(now mono.Time, _ uint64) { host.Done(now, d.Ticket, penstock.OK) }), 0)
	}
	host = sim.NewAdmission(&loop, cfg, func(now mono.Time, d admission.Decision) {
		i := waiting[d.Ticket.Slot()]
		delete(waiting, d.Ticket.Slot())
		settle(now, i, d)
	})
	for i, j := range jobs {
		loop.At(mono.Time(j.arrive), sim.HandlerFunc(func(now mono.Time, _ uint64) {
			d := host.Offer(now, j.route, j.workAt(now))
			if d.State != admission.Waiting {
				settle(now, i, d)
				return
			}
			waiting[d.Ticket.Slot()] = i
			loop.At(mono.Time(j.arrive+j.patience), sim.HandlerFunc(func(now mono.Time, _ uint64) {
				if k, ok := waiting[d.Ticket.Slot()]; !ok || k != i {
					return // it no longer waits
				}
				host.Leave(now, d.Ticket)
				delete(waiting, d.Ticket.Slot())
				fates[i] = fate{at: time.Duration(now), gate: -2}
			}), 0)
		}), 0)
	}
	loop.Run(mono.Time(time.Hour))
	return fates
}

func perform(t *testing.T, cfg admission.Config, jobs []job) []fate {
	fates := make([]fate, len(jobs))
	synctest.Test(t, func(t *testing.T) {
		ctl := admission.New(cfg)
		defer ctl.Close()
		zero := mono.Now()
		var wg sync.WaitGroup
		for i, j := range jobs {
			wg.Go(func() {
				time.Sleep(j.arrive)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				leave := time.AfterFunc(j.patience, cancel)
				defer leave.Stop()
				permit, err := ctl.AcquireRoute(ctx, j.route, j.workAt(mono.Now()))
				now := mono.Now()
				if re, ok := errors.AsType[*penstock.RejectedError](err); ok {
					fates[i] = fate{now.Sub(zero), -1, re.Reason}
					return
				} else if err != nil {
					fates[i] = fate{at: now.Sub(zero), gate: -2}
					return
				}
				fates[i] = fate{at: now.Sub(zero), gate: permit.Gate()}
				if left := zero.Add(j.arrive + j.patience).Sub(now); left > 0 && left < j.service {
					time.Sleep(left)
					permit.Abandon()
					time.Sleep(j.service - left)
				} else {
					time.Sleep(j.service)
				}
				permit.Done(penstock.OK)
			})
		}
		wg.Wait()
	})
	return fates
}
