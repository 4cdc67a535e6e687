package admission_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// A reference is one gate of so many slots behind a first-in first-out room
// with a bound on the wait, in the plainest form: one list, walked from end to
// end at every event. It knows nothing of estimates, prices and ticks.
type reference struct {
	slots, most int // the limit, and the route's cap (0: none)
	waitFor     time.Duration

	now     time.Duration
	waiting []refJob // oldest first
	running []refJob
	fates   []fate
}

type refJob struct {
	id      int
	job     job
	until   time.Duration // the end of its wait, or of its service
	expires penstock.Reason
}

func (r *reference) cost(jobs []refJob) (sum int) {
	for _, j := range jobs {
		sum += j.job.work.Slots()
	}
	return sum
}

// taken is what holds slots: who runs and is not away.
func (r *reference) taken() int {
	return r.cost(slices.DeleteFunc(slices.Clone(r.running), func(j refJob) bool {
		begun := j.until - j.job.service
		return r.now >= begun+j.job.goes && r.now < begun+j.job.comes
	}))
}

// next returns the instant of the earliest end of anything.
func (r *reference) next() (time.Duration, bool) {
	at, ok := time.Duration(0), false
	for _, j := range slices.Concat(r.waiting, r.running) {
		end := j.until
		if leave := j.job.arrive + j.job.patience; slices.ContainsFunc(r.waiting, func(w refJob) bool { return w.id == j.id }) {
			end = min(end, leave)
		}
		if !ok || end < at {
			at, ok = end, true
		}
	}
	for _, j := range r.running {
		if goes := j.until - j.job.service + j.job.goes; j.job.comes > 0 && goes > r.now {
			at = min(at, goes)
		}
	}
	return at, ok
}

// passUntil plays everything that ends before end.
func (r *reference) passUntil(end time.Duration) {
	for at, ok := r.next(); ok && at < end; at, ok = r.next() {
		r.now = at
		r.running = slices.DeleteFunc(r.running, func(j refJob) bool { return j.until == at })
		r.waiting = slices.DeleteFunc(r.waiting, func(j refJob) bool {
			switch at {
			case j.until:
				r.fates[j.id] = fate{at, -1, j.expires}
			case j.job.arrive + j.job.patience:
				r.fates[j.id] = fate{at: at, gate: -2}
			default:
				return false
			}
			return true
		})
		r.pull()
	}
	r.now = end
}

func (r *reference) pull() {
	for len(r.waiting) > 0 && r.fits(r.waiting[0].job) {
		j := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.start(j.id, j.job)
	}
}

func (r *reference) fits(j job) bool {
	taken := r.taken()
	return taken == 0 || taken+j.work.Slots() <= r.slots
}

func (r *reference) start(id int, j job) {
	r.fates[id] = fate{at: r.now}
	r.running = append(r.running, refJob{id: id, job: j, until: r.now + j.service})
}

func (r *reference) arrive(id int, j job) {
	r.passUntil(j.arrive)
	taken := r.cost(r.running) + r.cost(r.waiting)
	until, expires := j.arrive+r.waitFor, penstock.ReasonSojourn
	if j.budget > 0 && j.budget < r.waitFor {
		until, expires = j.arrive+j.budget, penstock.ReasonDeadline
	}
	switch {
	case r.most > 0 && taken > 0 && taken+j.work.Slots() > r.most:
		r.fates[id] = fate{r.now, -1, penstock.ReasonLimit}
	case len(r.waiting) == 0 && r.fits(j):
		r.start(id, j)
	case r.waitFor < 0:
		r.fates[id] = fate{r.now, -1, penstock.ReasonQueueFull}
	default:
		r.waiting = append(r.waiting, refJob{id, j, until, expires})
	}
}

