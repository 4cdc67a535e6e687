package admission_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// What a request to a process costs beside its own work.
const (
	parseCost  = 30 * time.Microsecond
	refuseCost = 30 * time.Microsecond
	goSlice    = 10 * time.Millisecond // Go takes a thread away after so long
)

// A process is one like Go's that computes: some threads, one run queue, what was
// woken goes first. A request is parsed, admitted, served and answered by one
// goroutine, which gives its thread away only at the end of a slice, or if it
// yields once when it has been admitted.
type process struct {
	loop    sim.Loop
	host    *sim.Admission
	rng     *rand.Rand
	threads int         // free
	woken   []goroutine // run before those that are ready, the latest first
	ready   []goroutine
	yields  bool
	service time.Duration
	arrived []mono.Time
	waiting map[int]int // request by slot
	good    int
}

type goroutine struct {
	left time.Duration
	then func(now mono.Time)
}

func (p *process) dispatch(now mono.Time) {
	for p.threads > 0 && len(p.woken)+len(p.ready) > 0 {
		var g goroutine
		if n := len(p.woken); n > 0 {
			g, p.woken = p.woken[n-1], p.woken[:n-1]
		} else {
			g, p.ready = p.ready[0], p.ready[1:]
		}
		p.threads--
		ran := min(g.left, goSlice)
		p.loop.At(now.Add(max(1, ran)), sim.HandlerFunc(func(now mono.Time, _ uint64) {
			p.threads++
			if g.left -= ran; g.left > 0 {
				p.ready = append(p.ready, g)
			} else {
				g.then(now)
			}
			p.dispatch(now)
		}), 0)
	}
}

// first and last make a goroutine ready, before and behind all others.
func (p *process) first(left time.Duration, then func(mono.Time)) {
	p.woken = append(p.woken, goroutine{left, then})
}

func (p *process) last(left time.Duration, then func(mono.Time)) {
	p.ready = append(p.ready, goroutine{left, then})
}

func (p *process) arrive(now mono.Time, perSecond float64, patience time.Duration) {
	i := len(p.arrived)
	p.arrived = append(p.arrived, now)
	p.last(parseCost, func(now mono.Time) { p.ask(now, i, patience) })
	p.dispatch(now)
	p.loop.After(time.Duration(p.rng.ExpFloat64()/perSecond*1e9), sim.HandlerFunc(func(now mono.Time, _ uint64) {
		p.arrive(now, perSecond, patience)
	}), 0)
}

func (p *process) ask(now mono.Time, i int, patience time.Duration) {
	switch d := p.host.Offer(now, 0, penstock.Work{Cohort: penstock.CohortAt(p.rng.Uint64())}); d.State {
	case admission.Admitted:
		p.admitted(now, i, d.Ticket, patience)
	case admission.Waiting:
		p.waiting[d.Ticket.Slot()] = i
	case admission.Refused:
		p.first(refuseCost, func(mono.Time) {})
	}
}

// settled wakes a request: what its goroutine does is up to the next dispatch.
func (p *process) settled(i int, d admission.Decision, patience time.Duration) {
	if d.State == admission.Admitted {
		p.first(0, func(now mono.Time) { p.admitted(now, i, d.Ticket, patience) })
	} else {
		p.first(refuseCost, func(mono.Time) {})
	}
}

func (p *process) admitted(now mono.Time, i int, t admission.Ticket, patience time.Duration) {
	serve := func(mono.Time) {
		p.first(p.service, func(now mono.Time) {
			if now.Sub(p.arrived[i]) > patience {
				p.host.Done(now, t, penstock.Dropped) // its client has gone
				return
			}
			p.host.Done(now, t, penstock.OK)
			p.good++
		})
	}
	if !p.yields {
		serve(now)
		return
	}
	p.last(0, func(then mono.Time) {
		p.host.Core.Report(then, t, then.Sub(now))
		serve(then)
	})
}

