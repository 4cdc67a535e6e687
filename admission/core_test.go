package admission_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

const ms = mono.Time(time.Millisecond)

// settled reads every decision that is ready.
func settled(c *admission.Core) (all []admission.Decision) {
	for d, ok := c.Settled(); ok; d, ok = c.Settled() {
		all = append(all, d)
	}
	return all
}

func mustAdmit(t *testing.T, c *admission.Core, now mono.Time, route int, w penstock.Work) admission.Ticket {
	t.Helper()
	d := c.Offer(now, route, w)
	if d.State != admission.Admitted {
		t.Fatalf("at %v: state %d, refusal %v; want admitted", time.Duration(now), d.State, d.Refusal)
	}
	return d.Ticket
}

func mustWait(t *testing.T, c *admission.Core, now mono.Time, route int, w penstock.Work) admission.Ticket {
	t.Helper()
	d := c.Offer(now, route, w)
	if d.State != admission.Waiting {
		t.Fatalf("at %v: state %d, refusal %v; want waiting", time.Duration(now), d.State, d.Refusal)
	}
	return d.Ticket
}

func mustRefuse(t *testing.T, c *admission.Core, now mono.Time, route int, w penstock.Work, why penstock.Reason) penstock.RefusalID {
	t.Helper()
	d := c.Offer(now, route, w)
	if d.State != admission.Refused || d.Refusal.Reason != why {
		t.Fatalf("at %v: state %d, refusal %v; want refused for %v", time.Duration(now), d.State, d.Refusal, why)
	}
	return d.Refusal.ID
}

func mustSettle(t *testing.T, c *admission.Core, want ...admission.Decision) {
	t.Helper()
	got := settled(c)
	if len(got) != len(want) {
		t.Fatalf("%d decisions %+v, want %d", len(got), got, len(want))
	}
	for i, d := range got {
		if d.Ticket != want[i].Ticket || d.State != want[i].State || d.Gate != want[i].Gate {
			t.Fatalf("decision %d is %+v, want %+v", i, d, want[i])
		}
		if d.State == admission.Refused && d.Refusal.Reason != want[i].Refusal.Reason {
			t.Fatalf("decision %d is refused for %v, want %v", i, d.Refusal.Reason, want[i].Refusal.Reason)
		}
	}
}

func admitted(t admission.Ticket) admission.Decision {
	return admission.Decision{State: admission.Admitted, Ticket: t}
}

func refusedFor(t admission.Ticket, why penstock.Reason) admission.Decision {
	return admission.Decision{State: admission.Refused, Ticket: t, Refusal: &penstock.RejectedError{Reason: why}}
}

// One core, every reason that it refuses for itself.
func TestReasons(t *testing.T) {
	c := admission.NewCore(admission.Config{
		Limit: limit.Fixed(1),
		Routes: []admission.Route{
			{Name: "main", WaitFor: 20 * time.Millisecond, Order: queue.FIFO},
			{Name: "capped", Cap: 2, WaitFor: 20 * time.Millisecond, Order: queue.FIFO},
			{Name: "no waiting", WaitFor: -1, Order: queue.FIFO},
		},
	})
	first := mustAdmit(t, c, 0, 1, penstock.Work{})
	mustRefuse(t, c, 0, 2, penstock.Work{}, penstock.ReasonQueueFull)
	mustRefuse(t, c, 1*ms, 0, penstock.Work{Deadline: 1 * ms, HasDeadline: true}, penstock.ReasonDeadline)
	waits := mustWait(t, c, 1*ms, 1, penstock.Work{})
	mustRefuse(t, c, 1*ms, 1, penstock.Work{}, penstock.ReasonLimit)
	hasty := mustWait(t, c, 2*ms, 0, penstock.Work{Deadline: 7 * ms, HasDeadline: true})
	if at, ok := c.Next(); !ok || at != 7*ms {
		t.Fatalf("next is %v, %v; want the end of the deadline at 7ms", at, ok)
	}
	c.Step(7*ms - 1)
	mustSettle(t, c)
	c.Step(7 * ms)
	mustSettle(t, c, refusedFor(hasty, penstock.ReasonDeadline))
	c.Step(21*ms - 1)
	mustSettle(t, c)
	c.Step(21 * ms)
	mustSettle(t, c, refusedFor(waits, penstock.ReasonSojourn))
	c.Done(22*ms, first, penstock.OK)
	c.Drain(23 * ms)
	mustRefuse(t, c, 23*ms, 0, penstock.Work{}, penstock.ReasonDraining)
	s := c.Stats(24 * ms)
	want := map[penstock.Reason]uint64{
		penstock.ReasonQueueFull: 1, penstock.ReasonDeadline: 2, penstock.ReasonLimit: 1,
		penstock.ReasonSojourn: 1, penstock.ReasonDraining: 1,
	}
	for r := range penstock.Reason(penstock.Reasons) {
		if got := s.Refused.Of(r); got != want[r] {
			t.Errorf("%d refused for %v, want %d", got, r, want[r])
		}
	}
}

