package limit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// An engine drives a law with work whose reply time depends on how much is in
// flight, one round after another: as much as is offered and the limit allows
// enters at once, and leaves at once.
type engine struct {
	law     limit.Law
	now     mono.Time
	replyIn func(inFlight int) time.Duration
	late    bool
	hangs   int // of each round, never come back
}

func newEngine(replyIn func(int) time.Duration) *engine {
	return &engine{law: limit.Default(), replyIn: replyIn}
}

// saturated is a server of so many workers, each of which takes 10 ms.
func saturated(workers int) func(int) time.Duration {
	return func(inFlight int) time.Duration {
		return 10 * ms * time.Duration(max(workers, inFlight)) / time.Duration(workers)
	}
}

func (e *engine) slots() int { return max(1, int(math.Round(e.law.Limit()))) }

func (e *engine) round(offered int) {
	n := min(offered, e.slots())
	began := e.now
	for k := 1; k <= n; k++ {
		e.law.(limit.Starter).Start(began, k)
	}
	took := e.replyIn(n)
	for k := 1; k <= n; k++ {
		if k > n-e.hangs {
			break
		}
		// Replies come one after another, the last when all have been served.
		e.now = began.Add(took * time.Duration(k) / time.Duration(n))
		s := limit.Sample{Started: began, InFlightAtStart: k, Cost: 1}
		if e.late {
			s.Outcome, s.Late = penstock.Dropped, true
		}
		e.law.Observe(e.now, s)
	}
	e.step()
}

// step keeps to what the law asks for, and sees that it does not ask in vain.
func (e *engine) step() {
	for at, ok := e.law.Next(); ok && at <= e.now; at, ok = e.law.Next() {
		e.law.(limit.Stepper).Step(e.now)
		if again, ok := e.law.Next(); ok && again <= e.now {
			panic("the law asks to be stepped again at once")
		}
	}
}

// A law that is not filled has nothing to learn.
func TestDefaultHoldsWhileNotFilled(t *testing.T) {
	e := newEngine(func(int) time.Duration { return 10 * ms })
	was := e.law.Limit()
	for range 5000 {
		e.round(3)
		if e.law.Limit() != was {
			t.Fatalf("the limit moves to %g, with 3 of %g slots taken", e.law.Limit(), was)
		}
	}
	if _, timed := e.law.Next(); timed {
		t.Error("asks to be stepped though nothing is going on")
	}
}

func TestDefaultFindsTheKnee(t *testing.T) {
	for _, workers := range []int{1, 4, 16, 64, 256} {
		e := newEngine(saturated(workers))
		for range 3000 {
			e.round(10_000)
		}
		lowest, highest := math.Inf(1), 0.0
		for range 1000 {
			e.round(10_000)
			highest = max(highest, e.law.Limit())
			if !strings.Contains(e.law.Explain(), "in a dip") {
				lowest = min(lowest, e.law.Limit())
			}
		}
		// Replies of a round take half of its length in the mean, so that the
		// knee of these plants is soft: what counts is the order of size.
		if w := float64(workers); lowest < 0.75*w || highest > 4*w+4 {
			t.Errorf("%d workers: between %g and %g slots", workers, lowest, highest)
		}
	}
}

// When most of what was sent is late, the limit halves: at once, and not again
// until what was sent afterwards is late too.
// A window whose work hangs is not waited for: the limit still finds its place.
func TestDefaultDoesNotWaitForWorkThatHangs(t *testing.T) {
	e := newEngine(saturated(8))
	began := e.law.Limit()
	for i := range 3000 {
		e.hangs = 0
		if i%4 == 0 {
			e.hangs = 1
		}
		e.round(1000)
	}
	if got := e.law.Limit(); got == began || got > 60 || got < 8 {
		t.Errorf("limit %g, from %g, where a call hangs in every fourth gateful: %s", got, began, e.law.Explain())
	}
}

func TestDefaultHalvesOnLates(t *testing.T) {
	law := limit.Default()
	var now mono.Time
	lose := func(started mono.Time, inFlight int) {
		law.Observe(now, limit.Sample{Started: started, InFlightAtStart: inFlight, Outcome: penstock.Dropped, Late: true, Cost: 1})
	}
	for _, want := range []float64{8, 4, 2, 1, 1} {
		started, was := now+1, law.Limit()
		now = now.Add(100 * ms)
		for n := 0; law.Limit() == was && n < 24; n++ {
			lose(started, int(was))
		}
		if law.Limit() != want {
			t.Fatalf("limit %g after nothing but losses, want %g", law.Limit(), want)
		}
		for range 100 { // sent before the cut
			lose(started, int(was))
		}
		if law.Limit() != want {
			t.Fatalf("limit %g: cut twice for one round trip", law.Limit())
		}
	}
	if text := law.Explain(); text != "limit 1.0, at the limit; halved, as most recent replies were late" {
		t.Errorf("explains: %s", text)
	}
}

