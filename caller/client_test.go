package caller_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

var shut = caller.Answer{Said: true, Signal: pressure.Signal{Level: 1, Price: penstock.MaxPrice, Retry: 100 * ms}}

// TestClient: what one call hears refuses the next to the same callee and route,
// and no other.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := caller.New(caller.Config{})
		k, err := c.Begin("stock", "/items", important, false)
		if err != nil {
			t.Fatal(err)
		}
		k.End(shut)
		_, err = c.Begin("stock", "/items", important, false)
		if refused, ok := errors.AsType[*penstock.RejectedError](err); !ok || refused.Reason != penstock.ReasonPriority || refused.RetryAfter != 100*ms {
			t.Errorf("the same again: %v", err)
		}
		if _, err := c.Begin("stock", "/prices", important, false); err != nil {
			t.Errorf("another route: %v", err)
		}
		if _, err := c.Begin("cart", "/items", important, false); err != nil {
			t.Errorf("another callee: %v", err)
		}
		if s := c.Pressure("stock", "/items"); s.Level != 1 || s.Price != penstock.MaxPrice {
			t.Errorf("the pressure is %+v", s)
		}
		if s := c.Fullest(); s.Level != 1 || s.Price != penstock.MaxPrice {
			t.Errorf("the fullest says %+v", s)
		}
		s := c.Stats()
		if s.Sent != 3 || s.Refused.Total() != 1 || s.Refused[penstock.ReasonPriority][penstock.CriticalPlus] != 1 || s.Peers != 3 {
			t.Errorf("stats %+v", s)
		}
		caller.Call{}.End(shut) // nothing, and no panic
	})
}

// TestDoor: a door remembers nothing until a request has been told something; then
// it refuses by it, and counts all that it let through.
func TestDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := caller.NewDoor()
		enter := func(a caller.Answer) error {
			k, err := door.Begin("", "/items", important, false)
			if err == nil {
				k.End(a)
			}
			return err
		}
		early, _ := door.Begin("", "/items", important, false)
		for range 10 {
			if err := enter(caller.Answer{Said: true}); err != nil {
				t.Fatalf("nothing was told: %v", err)
			}
		}
		if s := door.Stats(); s.Sent != 11 || s.Peers != 0 {
			t.Errorf("before anything was told: %+v", s)
		}
		for range 2 { // the first has it listen
			if err := enter(shut); err != nil {
				t.Fatalf("told as full: %v", err)
			}
		}
		if err := enter(shut); !errors.Is(err, penstock.ErrRejected) {
			t.Errorf("after that: %v", err)
		}
		if s := early.End(shut); s != shut.Signal {
			t.Errorf("one that began before anybody listened ends with %+v", s)
		}
		if s := door.Stats(); s.Sent != 13 || s.Refused.Total() != 1 || s.Peers != 1 {
			t.Errorf("in the end: %+v", s)
		}
		door = caller.NewDoor()
		late := important
		late.Deadline, late.HasDeadline = mono.Now(), true
		if _, err := door.Begin("", "/items", late, false); !errors.Is(err, penstock.ErrRejected) {
			t.Errorf("after its deadline, at a door that was told nothing: %v", err)
		}
	})
}

// A lent counts what a visit does with its slot.
type lent struct{ away, back int }

func (l *lent) Away() { l.away++ }
func (l *lent) Back() { l.back++ }

// TestVisitLends: the slot is away from the first call that is with a callee which
// has said how full it is until the last is back.
func TestVisitLends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := caller.New(caller.Config{})
		well := caller.Answer{Said: true, Signal: pressure.Signal{Level: 0.2}}
		begin := func(v *caller.Visit) caller.Call {
			k, err := c.Begin("a", "/", important, true)
			if err != nil {
				t.Fatal(err)
			}
			v.Went(k)
			return k
		}
		slot := &lent{}
		v := caller.NewVisit(important, nil)
		v.Lend(slot)
		end := func(v *caller.Visit, k caller.Call) { v.Came(k, well, k.End(well)) }
		end(v, begin(v))
		if *slot != (lent{}) {
			t.Errorf("a callee that had said nothing: %+v", *slot)
		}
		first, second := begin(v), begin(v)
		end(v, first)
		if *slot != (lent{1, 0}) {
			t.Errorf("one of two is back: %+v", *slot)
		}
		end(v, second)
		if *slot != (lent{1, 1}) {
			t.Errorf("both are back: %+v", *slot)
		}
		time.Sleep(2 * time.Second)
		end(v, begin(v))
		if *slot != (lent{1, 1}) {
			t.Errorf("a callee that has been silent for 2 s: %+v", *slot)
		}
		end(nil, begin(nil)) // optional calls have no visit
	})
}

// TestClientOfStrangers: routes without number do not make it grow.
func TestClientOfStrangers(t *testing.T) {
	c := caller.New(caller.Config{Peers: 50})
	for i := range 5000 {
		k, err := c.Begin("stock", fmt.Sprint("/items/", i), important, false)
		if err != nil {
			t.Fatal(err)
		}
		k.End(caller.Answer{})
	}
	if s := c.Stats(); s.Peers != 50 {
		t.Errorf("%d peers; want 50", s.Peers)
	}
}

