package admission_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// askFirst is the property that whoever asks RefuseNow before each Offer sees
// and leaves what Offer alone would have: two cores live the same life, and one
// of them is asked first. It returns how many were refused that way, and how
// many otherwise.
func askFirst(t *rapid.T) (early, late int) {
	law := rapid.SampledFrom([]func() limit.Law{limit.Default, func() limit.Law { return limit.Fixed(2) }}).Draw(t, "law")
	wait := rapid.SampledFrom([]time.Duration{0, 5 * time.Millisecond, -1}).Draw(t, "wait for")
	slots := rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "cap")
	// Gates that may shut or be probed draw lots whenever the core looks at them.
	gates, zombies := 1, true
	if law().Limit() == 2 && rapid.Bool().Draw(t, "many gates") {
		gates, zombies = 3, false
	}
	observe := rapid.IntRange(0, 9).Draw(t, "observe") == 0
	seed := rapid.Uint64Min(1).Draw(t, "seed")
	build := func() *admission.Core {
		cfg := admission.Config{Seed: seed, Observe: observe, Routes: []admission.Route{{WaitFor: wait, Cap: slots}}}
		for i := range gates {
			cfg.Gates = append(cfg.Gates, admission.Gate{Name: string(rune('a' + i)), Limit: law()})
			cfg.Routes[0].Gates = append(cfg.Routes[0].Gates, i)
		}
		return admission.NewCore(cfg)
	}
	plain, asked := build(), build()
	rng := rand.New(rand.NewPCG(seed, 2))
	gap := rapid.SampledFrom([]int64{1e5, 1e6, 2e7}).Draw(t, "mean gap")
	running, now := []admission.Ticket{}, mono.Time(0)
	same := func(what string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s: %+v; asked first, %+v", what, a, b)
		}
	}
	settle := func() {
		for {
			a, ok := plain.Settled()
			b, also := asked.Settled()
			same("settled", [2]any{a, ok}, [2]any{b, also})
			if !ok {
				return
			}
			if a.State == admission.Admitted {
				running = append(running, a.Ticket)
			}
		}
	}
	for range rapid.IntRange(1, 3000).Draw(t, "events") {
		now = now.Add(time.Duration(rng.Int64N(2 * gap)))
		plain.Step(now) // else the question brings the prices up to date for the offer behind it
		asked.Step(now)
		settle()
		switch rng.IntN(10) {
		case 0, 1:
			if n := len(running); n > 0 {
				i := rng.IntN(n)
				same("done", plain.Done(now, running[i], penstock.OK), asked.Done(now, running[i], penstock.OK))
				running[i] = running[n-1]
				running = running[:n-1]
			}
		case 2:
			if n := len(running); n > 0 && zombies {
				i := running[rng.IntN(n)]
				same("abandon", plain.Abandon(now, i), asked.Abandon(now, i))
			}
		default:
			w := penstock.Work{Criticality: penstock.Criticality(1 + rng.IntN(4)), Cohort: penstock.CohortAt(rng.Uint64()), Cost: rng.IntN(3)}
			if rng.IntN(3) == 0 {
				w.Deadline, w.HasDeadline = now.Add(time.Duration(rng.IntN(40e6))), true
			}
			d := plain.Offer(now, 0, w)
			var b admission.Decision
			if err := asked.RefuseNow(now, 0, w); err != nil {
				early++
				b.Refusal = err
			} else if b = asked.Offer(now, 0, w); b.State == admission.Refused {
				late++
			}
			same("decision", d, b)
			if d.State == admission.Admitted {
				running = append(running, d.Ticket)
			}
		}
		settle()
	}
	same("stats", plain.Stats(now), asked.Stats(now))
	plain.Drain(now)
	asked.Drain(now)
	settle()
	same("draining", plain.Offer(now, 0, penstock.Work{}).Refusal, asked.RefuseNow(now, 0, penstock.Work{}))
	return early, late
}

func TestAskingFirstChangesNothing(t *testing.T) {
	early, late := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		e, l := askFirst(t)
		early, late = early+e, late+l
	})
	if early == 0 || late*10 > early {
		t.Errorf("%d refused at the first question, %d only at the second", early, late)
	}
}

func FuzzAskingFirst(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { askFirst(t) }))
}

// A Controller answers early only while its room refuses, and counts what it
// refuses like any other refusal.
func TestRefuseNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := admission.New(admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: -1}}})
		defer ctl.Close()
		full := func() error {
			_, err := ctl.Acquire(t.Context(), penstock.Work{})
			return err
		}
		permit, err := ctl.Acquire(t.Context(), penstock.Work{})
		if err != nil {
			t.Fatal(err)
		}
		if ctl.Refusing() || ctl.RefuseNow(0, penstock.Work{}) != nil {
			t.Error("refuses early though nothing was refused yet")
		}
		if err := full(); !errors.Is(err, penstock.ErrRejected) {
			t.Fatal(err)
		}
		time.Sleep(admission.Tick + 1) // the next tick tells
		if !ctl.Refusing() {
			t.Fatal("a refusal does not show")
		}
		early := ctl.RefuseNow(0, penstock.Work{})
		if early == nil || early.Reason != penstock.ReasonQueueFull {
			t.Fatalf("refused early: %v", early)
		}
		if text, ok := ctl.ExplainRefusal(early.ID); !ok || text == "" {
			t.Error("the refusal cannot be explained")
		}
		if s := ctl.Stats(); s.Offered != 3 || s.Admitted != 1 || s.Refused.Of(penstock.ReasonQueueFull) != 2 {
			t.Errorf("offered %d, admitted %d, refused %v", s.Offered, s.Admitted, s.Refused[penstock.ReasonQueueFull])
		}
		permit.Done(penstock.OK)
		if err := ctl.RefuseNow(0, penstock.Work{}); err != nil {
			t.Errorf("a slot is free: %v", err)
		}
		if s := ctl.Stats(); s.Offered != 3 {
			t.Errorf("a question that refused nothing was counted: %d offered", s.Offered)
		}
		time.Sleep(3 * admission.Tick)
		if ctl.Refusing() {
			t.Error("nothing was refused for two ticks, and it still refuses")
		}
	})
}