// Work that could not finish in time is refused on arrival, and told why.
func TestDoomedWorkIsRefusedOnArrival(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: 25 * time.Millisecond}}})
	now := mono.Time(0)
	for range 50 { // service takes 10 ms
		p := mustAdmit(t, c, now, 0, penstock.Work{})
		now += 10 * ms
		c.Done(now, p, penstock.OK)
	}
	now += 1 * ms
	mustAdmit(t, c, now, 0, penstock.Work{})
	for range 3 { // the wait behind three is beyond the bound, that behind two is not
		mustWait(t, c, now, 0, penstock.Work{})
	}
	mustWait(t, c, now, 0, penstock.Work{}) // to test the estimate
	if s := c.Stats(now); s.Explored != 1 {
		t.Errorf("%d explored, want 1", s.Explored)
	}
	mustRefuse(t, c, now, 0, penstock.Work{}, penstock.ReasonSojourn)
	mustRefuse(t, c, now, 0, penstock.Work{Deadline: now + 30*ms, HasDeadline: true}, penstock.ReasonDeadline)
	for range 500 { // one of a hundred
		c.Offer(now, 0, penstock.Work{})
	}
	if s := c.Stats(now); s.Explored != 6 {
		t.Errorf("%d explored of 503, want 6", s.Explored)
	}
	// Nothing of its own importance or above is in the way of this one.
	mustWait(t, c, now, 0, penstock.Work{Criticality: penstock.CriticalPlus, Deadline: now + 30*ms, HasDeadline: true})
}

// A burst of work that says its deadline may wait it out. Once a queue stands, and for
// work that says nothing, the room's own bound holds.
func TestBurstWaits(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(1)})
	now := mono.Time(0)
	for range 50 { // service takes 10 ms, so the bound is 40
		p := mustAdmit(t, c, now, 0, penstock.Work{})
		now += 10 * ms
		c.Done(now, p, penstock.OK)
	}
	now += 1 * ms
	p := mustAdmit(t, c, now, 0, penstock.Work{})
	patient := func() penstock.Work { return penstock.Work{Deadline: now + 1000*ms, HasDeadline: true} }
	for range 20 {
		mustWait(t, c, now, 0, patient())
	}
	mustWait(t, c, now, 0, penstock.Work{}) // to test the estimate
	mustRefuse(t, c, now, 0, penstock.Work{}, penstock.ReasonSojourn)
	mustRefuse(t, c, now, 0, patient(), penstock.ReasonSojourn) // 200 ms are five times as much

	for range 300 {
		now += 10 * ms
		c.Done(now, p, penstock.OK)
		for range 10 { // and the queue stands
			c.Offer(now, 0, patient())
		}
		for d, ok := c.Settled(); ok; d, ok = c.Settled() {
			if d.State == admission.Admitted {
				p = d.Ticket
			}
		}
	}
	now += 40 * ms
	c.Step(now)
	if waiting := c.Stats(now).Waiting; waiting > 0 {
		t.Errorf("%d have waited for more than 40 ms in a queue that stands", waiting)
	}
}