// TestClientBulkhead: a callee that hangs holds as many calls as its bulkhead has
// places, and each end gives one back.
func TestClientBulkhead(t *testing.T) {
	c := caller.New(caller.Config{Bulkheads: map[string]int{"slow": 2}})
	var calls []caller.Call
	for range 2 {
		k, err := c.Begin("slow", "", important, false)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, k)
	}
	for range 500 { // a bound is a fact: nothing explores it
		if _, err := c.Begin("slow", "", important, false); !errors.Is(err, penstock.ErrRejected) {
			t.Fatalf("the third call: %v", err)
		}
	}
	if _, err := c.Begin("quick", "", important, false); err != nil {
		t.Errorf("another callee: %v", err)
	}
	calls[0].End(caller.Answer{})
	if _, err := c.Begin("slow", "", important, false); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	if s := c.Stats(); s.Refused[penstock.ReasonLimit][penstock.CriticalPlus] != 500 {
		t.Errorf("stats %+v", s)
	}
}

// TestClientKeepsPlaces: a call that is refused for another reason takes no place.
func TestClientKeepsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := caller.New(caller.Config{Bulkheads: map[string]int{"stock": 1}})
		k, _ := c.Begin("stock", "", important, false)
		k.End(shut)
		for range 10 {
			if _, err := c.Begin("stock", "", important, false); err == nil {
				t.Fatal("a call above the price went through")
			}
		}
		time.Sleep(time.Minute) // old news
		if _, err := c.Begin("stock", "", important, false); err != nil {
			t.Errorf("the place is gone: %v", err)
		}
	})
}

// TestClientConcurrently counts every call once.
func TestClientConcurrently(t *testing.T) {
	c := caller.New(caller.Config{Peers: 3, Bulkheads: map[string]int{"b": 4}})
	const goroutines, calls = 8, 500
	var refused, sent sync.Map
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			mine := [2]int{}
			for i := range calls {
				k, err := c.Begin([]string{"a", "b", "c", "d"}[i%4], "", penstock.Work{}, false)
				if err != nil {
					mine[0]++
					continue
				}
				mine[1]++
				a := caller.Answer{Said: i%3 == 0, Refused: i%5 == 0}
				a.Signal.Level = 0.9
				k.End(a)
			}
			refused.Store(g, mine[0])
			sent.Store(g, mine[1])
		})
	}
	wg.Wait()
	sum := func(m *sync.Map) (n int) {
		m.Range(func(_, v any) bool { n += v.(int); return true })
		return n
	}
	s := c.Stats()
	if int(s.Sent) != sum(&sent) || int(s.Refused.Total()) != sum(&refused) || s.Peers != 3 {
		t.Errorf("stats %+v; the callers count %d and %d", s, sum(&sent), sum(&refused))
	}
}

// TestVisit: calls made for a request carry on what it is, and tell it what they
// hear, unless they are optional.
func TestVisit(t *testing.T) {
	work := penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(9), Attempt: 2, Cost: 7, Flow: 5}
	v := caller.NewVisit(work, func() float64 { return 0.3 })
	ctx := penstock.WithVisit(t.Context(), v)
	out := caller.OutgoingOf(ctx).Work
	if out.Criticality != penstock.Sheddable || out.Cohort != penstock.CohortAt(9) || out.Attempt != 2 || out.Slots() != 1 || out.HasDeadline {
		t.Errorf("outgoing work %+v", out)
	}
	if got := penstock.PressureFrom(ctx); got != 0.3 {
		t.Errorf("its own level: %v", got)
	}
	caller.VisitOf(ctx).Heard(pressure.Signal{Level: 0.9, Price: 200})
	caller.VisitOf(ctx).Heard(pressure.Signal{Level: 0.5, Price: 700})
	caller.VisitOf(ctx).RefusedBelow()
	if s, refused := v.Path(); s.Level != 0.9 || s.Price != 700 || !refused || penstock.PressureFrom(ctx) != 0.9 {
		t.Errorf("the path is %+v, %v at %v", s, refused, penstock.PressureFrom(ctx))
	}
	optional := caller.Optional(ctx)
	if caller.VisitOf(optional) != nil || caller.OutgoingOf(optional).Work.Criticality != penstock.Sheddable {
		t.Error("an optional call must carry on the work, and tell nothing")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(penstock.WithVisit(t.Context(), v), time.Second)
		defer cancel()
		if w := caller.OutgoingOf(ctx).Work; !w.HasDeadline {
			t.Error("the context's deadline does not travel on")
		}
	})
}

func ExampleGather() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	got, missing := caller.Gather(ctx, map[string]func(context.Context) (string, error){
		"price": func(context.Context) (string, error) { return "12.00", nil },
		"reviews": func(context.Context) (string, error) {
			return "", &penstock.RejectedError{Reason: penstock.ReasonPriority}
		},
	})
	fmt.Println(got)
	fmt.Println(missing)
	// Output:
	// map[price:12.00]
	// map[reviews:penstock: rejected: priority]
}

// A place taken and given back: a fixed limit that measures nothing.
func BenchmarkBulkhead(b *testing.B) {
	h := caller.NewBulkhead(10)
	for b.Loop() {
		if !h.Enter() {
			b.Fatal("full")
		}
		h.Leave()
	}
}

func BenchmarkCall(b *testing.B) {
	for name, answer := range map[string]caller.Answer{
		"said":   {Said: true, Signal: pressure.Signal{Level: 0.5}},
		"silent": {},
	} {
		b.Run("callee="+name, func(b *testing.B) {
			c := caller.New(caller.Config{})
			b.ReportAllocs()
			for b.Loop() {
				k, _ := c.Begin("stock:8080", "/items", important, false)
				k.End(answer)
			}
		})
	}
	b.Run("refused", func(b *testing.B) {
		c := caller.New(caller.Config{})
		k, _ := c.Begin("stock:8080", "/items", important, false)
		k.End(shut)
		b.ReportAllocs()
		for b.Loop() {
			if k, err := c.Begin("stock:8080", "/items", batch, false); err == nil {
				k.End(shut)
			}
		}
	})
}
