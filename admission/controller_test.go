package admission_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/internal/golden"
	"github.com/penstock-go/penstock/mono"
)

// inBubble runs a test of a controller in virtual time.
func inBubble(t *testing.T, cfg admission.Config, test func(t *testing.T, ctl *admission.Controller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctl := admission.New(cfg)
		defer ctl.Close()
		test(t, ctl)
	})
}

func oneSlot(waitFor time.Duration) admission.Config {
	return admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: waitFor, Order: queue.FIFO}}, Seed: 1}
}

func acquire(t *testing.T, ctl *admission.Controller) admission.Permit {
	t.Helper()
	p, err := ctl.Acquire(t.Context(), penstock.Work{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantRefused(t *testing.T, err error, why penstock.Reason) penstock.RejectedError {
	t.Helper()
	re, ok := errors.AsType[*penstock.RejectedError](err)
	if !ok || !errors.Is(err, penstock.ErrRejected) || re.Reason != why {
		t.Fatalf("error %v, want a refusal for %v", err, why)
	}
	return *re
}

func TestAcquireWaits(t *testing.T) {
	inBubble(t, oneSlot(time.Second), func(t *testing.T, ctl *admission.Controller) {
		first := acquire(t, ctl)
		start := time.Now()
		time.AfterFunc(300*time.Millisecond, func() { first.Done(penstock.OK) })
		second := acquire(t, ctl)
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("waited for %v, want 300ms", took)
		}
		second.Done(penstock.OK)
		acquire(t, ctl).Done(penstock.OK)
	})
}

func TestAcquireIsRefusedAtTheBound(t *testing.T) {
	inBubble(t, oneSlot(30*time.Millisecond), func(t *testing.T, ctl *admission.Controller) {
		p := acquire(t, ctl)
		start := time.Now()
		_, err := ctl.Acquire(t.Context(), penstock.Work{})
		re := wantRefused(t, err, penstock.ReasonSojourn)
		if took := time.Since(start); took != 30*time.Millisecond {
			t.Errorf("refused after %v, want exactly 30ms", took)
		}
		if re.RetryAfter < 37*time.Millisecond || re.Pressure != 1 || re.ID == 0 {
			t.Errorf("%+v", re)
		}
		p.Done(penstock.OK)
	})
}

func TestAcquireReportsTheCause(t *testing.T) {
	inBubble(t, oneSlot(time.Second), func(t *testing.T, ctl *admission.Controller) {
		p := acquire(t, ctl)
		gone := errors.New("the client hung up")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Millisecond, func() { cancel(gone) })
		start := time.Now()
		if _, err := ctl.Acquire(ctx, penstock.Work{}); !errors.Is(err, gone) || time.Since(start) != 10*time.Millisecond {
			t.Errorf("error %v after %v; want the cause after 10ms", err, time.Since(start))
		}
		if s := ctl.Stats(); s.Left != 1 || s.Waiting != 0 {
			t.Errorf("%d left, %d wait", s.Left, s.Waiting)
		}
		p.Done(penstock.OK)
		acquire(t, ctl).Done(penstock.OK)
	})
}

// A deadline, the context's or the work's, whichever is earlier, shortens the
// wait to what leaves time for service.
func TestDeadlinesShortenTheWait(t *testing.T) {
	for _, c := range []struct {
		name      string
		ctx, work time.Duration
	}{{"of the context", 12 * time.Millisecond, 0}, {"of the work", 0, 12 * time.Millisecond}, {"the earlier", 12 * time.Millisecond, 50 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, oneSlot(30*time.Millisecond), func(t *testing.T, ctl *admission.Controller) {
				p := acquire(t, ctl)
				time.Sleep(4 * time.Millisecond) // service takes 4 ms
				p.Done(penstock.OK)
				time.Sleep(2 * admission.Tick)
				ctl.Stats()
				p = acquire(t, ctl)

				ctx, w := t.Context(), penstock.Work{}
				if c.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.ctx)
					defer cancel()
				}
				if c.work > 0 {
					w.Deadline, w.HasDeadline = mono.Now().Add(c.work), true
				}
				start := time.Now()
				_, err := ctl.Acquire(ctx, w)
				wantRefused(t, err, penstock.ReasonDeadline)
				if took := time.Since(start); took < 7*time.Millisecond || took > 8*time.Millisecond {
					t.Errorf("refused after %v; of 12 ms it takes 4 to serve", took)
				}
				p.Done(penstock.OK)
			})
		})
	}
	inBubble(t, oneSlot(time.Second), func(t *testing.T, ctl *admission.Controller) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		time.Sleep(2 * time.Millisecond)
		_, err := ctl.Acquire(ctx, penstock.Work{})
		wantRefused(t, err, penstock.ReasonDeadline)
	})
}