// goodputOf is what a process finishes in time, per second, in the second half of
// the run.
func goodputOf(threads int, service, patience time.Duration, perSecond float64, yields bool) float64 {
	p := &process{rng: rand.New(rand.NewPCG(7, 7)), threads: threads, yields: yields, service: service, waiting: map[int]int{}}
	law := limit.Direct(limit.Default(), func() (float64, string) { return 0, "" })
	p.host = sim.NewAdmission(&p.loop, admission.Config{Limit: law, Seed: 3}, func(_ mono.Time, d admission.Decision) {
		p.settled(p.waiting[d.Ticket.Slot()], d, patience)
	})
	p.arrive(0, perSecond, patience)
	half := time.Duration(max(300, 1200/threads) * int(service))
	p.loop.Run(mono.Time(0).Add(half))
	p.good = 0
	p.loop.Run(mono.Time(0).Add(2 * half))
	return float64(p.good) / half.Seconds()
}

// A process that computes and has more to do than it can: while each request is
// served from beginning to end before the next is looked at, a limit is never
// reached, and all come late. Work that yields once it has been admitted is a queue
// that can be seen. Then all that is lost is what it costs to refuse the others.
func TestProcessThatComputes(t *testing.T) {
	for _, c := range []struct {
		threads           int
		service, patience time.Duration
	}{
		{1, 10 * time.Millisecond, 100 * time.Millisecond},
		{1, 2 * time.Millisecond, 100 * time.Millisecond},
		{4, 10 * time.Millisecond, 100 * time.Millisecond},
		{16, 10 * time.Millisecond, 100 * time.Millisecond},
		{1, 50 * time.Millisecond, 500 * time.Millisecond}, // longer than a slice
	} {
		loads := []float64{0.8, 1.2, 2, 5, 10}
		if raceDetector { // ten times slower, and one goroutine
			loads = []float64{1.2, 5}
		}
		for _, times := range loads {
			t.Run(fmt.Sprintf("threads=%d/service=%v/load=%g", c.threads, c.service, times), func(t *testing.T) {
				cost := (c.service - refuseCost).Seconds()
				offered := times * float64(c.threads) / c.service.Seconds()
				most := min(offered, (float64(c.threads)-offered*(parseCost+refuseCost).Seconds())/cost)
				got := goodputOf(c.threads, c.service, c.patience, offered, true)
				without := goodputOf(c.threads, c.service, c.patience, offered, false)
				t.Logf("%.1f/s, %.3f of what there can be; without a turn %.3f", got, got/most, without/most)
				least := 0.97
				if times < 2 { // a queue that comes and goes is refused in part
					least = 0.88
				}
				if got < least*most {
					t.Errorf("goodput %.1f/s, want at least %g of %.1f/s", got, least, most)
				}
				if times >= 1.2 && c.threads == 1 && c.service <= goSlice && without > 0.01*most {
					t.Errorf("goodput %.1f/s though nobody yields: this is not the plant it is to be", without)
				}
			})
		}
	}
}

// Work whose caller leaves while it waits for a thread does not begin, and what
// others waited moves the limit.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := admission.New(admission.Config{})
		defer ctl.Close()
		gone, leave := context.WithCancelCause(t.Context())
		p, err := ctl.Acquire(gone, penstock.Work{})
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("had enough")
		leave(cause)
		if err := ctl.Turned(gone, p, time.Millisecond); !errors.Is(err, cause) {
			t.Errorf("error %v, want the cause", err)
		}
		if s := ctl.Stats(); s.InFlight != 0 || s.Good != 0 || s.Admitted != 1 {
			t.Errorf("%+v", s)
		}
		for range 100 { // up to ten at a time, one of which runs
			var permits []admission.Permit
			for range min(10, int(ctl.Stats().Limit)) {
				p, err := ctl.Acquire(t.Context(), penstock.Work{})
				if err != nil {
					t.Fatal(err)
				}
				permits = append(permits, p)
			}
			for i, p := range permits {
				if err := ctl.Turned(t.Context(), p, time.Duration(i)*10*time.Millisecond); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
				p.Done(penstock.OK)
			}
		}
		if s := ctl.Stats(); s.Limit > 3 {
			t.Errorf("limit %.1f where one runs at a time: %s", s.Limit, ctl.Explain())
		}
	})
}