// againstReference replays a trace through the core and through the reference.
// All work is of one rank, so that no price can refuse it, and ends Ignored, so
// that the core learns no service times to judge by.
func againstReference(t *rapid.T) {
	r := &reference{
		slots: rapid.IntRange(1, 6).Draw(t, "slots"),
		most:  rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "cap"),
	}
	r.waitFor = time.Duration(rapid.SampledFrom([]int{-1, 1, 9, 40, 300}).Draw(t, "wait for (ms)")) * time.Millisecond
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
	gap := rapid.Float64Range(0.1, 10).Draw(t, "gap (ms)")
	jobs := make([]job, rapid.IntRange(1, 200).Draw(t, "jobs"))
	at := 0.0
	for i := range jobs {
		at += 1 + rng.ExpFloat64()*gap*1e6
		j := &jobs[i]
		j.arrive = time.Duration(at)
		j.service = time.Duration(1 + rng.ExpFloat64()*15e6)
		j.patience = time.Duration(1 + rng.ExpFloat64()*60e6)
		j.work.Cost = max(0, rng.IntN(10)-5)
		if rng.IntN(3) == 0 {
			j.budget = time.Duration(1 + rng.IntN(50e6))
		}
		if rng.IntN(3) == 0 { // away for a part of its time, at the end of it perhaps
			j.goes = 1 + time.Duration(rng.Float64()*float64(j.service))
			j.comes = j.goes + 1 + time.Duration(rng.Float64()*float64(j.service))
		}
	}
	cfg := admission.Config{
		Limit:  limit.Fixed(float64(r.slots)),
		Routes: []admission.Route{{Order: queue.FIFO, WaitFor: r.waitFor, Cap: r.most}},
	}
	r.fates = make([]fate, len(jobs))
	for i, j := range jobs {
		r.arrive(i, j)
	}
	r.passUntil(time.Hour)
	for i, got := range replayIgnored(cfg, jobs) {
		if got != r.fates[i] {
			t.Fatalf("job %d (%+v): the core says %+v, the reference %+v", i, jobs[i], got, r.fates[i])
		}
	}
}

func TestAgainstReference(t *testing.T) { rapid.Check(t, againstReference) }

func FuzzAgainstReference(f *testing.F) { f.Fuzz(rapid.MakeFuzz(againstReference)) }

// replayIgnored runs jobs on the simulator. Nobody leaves while running.
func replayIgnored(cfg admission.Config, jobs []job) []fate {
	var loop sim.Loop
	fates := make([]fate, len(jobs))
	waiting := map[admission.Ticket]int{}
	var host *sim.Admission
	settle := func(now mono.Time, i int, d admission.Decision) {
		if d.State == admission.Refused {
			fates[i] = fate{time.Duration(now), -1, d.Refusal.Reason}
			return
		}
		fates[i] = fate{at: time.Duration(now), gate: d.Gate}
		loop.At(now.Add(jobs[i].service), sim.HandlerFunc(func(now mono.Time, _ uint64) {
			host.Done(now, d.Ticket, penstock.Ignored)
		}), 0)
		if j := jobs[i]; j.comes > 0 && j.goes < j.service {
			loop.At(now.Add(j.goes), sim.HandlerFunc(func(now mono.Time, _ uint64) { host.Away(now, d.Ticket) }), 0)
			loop.At(now.Add(j.comes), sim.HandlerFunc(func(now mono.Time, _ uint64) { host.Back(now, d.Ticket) }), 0)
		}
	}
	host = sim.NewAdmission(&loop, cfg, func(now mono.Time, d admission.Decision) {
		i := waiting[d.Ticket]
		delete(waiting, d.Ticket)
		settle(now, i, d)
	})
	for i, j := range jobs {
		loop.At(mono.Time(j.arrive), sim.HandlerFunc(func(now mono.Time, _ uint64) {
			d := host.Offer(now, 0, j.workAt(now))
			if d.State != admission.Waiting {
				settle(now, i, d)
				return
			}
			waiting[d.Ticket] = i
			loop.At(now.Add(j.patience), sim.HandlerFunc(func(now mono.Time, _ uint64) {
				if host.Leave(now, d.Ticket) {
					delete(waiting, d.Ticket)
					fates[i] = fate{at: time.Duration(now), gate: -2}
				}
			}), 0)
		}), 0)
	}
	loop.Run(mono.Time(time.Hour))
	return fates
}