// A full room makes way for work that matters more, and for nothing else.
func TestFullRoom(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: time.Hour}}})
	mustAdmit(t, c, 0, 0, penstock.Work{})
	weak := penstock.Work{Criticality: penstock.Sheddable}
	var last admission.Ticket
	for range admission.RoomLength {
		last = mustWait(t, c, 0, 0, weak)
	}
	mustRefuse(t, c, 0, 0, weak, penstock.ReasonQueueFull)
	mustWait(t, c, 0, 0, penstock.Work{Criticality: penstock.CriticalPlus})
	mustSettle(t, c, refusedFor(last, penstock.ReasonPriority))
	if s := c.Stats(0); s.Waiting != admission.RoomLength {
		t.Errorf("%d wait in a room for %d", s.Waiting, admission.RoomLength)
	}
}

// Work that the head of the room stood in front of starts as soon as the head
// has gone.
func TestHeadOfLine(t *testing.T) {
	for _, c := range []struct {
		name string
		gone func(*admission.Core, admission.Ticket)
		want func(head, next admission.Ticket) []admission.Decision
	}{
		{
			"leaves", func(c *admission.Core, head admission.Ticket) { c.Leave(5*ms, head) },
			func(_, next admission.Ticket) []admission.Decision { return []admission.Decision{admitted(next)} },
		},
		{
			"expires", func(c *admission.Core, _ admission.Ticket) { c.Stats(6 * ms) },
			func(head, next admission.Ticket) []admission.Decision {
				return []admission.Decision{refusedFor(head, penstock.ReasonDeadline), admitted(next)}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			core := admission.NewCore(admission.Config{Limit: limit.Fixed(3), Routes: []admission.Route{{Order: queue.FIFO}}})
			mustAdmit(t, core, 0, 0, penstock.Work{Cost: 2})
			head := mustWait(t, core, 1*ms, 0, penstock.Work{Cost: 2, Deadline: 6 * ms, HasDeadline: true})
			next := mustWait(t, core, 2*ms, 0, penstock.Work{})
			mustSettle(t, core)
			c.gone(core, head)
			mustSettle(t, core, c.want(head, next)...)
		})
	}
}

// A limit of 0.25 runs one at a time, for a quarter of the time.
func TestFractionalLimit(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(0.25), Routes: []admission.Route{{WaitFor: time.Second}}})
	p := mustAdmit(t, c, 0, 0, penstock.Work{})
	waits := mustWait(t, c, 1*ms, 0, penstock.Work{})
	c.Done(10*ms, p, penstock.OK)
	mustSettle(t, c)
	for {
		at, ok := c.Next()
		if !ok || at > 40*ms {
			t.Fatalf("next is %v, %v; want 40ms, when 10 ms are a quarter", at, ok)
		}
		c.Step(at)
		if at == 40*ms {
			break
		}
		mustSettle(t, c)
	}
	mustSettle(t, c, admitted(waits))

	// A limit of 1 or more has no such pauses, from the moment that it holds.
	c.Done(50*ms, waits, penstock.OK)
	if err := c.Reconfigure(51*ms, admission.Config{Gates: []admission.Gate{{Limit: limit.Fixed(1)}}}); err != nil {
		t.Fatal(err)
	}
	mustAdmit(t, c, 51*ms, 0, penstock.Work{})
}