func TestPermitsAreValues(t *testing.T) {
	inBubble(t, oneSlot(time.Second), func(t *testing.T, ctl *admission.Controller) {
		p := acquire(t, ctl)
		same := p
		same.Answered(penstock.OK)
		same.Done(penstock.OK)
		p.Done(penstock.OK) // the same permit: once too often
		p.Abandon()
		p.Answered(penstock.Dropped)
		next := acquire(t, ctl)
		p.Done(penstock.OK) // must not end next's work
		s := ctl.Stats()
		if s.StaleDone != 2 || s.InFlight != 1 || s.Good != 1 || s.Dropped != 0 {
			t.Errorf("%d stale, %d in flight, %d good, %d dropped; want 2, 1, 1, 0", s.StaleDone, s.InFlight, s.Good, s.Dropped)
		}
		next.Done(penstock.OK)

		var none admission.Permit
		none.Done(penstock.OK)
		none.Abandon()
		none.Answered(penstock.OK)
		if none.GateName() != "" || none.Gate() != 0 {
			t.Errorf("the zero permit is for gate %d, %q", none.Gate(), none.GateName())
		}
	})
}

func TestReconfigureUnderLoad(t *testing.T) {
	gate := func(name string, law limit.Law) admission.Gate { return admission.Gate{Name: name, Limit: law} }
	route := func(name string, gates ...int) admission.Route {
		return admission.Route{Name: name, Gates: gates, WaitFor: time.Second}
	}
	learned := limit.AIMD(100)
	cfg := admission.Config{
		Gates:  []admission.Gate{gate("a", learned), gate("b", limit.Fixed(1))},
		Routes: []admission.Route{route("x", 0), route("y", 1), route("z", 1)}, Seed: 1,
	}
	inBubble(t, cfg, func(t *testing.T, ctl *admission.Controller) {
		slow, err := ctl.AcquireRoute(t.Context(), 1, penstock.Work{})
		if err != nil || slow.GateName() != "b" || slow.Gate() != 1 {
			t.Fatalf("gate %d, %q, error %v", slow.Gate(), slow.GateName(), err)
		}
		for range 20 { // the limit falls from 20
			p := acquire(t, ctl)
			time.Sleep(time.Millisecond)
			p.Done(penstock.Dropped)
		}
		was := learned.Limit()

		fates := make(map[int]error)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, route := range []int{1, 2} {
			wg.Go(func() {
				p, err := ctl.AcquireRoute(t.Context(), route, penstock.Work{})
				mu.Lock()
				fates[route] = err
				mu.Unlock()
				p.Done(penstock.OK)
			})
		}
		synctest.Wait()

		// "a" keeps its law, "b" gets another; "z" goes, "new" comes.
		if err := ctl.Reconfigure(admission.Config{
			Gates:  []admission.Gate{gate("c", nil), gate("b", limit.Fixed(2)), gate("a", nil)},
			Routes: []admission.Route{route("new", 0), route("y", 1, 2), route("x", 2)},
		}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if fates[1] != nil {
			t.Errorf("what waited for y: %v; want a permit of the larger gate", fates[1])
		}
		wantRefused(t, fates[2], penstock.ReasonDraining)
		s := ctl.Stats()
		if len(s.Gates) != 3 || s.Gates[0].Name != "a" || s.Gates[0].Limit != was || s.Gates[1].Limit != 2 || was > 10 {
			t.Errorf("gates %+v; want a with its %g, and b with 2", s.Gates, was)
		}
		for name, want := range map[string]int{"x": 0, "y": 1} {
			if i, ok := ctl.RouteIndex(name); !ok || i != want {
				t.Errorf("route %q is %d, %v; want %d", name, i, ok, want)
			}
		}
		if i, ok := ctl.RouteIndex("new"); !ok {
			t.Error("there is no new route")
		} else if p, err := ctl.AcquireRoute(t.Context(), i, penstock.Work{}); err != nil || p.GateName() != "c" {
			t.Errorf("the new route leads to %q, error %v", p.GateName(), err)
		}
		slow.Done(penstock.OK)
		if err := ctl.Reconfigure(admission.Config{Routes: []admission.Route{{Cap: -1}}}); err == nil {
			t.Error("took a configuration that is not valid")
		}
	})
}

func TestObserveRefusesNothing(t *testing.T) {
	cfg := oneSlot(10 * time.Millisecond)
	cfg.Observe = true
	inBubble(t, cfg, func(t *testing.T, ctl *admission.Controller) {
		var wg sync.WaitGroup
		for range 500 {
			time.Sleep(time.Millisecond)
			wg.Go(func() {
				p, err := ctl.Acquire(t.Context(), penstock.Work{Criticality: penstock.Sheddable})
				if err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
				p.Done(penstock.OK)
			})
		}
		wg.Wait()
		s := ctl.Stats()
		if s.Refused.Total() != 0 || s.Admitted != 500 || s.Good != 500 {
			t.Errorf("%d refused, %d admitted, %d good", s.Refused.Total(), s.Admitted, s.Good)
		}
		// At five times the capacity of the one slot, it would refuse many.
		if n := s.WouldRefuse[penstock.ReasonSojourn][penstock.Sheddable]; n < 300 || n != s.WouldRefuse.Total() {
			t.Errorf("would have refused %+v", s.WouldRefuse)
		}
	})
}

func TestDrain(t *testing.T) {
	inBubble(t, oneSlot(time.Second), func(t *testing.T, ctl *admission.Controller) {
		running := acquire(t, ctl)
		var wg sync.WaitGroup
		wg.Go(func() { acquire(t, ctl).Done(penstock.OK) })
		synctest.Wait()
		ctl.Drain()
		_, err := ctl.Acquire(t.Context(), penstock.Work{})
		wantRefused(t, err, penstock.ReasonDraining)
		running.Done(penstock.OK)
		wg.Wait() // what waited got in
		s := ctl.Stats()
		if s.Good != 2 || s.Refused.Of(penstock.ReasonDraining) != 1 || s.Price != penstock.MaxPrice {
			t.Errorf("%d good, refused %v, price %d", s.Good, s.Refused, s.Price)
		}
	})
}

// Close stops the timer: what waits is not refused in time any more. Permits
// can still be returned.
func TestClose(t *testing.T) {
	inBubble(t, oneSlot(30*time.Millisecond), func(t *testing.T, ctl *admission.Controller) {
		p := acquire(t, ctl)
		done := make(chan error, 1)
		go func() {
			_, err := ctl.Acquire(t.Context(), penstock.Work{})
			done <- err
		}()
		synctest.Wait()
		ctl.Close()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Errorf("a closed controller has a timer: %v", err)
		default:
		}
		p.Done(penstock.OK)
		wantRefused(t, <-done, penstock.ReasonSojourn)
		ctl.Close()
	})
}