// A few late replies are no reason to halve.
func TestDefaultBearsSomeLates(t *testing.T) {
	e := newEngine(func(int) time.Duration { return 10 * ms })
	for i := range 50 {
		e.late = i%4 == 0
		e.round(5) // does not fill the limit: no window is judged
	}
	if l := e.law.Limit(); l != 16 {
		t.Errorf("limit %g after a quarter of the replies were late; want 16 as before", l)
	}
}

func TestDefaultIgnoresWhatSaysNothing(t *testing.T) {
	law := limit.Default()
	for range 100 {
		law.Observe(0, limit.Sample{InFlightAtStart: 5, Outcome: penstock.Ignored, Cost: 1})
	}
	if law.Limit() != 16 {
		t.Errorf("limit %g after nothing but ignored work", law.Limit())
	}
}

// A bound from outside holds, and says so.
func TestDefaultUpTo(t *testing.T) {
	for _, most := range []float64{1, 5, 40} {
		e := newEngine(saturated(64))
		e.law = limit.DefaultUpTo(most)
		highest := 0.0
		for range 500 {
			e.round(1000)
			highest = max(highest, e.law.Limit())
		}
		if text := e.law.Explain(); highest != most || !strings.Contains(text, "by configuration") {
			t.Errorf("at most %g: reached %g; %s", most, highest, text)
		}
	}
}

// A limit of 1 still learns.
func TestDefaultRecoversFromOne(t *testing.T) {
	e := newEngine(saturated(16))
	e.late = true
	for range 100 {
		e.round(1000)
	}
	if e.law.Limit() != 1 {
		t.Fatalf("limit %g, want 1", e.law.Limit())
	}
	e.late = false
	for n := 0; e.law.Limit() < 16; n++ {
		if n == 2000 {
			t.Fatalf("limit %g after %d rounds", e.law.Limit(), n)
		}
		e.round(1000)
	}
}

// A dip that the load does not fill is given up after a while.
func TestDefaultGivesUpADip(t *testing.T) {
	e := newEngine(saturated(8))
	dipped := e.dipped
	for n := 0; !dipped(); n++ {
		if n == 100 {
			t.Fatal("no dip in 100 rounds")
		}
		e.round(1000)
	}
	low := e.law.Limit()
	at, ok := e.law.Next()
	if !ok || at <= e.now {
		t.Fatalf("next is %v, %v in a dip", at, ok)
	}
	step := e.law.(limit.Stepper).Step
	step(at - 1)
	if !dipped() || e.law.Limit() != low {
		t.Errorf("given up too early")
	}
	step(at)
	if dipped() || e.law.Limit() != 2*low {
		t.Errorf("limit %g after the dip was given up, %g in the dip; dipped %v", e.law.Limit(), low, dipped())
	}
	step(at)
	if _, ok := e.law.Next(); ok {
		t.Error("still asks to be stepped")
	}
}

// dipped reports whether the law is measuring its reference.
func (e *engine) dipped() bool { return strings.Contains(e.law.Explain(), "in a dip") }

// roundsToDip runs rounds of more than enough work until the law is in a dip, and
// returns how many it took, at most most.
func (e *engine) roundsToDip(most int) (n int) {
	for n < most && !e.dipped() {
		e.round(1000)
		n++
	}
	return n
}

// A dip that ends without all of its replies is repeated soon where slow work holds
// its slots, and left alone for long where there is no work to fill it.
func TestDefaultDipsAgainAfterSlowReplies(t *testing.T) {
	const soon = 300 // rounds: some 40 windows
	for _, test := range []struct {
		name string
		full bool
	}{{"slow replies hold every slot", true}, {"no more work", false}} {
		t.Run(test.name, func(t *testing.T) {
			e := newEngine(saturated(1))
			e.law = limit.DefaultUpTo(2) // so that one unit fills a dip
			for range 2 {                // a first reference, and one that repeats it
				e.roundsToDip(soon)
				for e.dipped() {
					e.round(1000)
				}
			}
			if e.roundsToDip(soon) == soon {
				t.Fatal("no dip")
			}
			slots := 1
			if test.full {
				slots = e.slots()
			}
			started := e.now
			for k := 1; k <= slots; k++ {
				e.law.(limit.Starter).Start(started, k)
			}
			e.now = e.now.Add(10 * ms) // one is answered, and what follows it is slow, too
			e.law.Observe(e.now, limit.Sample{Started: started, InFlightAtStart: slots, Cost: 1})
			if test.full {
				e.law.(limit.Starter).Start(e.now+1, slots)
			}
			at, ok := e.law.Next()
			if !ok {
				t.Fatal("a dip without an end")
			}
			e.now = at
			e.step()
			if e.dipped() {
				t.Fatal("the dip goes on")
			}
			if again := e.roundsToDip(soon); (again < soon) != test.full {
				t.Errorf("the next dip after %d rounds", again)
			}
		})
	}
}

// However long a dip took while the callee was slow, the next comes after so much
// work and not after so much time.
func TestDefaultForgetsHowLongADipTook(t *testing.T) {
	e := newEngine(saturated(8))
	if e.roundsToDip(100) == 100 {
		t.Fatal("no dip in 100 rounds")
	}
	e.replyIn = func(int) time.Duration { return time.Minute }
	for n := 0; e.dipped(); n++ {
		if n == 100 {
			t.Fatal("the dip takes more than 100 rounds")
		}
		e.round(1000)
	}
	e.replyIn = saturated(8)
	if n := e.roundsToDip(100); n == 100 {
		t.Errorf("no dip in %d rounds after one that took minutes", n)
	}
}