// An answer frees no slot, but what it says may raise the limit.
func TestAnsweredMayRaiseTheLimit(t *testing.T) {
	law := limit.AIMD(100) // starts at 20
	c := admission.NewCore(admission.Config{Limit: law})
	var running []admission.Ticket
	for range 20 {
		running = append(running, mustAdmit(t, c, 0, 0, penstock.Work{}))
	}
	waits := mustWait(t, c, 0, 0, penstock.Work{})
	for k := 0; law.Limit() < 20.5; k++ { // a limit of 20.5 means 21 slots
		mustSettle(t, c)
		c.Answered(1*ms, running[k], penstock.OK)
	}
	mustSettle(t, c, admitted(waits))
	if c.Answered(2*ms, running[0], penstock.OK) {
		t.Error("answered twice")
	}
	c.Abandon(2*ms, running[0])
	c.Done(3*ms, running[0], penstock.OK)
	if s := c.Stats(3 * ms); s.Wasted != 0 {
		t.Errorf("%d wasted: what was answered in time was not for nothing", s.Wasted)
	}
}

func TestFinishedTooLateIsWasted(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(5)})
	inTime := mustAdmit(t, c, 0, 0, penstock.Work{Deadline: 10 * ms, HasDeadline: true})
	late := mustAdmit(t, c, 0, 0, penstock.Work{Deadline: 10 * ms, HasDeadline: true})
	lost := mustAdmit(t, c, 0, 0, penstock.Work{Deadline: 10 * ms, HasDeadline: true})
	failed := mustAdmit(t, c, 0, 0, penstock.Work{Deadline: 10 * ms, HasDeadline: true})
	ghost := mustAdmit(t, c, 0, 0, penstock.Work{})
	c.Done(10*ms, inTime, penstock.OK)
	c.Done(10*ms+1, late, penstock.OK)
	c.Done(10*ms+1, lost, penstock.Dropped)
	c.Done(10*ms+1, failed, penstock.Ignored)
	c.Abandon(11*ms, ghost)
	c.Done(12*ms, ghost, penstock.OK)
	s := c.Stats(12 * ms)
	if s.Good != 1 || s.Wasted != 2 || s.Dropped != 3 || s.Ignored != 1 || s.Zombies != 0 {
		t.Errorf("good %d, wasted %d, dropped %d, ignored %d, zombies %d; want 1, 2, 3, 1, 0", s.Good, s.Wasted, s.Dropped, s.Ignored, s.Zombies)
	}
}

func TestReconfigureMovesWhatWaits(t *testing.T) {
	gates := func(names ...string) (all []admission.Gate) {
		for _, n := range names {
			all = append(all, admission.Gate{Name: n, Limit: limit.Fixed(1)})
		}
		return all
	}
	routes := func(names ...string) (all []admission.Route) {
		for i, n := range names {
			all = append(all, admission.Route{Name: n, Gates: []int{i}, WaitFor: time.Second, Order: queue.FIFO})
		}
		return all
	}
	c := admission.NewCore(admission.Config{Gates: gates("a", "b", "c"), Routes: routes("x", "y", "z")})
	x := mustAdmit(t, c, 0, 0, penstock.Work{})
	y := mustAdmit(t, c, 0, 1, penstock.Work{})
	z := mustAdmit(t, c, 0, 2, penstock.Work{})
	leaves := mustWait(t, c, 1*ms, 2, penstock.Work{})
	y1 := mustWait(t, c, 1*ms, 1, penstock.Work{})
	c.Leave(1*ms, leaves) // so that the order of slots is not that of arrival
	x1 := mustWait(t, c, 2*ms, 0, penstock.Work{})
	z1 := mustWait(t, c, 3*ms, 2, penstock.Work{})
	y2 := mustWait(t, c, 4*ms, 1, penstock.Work{})

	// Now "x" and "y" share the gates "a" and "b", and "z" is gone.
	next := admission.Config{Gates: gates("b", "a"), Routes: routes("y", "x")}
	for i := range next.Routes {
		next.Routes[i].Gates = nil
	}
	if err := c.Reconfigure(5*ms, next); err != nil {
		t.Fatal(err)
	}
	mustSettle(t, c, refusedFor(z1, penstock.ReasonDraining))
	for name, want := range map[string]int{"x": 0, "y": 1} {
		if got, ok := c.RouteIndex(name); !ok || got != want {
			t.Errorf("route %q has index %d, %v; want %d as before", name, got, ok, want)
		}
	}
	if _, ok := c.RouteIndex("z"); ok {
		t.Error("route z is still there")
	}
	mustRefuse(t, c, 5*ms, 2, penstock.Work{}, penstock.ReasonDraining)

	// They are served in the order in which they came, whatever they came by.
	c.Done(6*ms, z, penstock.OK) // frees nothing that is configured
	mustSettle(t, c)
	c.Done(7*ms, y, penstock.OK)
	mustSettle(t, c, admission.Decision{State: admission.Admitted, Ticket: y1, Gate: 1})
	c.Done(8*ms, x, penstock.OK)
	mustSettle(t, c, admission.Decision{State: admission.Admitted, Ticket: x1})
	c.Done(9*ms, x1, penstock.OK)
	mustSettle(t, c, admission.Decision{State: admission.Admitted, Ticket: y2})
}