func TestExplain(t *testing.T) {
	cfg := admission.Config{Gates: []admission.Gate{{Name: "a", Limit: limit.Fixed(1)}, {Name: "b", Limit: limit.AIMD(30)}}, Seed: 1}
	inBubble(t, cfg, func(t *testing.T, ctl *admission.Controller) {
		want := "a: fixed at 1 by configuration\nb: limit 20.0, grows until work is lost, at most 30"
		if got := ctl.Explain(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestExplainRefusal(t *testing.T) {
	inBubble(t, oneSlot(10*time.Millisecond), func(t *testing.T, ctl *admission.Controller) {
		p := acquire(t, ctl)
		defer p.Done(penstock.OK)
		_, err := ctl.Acquire(t.Context(), penstock.Work{})
		re := wantRefused(t, err, penstock.ReasonSojourn)
		time.Sleep(3 * time.Second)
		got, ok := ctl.ExplainRefusal(re.ID)
		const want = "sojourn, 3s ago: it waited, or would have waited, longer than the 10ms that the room allowed. " +
			"Then: 1 of 1.0 slots taken over 1 gate(s), 0 of them by callers that had left; " +
			"0 waiting, the oldest for 0s; service p50 0s, p90 0s; level 0.00, price 0; retry after about 50ms."
		if !ok || got != want {
			t.Errorf("%v, %q", ok, got)
		}
		for _, id := range []penstock.RefusalID{0, re.ID - 1, re.ID + 1, 1 << 63} {
			if text, ok := ctl.ExplainRefusal(id); ok {
				t.Errorf("explains %v, which was never given: %q", id, text)
			}
		}
	})
}

// The memory of decisions is a ring: each tick's refusals for one reason are
// one decision.
func TestDecisionsAreForgotten(t *testing.T) {
	cfg := oneSlot(-1)
	core := admission.NewCore(cfg)
	mustAdmit(t, core, 0, 0, penstock.Work{})
	now := mono.Time(0)
	refuse := func() penstock.RefusalID {
		return mustRefuse(t, core, now, 0, penstock.Work{}, penstock.ReasonQueueFull)
	}
	first := refuse()
	if again := refuse(); again != first {
		t.Errorf("two refusals of one tick are %v and %v", first, again)
	}
	var second, last penstock.RefusalID
	for i := range admission.Decisions {
		now += 10 * ms
		core.Step(now)
		last = refuse()
		if i == 0 {
			second = last
		}
	}
	if _, ok := core.ExplainRefusal(now, first); ok {
		t.Error("still explains the decision before the last 65,536")
	}
	for _, id := range []penstock.RefusalID{second, last} {
		if text, ok := core.ExplainRefusal(now, id); !ok || !strings.HasPrefix(text, "queue_full, ") {
			t.Errorf("%v: %v, %q", id, ok, text)
		}
	}
}

// The shape of Stats, for everything that reads it.
func TestStatsGolden(t *testing.T) {
	cfg := admission.Config{
		Gates:  []admission.Gate{{Name: "east", Limit: limit.Fixed(2)}, {Name: "west", Limit: limit.AIMD(10)}},
		Routes: []admission.Route{{Name: "all", WaitFor: 8 * time.Millisecond, Cap: 16}}, Seed: 5,
	}
	inBubble(t, cfg, func(t *testing.T, ctl *admission.Controller) {
		work := []penstock.Work{
			{Criticality: penstock.CriticalPlus, Cohort: penstock.CohortAt(1)},
			{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(2)},
			{Cohort: penstock.CohortAt(3), Cost: 2},
		}
		var wg sync.WaitGroup
		for i := range 60 {
			time.Sleep(time.Millisecond)
			wg.Go(func() {
				p, err := ctl.Acquire(t.Context(), work[i%len(work)])
				if err != nil {
					return
				}
				time.Sleep(20*time.Millisecond + time.Duration(i)*time.Microsecond)
				if i%7 == 0 {
					p.Abandon()
					time.Sleep(5 * time.Millisecond)
				}
				p.Done([]penstock.Outcome{penstock.OK, penstock.OK, penstock.Dropped, penstock.Ignored}[i%4])
			})
		}
		s := ctl.Stats()
		for _, x := range []*float64{&s.Limit, &s.Little.L, &s.Little.Lambda, &s.Little.W, &s.Little.Gap, &s.Gates[1].Limit} {
			*x = math.Round(*x*1e6) / 1e6 // processors differ in the last digits
		}
		data, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "stats.json", append(data, '\n'))
		wg.Wait()
	})
}

// Level is 0.8 x in flight / limit while nothing waits, 0.8 + 0.2 x sojourn /
// bound while something does, and 1 while it refuses.
func TestLevel(t *testing.T) {
	cfg := admission.Config{Limit: limit.Fixed(10), Routes: []admission.Route{{WaitFor: time.Second}}, Seed: 1}
	inBubble(t, cfg, func(t *testing.T, ctl *admission.Controller) {
		level := func() float64 {
			for range 100 { // until the average over 100 ms has followed
				time.Sleep(admission.Tick)
				ctl.Stats()
			}
			return ctl.Pressure().Level
		}
		var permits []admission.Permit
		for _, want := range []float64{0, 0.08, 0.4, 0.8} {
			for len(permits) < int(want*10/0.8+0.5) {
				permits = append(permits, acquire(t, ctl))
			}
			if got := level(); got < want-0.001 || got > want+0.001 {
				t.Errorf("level %.3f with %d of 10 slots taken, want %.3f", got, len(permits), want)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := ctl.Acquire(t.Context(), penstock.Work{})
			wantRefused(t, err, penstock.ReasonSojourn)
		})
		time.Sleep(500 * time.Millisecond)
		ctl.Stats()
		if p := ctl.Pressure(); p.Level < 0.895 || p.Level > 0.905 || p.Delay < 490*time.Millisecond || p.Delay > 500*time.Millisecond {
			t.Errorf("%+v with one waiting for 500 ms of 1 s", p)
		}
		wg.Wait()
		full := false // for the tick after the refusal
		for range 2 * admission.Tick / time.Millisecond {
			p := ctl.Pressure()
			full = full || p.Level == 1 && p.Retry >= 50*time.Millisecond
			time.Sleep(time.Millisecond)
		}
		if !full {
			t.Errorf("%+v just after a refusal", ctl.Pressure())
		}
		for _, p := range permits {
			p.Done(penstock.OK)
		}
		if got := level(); got > 0.001 {
			t.Errorf("level %.3f when all is over", got)
		}
	})
}

// Work that names no cohort is placed by its flow, so that a price refuses some
// flows and not a share of each.
func TestFlowsAreRefusedWhole(t *testing.T) {
	cfg := admission.Config{Limit: limit.Fixed(4), Seed: 1}
	inBubble(t, cfg, func(t *testing.T, ctl *admission.Controller) {
		const flows, seconds = 16, 3
		var mu sync.Mutex
		priced := map[uint64]int{}
		var wg sync.WaitGroup
		for i := range 4000 * seconds { // ten times what four slots of 10 ms can do
			time.Sleep(250 * time.Microsecond)
			wg.Go(func() {
				flow := 1 + uint64(i)%flows
				p, err := ctl.Acquire(t.Context(), penstock.Work{Flow: flow})
				if re, ok := errors.AsType[*penstock.RejectedError](err); ok && re.Reason == penstock.ReasonPriority {
					mu.Lock()
					priced[flow]++
					mu.Unlock()
				} else if err == nil {
					time.Sleep(10 * time.Millisecond)
					p.Done(penstock.OK)
				}
			})
		}
		wg.Wait()
		offered, always, never := 4000*seconds/flows, 0, 0
		for f := range uint64(flows) {
			switch n := priced[f+1]; {
			case n < offered/20:
				never++
			case n > offered/3: // the door is open at times
				always++
			}
		}
		if never == 0 || always == 0 || never+always != flows {
			t.Errorf("refused for their rank, of %d each: %v", offered, priced)
		}
	})
}