func TestDefaultExplains(t *testing.T) {
	e := newEngine(saturated(8))
	if got, want := e.law.Explain(), "limit 16.0, at the limit; nothing measured yet"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	seen := map[string]bool{}
	for range 2000 {
		e.round(1000)
		text := e.law.Explain()
		for _, part := range []string{"in a dip to measure the reference", "replies took", "a factor of", "against the 1.4 aimed at"} {
			seen[part] = seen[part] || strings.Contains(text, part)
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Fatalf("explains: %s", text)
		}
	}
	if len(seen) != 4 || seen["replies took"] != true || !seen["in a dip to measure the reference"] || !seen["a factor of"] || !seen["against the 1.4 aimed at"] {
		t.Errorf("never said: %v", seen)
	}
}

// A law under arbitrary events: whatever it is told, in whatever order, its
// limit stays a number that can be obeyed, and it never asks in vain.
func lawSurvives(t *rapid.T) {
	name := rapid.SampledFrom([]string{"default", "aimd"}).Draw(t, "law")
	law := map[string]func() limit.Law{"default": limit.Default, "aimd": func() limit.Law { return limit.AIMD(100) }}[name]()
	starter, _ := law.(limit.Starter)
	stepper, _ := law.(limit.Stepper)
	now := mono.Time(rapid.Int64Range(-1e12, 1e12).Draw(t, "origin"))
	var started []limit.Sample
	check := func(what string) {
		if l := law.Limit(); !(l >= 1) || math.IsInf(l, 0) {
			t.Fatalf("limit %g after %s", l, what)
		}
		if text := law.Explain(); text == "" || strings.Contains(text, "NaN") {
			t.Fatalf("explains: %q", text)
		}
	}
	for range rapid.IntRange(1, 300).Draw(t, "events") {
		now = now.Add(rapid.SampledFrom([]time.Duration{0, 0, 0, 1, 1e3, 1e6, 1e7, 1e9, 1e12, -1e7}).Draw(t, "pass"))
		switch rapid.SampledFrom([]string{"fill", "start", "observe", "observe all", "stray", "step"}).Draw(t, "event") {
		case "fill":
			for k := 1; k <= min(200, int(law.Limit())); k++ {
				if starter != nil {
					starter.Start(now, k)
				}
				started = append(started, limit.Sample{Started: now, InFlightAtStart: k, Cost: 1})
			}
		case "start":
			k := rapid.IntRange(1, 3000).Draw(t, "in flight")
			if starter != nil {
				starter.Start(now, k)
			}
			started = append(started, limit.Sample{Started: now, InFlightAtStart: k, Cost: 1})
		case "observe":
			if len(started) > 0 {
				law.Observe(now, drawEnd(t, started[0]))
				started = started[1:]
			}
		case "observe all":
			end := drawEnd(t, limit.Sample{})
			for _, s := range started {
				s.Outcome, s.Late = end.Outcome, end.Late
				law.Observe(now, s)
				check("observing")
			}
			started = nil
		case "stray":
			law.Observe(now, drawEnd(t, limit.Sample{
				Started:         now.Add(-time.Duration(rapid.Int64Range(-1e6, 1e12).Draw(t, "age"))),
				InFlightAtStart: rapid.IntRange(0, 1e6).Draw(t, "in flight"), Cost: rapid.IntRange(1, 1000).Draw(t, "cost"),
			}))
		default:
			if stepper != nil {
				stepper.Step(now)
				if at, ok := law.Next(); ok && at <= now {
					t.Fatalf("stepped at %v, and asks to be stepped at %v", now, at)
				}
			}
		}
		check("an event")
	}
}

func drawEnd(t *rapid.T, s limit.Sample) limit.Sample {
	s.Outcome = penstock.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome"))
	s.Late = s.Outcome == penstock.Dropped && rapid.Bool().Draw(t, "late")
	return s
}

func TestLawSurvives(t *testing.T) { rapid.Check(t, lawSurvives) }

func FuzzLawSurvives(f *testing.F) { f.Fuzz(rapid.MakeFuzz(lawSurvives)) }

func BenchmarkDefault(b *testing.B) {
	law := limit.Default()
	starter := law.(limit.Starter)
	var now mono.Time
	b.ReportAllocs()
	for b.Loop() {
		now += 1e6
		starter.Start(now-1e7, 16)
		law.Observe(now, limit.Sample{Started: now - 1e7, InFlightAtStart: 16, Cost: 1})
	}
}

func TestLawsAllocateNothing(t *testing.T) {
	law := limit.Default()
	starter := law.(limit.Starter)
	var now mono.Time
	if n := testing.AllocsPerRun(1000, func() {
		now += 1e6
		starter.Start(now-1e7, 16)
		law.Observe(now, limit.Sample{Started: now - 1e7, InFlightAtStart: 16, Cost: 1})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