// A configuration for which there is no place changes nothing.
func TestReconfigureFits(t *testing.T) {
	var full admission.Config
	for i := range admission.MaxGates {
		full.Gates = append(full.Gates, admission.Gate{Name: fmt.Sprint("old", i), Limit: limit.Fixed(1)})
	}
	c := admission.NewCore(full)
	p := mustAdmit(t, c, 0, 0, penstock.Work{})
	held := c.GateName(0)
	for i := range admission.MaxGates {
		if s := c.Stats(0); s.Gates[i].InFlight > 0 {
			held = s.Gates[i].Name
			break
		}
	}
	next := full
	next.Gates = nil
	for i := range admission.MaxGates {
		next.Gates = append(next.Gates, admission.Gate{Name: fmt.Sprint("new", i), Limit: limit.Fixed(7)})
	}
	if err := c.Reconfigure(1*ms, next); err == nil || !strings.Contains(err.Error(), "more than 1024 gates") {
		t.Fatalf("error %v; want that there are too many gates", err)
	}
	if s := c.Stats(1 * ms); s.Limit != admission.MaxGates || len(s.Gates) != admission.MaxGates {
		t.Fatalf("the limits now sum up to %v over %d gates", s.Limit, len(s.Gates))
	}
	c.Done(2*ms, p, penstock.OK)
	if err := c.Reconfigure(3*ms, next); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(3 * ms); s.Limit != 7*admission.MaxGates || strings.Contains(fmt.Sprint(s.Gates), held) {
		t.Errorf("the limits sum up to %v", s.Limit)
	}
}

func TestValidate(t *testing.T) {
	two := []admission.Gate{{Name: "a"}, {Name: "b"}}
	twisted := []admission.Route{{Name: "x", Gates: []int{2}, Cap: -1, Order: 9}, {Name: "x", Gates: []int{0, 0}}}
	atOdds := []admission.Route{
		{Name: "x", Gates: []int{1, 0}}, {Name: "y", Order: queue.LIFO}, {Name: "z", Gates: []int{1}, Order: queue.LIFO},
	}
	for _, c := range []struct {
		name string
		cfg  admission.Config
		want []string // parts of the error; none: it is valid
	}{
		{"zero", admission.Config{}, nil},
		{"one pool", admission.Config{Gates: two}, nil},
		{"limit and gates", admission.Config{Gates: two, Limit: limit.Fixed(1)}, []string{"Limit is the law of a lone gate"}},
		{"same gate name", admission.Config{Gates: []admission.Gate{{Name: "a"}, {Name: "a"}}}, []string{`gates 0 and 1 are both named "a"`}},
		{"everything about a route", admission.Config{Gates: two, Routes: twisted}, []string{
			"must be indices from 0 to 1", "Cap is -1", "unknown order 9",
			`routes 0 and 1 are both named "x"`, "names a gate twice",
		}},
		{"one room, two orders", admission.Config{Gates: two, Routes: atOdds}, []string{`routes 0 ("x") and 1 ("y") share a waiting room`}},
		{"too many gates", admission.Config{Gates: make([]admission.Gate, admission.MaxGates+1)}, []string{"1025 gates, at most 1024"}},
		{"too many routes", admission.Config{Routes: make([]admission.Route, admission.MaxRoutes+1)}, []string{"4097 routes, at most 4096"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.cfg.Validate()
			if (err == nil) != (len(c.want) == 0) {
				t.Fatalf("error %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q:\n%v", part, err)
				}
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("NewCore took a configuration that is not valid")
		}
	}()
	admission.NewCore(admission.Config{Gates: two, Limit: limit.Fixed(1)})
}

// Observe mode admits everything but what an order refuses, and counts.
func TestObserve(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(1), Observe: true, Routes: []admission.Route{{WaitFor: -1, Cap: 3}}})
	for range 3 {
		mustAdmit(t, c, 0, 0, penstock.Work{})
	}
	mustAdmit(t, c, 0, 0, penstock.Work{})
	mustAdmit(t, c, 1*ms, 0, penstock.Work{Criticality: penstock.Sheddable, Deadline: 1 * ms, HasDeadline: true})
	s := c.Stats(1 * ms)
	if s.Refused.Total() != 0 || s.Admitted != 5 || s.InFlight != 5 {
		t.Errorf("%d refused, %d admitted, %d in flight; want 0, 5, 5", s.Refused.Total(), s.Admitted, s.InFlight)
	}
	w := s.WouldRefuse
	if w[penstock.ReasonQueueFull][penstock.Critical] != 2 || w[penstock.ReasonLimit][penstock.Critical] != 1 ||
		w[penstock.ReasonDeadline][penstock.Sheddable] != 1 || w.Total() != 4 {
		t.Errorf("would have refused %+v", w)
	}
	c.Drain(2 * ms)
	mustRefuse(t, c, 2*ms, 0, penstock.Work{}, penstock.ReasonDraining)
}

// Instants that go backwards are taken as the latest seen.
func TestTimeGoesBackwards(t *testing.T) {
	c := admission.NewCore(admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: 10 * time.Millisecond}}})
	p := mustAdmit(t, c, 100*ms, 0, penstock.Work{})
	mustWait(t, c, 40*ms, 0, penstock.Work{})
	if at, ok := c.Next(); !ok || at != 110*ms {
		t.Errorf("next is %v, %v; want 110ms", at, ok)
	}
	c.Done(-5*ms, p, penstock.OK)
	if s := c.Stats(0); s.InFlight != 1 || s.Service.P99 > time.Microsecond {
		t.Errorf("%d in flight, service %v", s.InFlight, s.Service)
	}
}

// TestExplainBurst: what a refusal names is how long the work itself might have
// waited: in a burst, longer than in a queue that stands.
func TestExplainBurst(t *testing.T) {
	core := admission.NewCore(admission.Config{Limit: limit.Fixed(1), Seed: 1})
	now := mono.Time(0)
	for range 30 {
		d := core.Offer(now, 0, penstock.Work{})
		now = now.Add(10 * time.Millisecond)
		core.Done(now, d.Ticket, penstock.OK)
	}
	allowed := 5 * 4 * core.Stats(now).Service.P50
	for range 1000 {
		d := core.Offer(now, 0, penstock.Work{HasDeadline: true, Deadline: now.Add(time.Minute)})
		if d.State != admission.Refused {
			continue
		}
		want := fmt.Sprintf("longer than the %v that the room allowed", allowed.Round(10*time.Microsecond))
		if got, _ := core.ExplainRefusal(now, d.Refusal.ID); !strings.Contains(got, want) {
			t.Errorf("%q; want %q", got, want)
		}
		return
	}
	t.Error("nothing was refused")
}
