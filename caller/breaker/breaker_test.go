package breaker_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/mono"
)

const ms = time.Millisecond

func fail(b *breaker.Breaker, now mono.Time, n int) (allowed int) {
	for range n {
		if b.Allow(now) {
			allowed++
			b.Report(now, true, ms)
		}
	}
	return allowed
}

func TestOpensProbesCloses(t *testing.T) {
	b := breaker.New(breaker.Config{})
	now := mono.Time(-1e15)
	if n := fail(b, now, 100); n != breaker.DefaultLeast {
		t.Fatalf("let %d failures through, want %d", n, breaker.DefaultLeast)
	}
	at, ok := b.Next()
	if !ok || at != now.Add(breaker.DefaultOpenFor) {
		t.Fatalf("Next = %v, %v", at, ok)
	}
	if b.Allow(at - 1) {
		t.Fatal("allowed a call while open")
	}
	if b.State(at) != breaker.HalfOpen {
		t.Fatalf("state %v", b.State(at))
	}
	for range breaker.DefaultProbes {
		if !b.Allow(at) {
			t.Fatal("refused a probe")
		}
	}
	if b.Allow(at) {
		t.Fatal("allowed more than its probes")
	}
	for range breaker.DefaultProbes {
		b.Report(at, false, ms)
	}
	if b.State(at) != breaker.Closed || !b.Allow(at) {
		t.Fatal("good probes did not close it")
	}
}

func TestFailedProbesDoubleTheSpell(t *testing.T) {
	b := breaker.New(breaker.Config{})
	now := mono.Time(0)
	fail(b, now, 100)
	for spell := breaker.DefaultOpenFor; ; spell *= 2 {
		at, _ := b.Next()
		if got := at.Sub(now); got != min(spell, 32*breaker.DefaultOpenFor) {
			t.Fatalf("open for %v, want %v", got, spell)
		}
		if spell > 64*breaker.DefaultOpenFor {
			return
		}
		now = at
		fail(b, now, 1)
	}
}

func TestSlowCallsCount(t *testing.T) {
	b := breaker.New(breaker.Config{Slow: 100 * ms})
	for range 100 {
		if b.Allow(0) {
			b.Report(0, false, 101*ms)
		}
	}
	if b.State(0) != breaker.Open {
		t.Error("slow calls did not open it")
	}
}

// TestNoAbsorbingState: whatever happened, a callee that is well again is fully
// used again, though probes may have been lost.
func TestNoAbsorbingState(t *testing.T) { rapid.Check(t, noAbsorbingState) }
func FuzzBreaker(f *testing.F)          { f.Fuzz(rapid.MakeFuzz(noAbsorbingState)) }

func noAbsorbingState(t *rapid.T) {
	b := breaker.New(breaker.Config{})
	now := mono.Time(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))
	for range rapid.IntRange(0, 200).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.Int64Range(-1e8, 3e9).Draw(t, "gap")))
		if b.Allow(now) && rapid.Bool().Draw(t, "reports") {
			b.Report(now, rapid.Bool().Draw(t, "failed"), time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "took")))
		}
		if at, ok := b.Next(); ok && b.State(now) == breaker.Open && at <= now {
			t.Fatalf("open until %v, which has passed at %v", at, now)
		}
	}
	for range 2000 {
		now = now.Add(100 * ms)
		if b.Allow(now) {
			b.Report(now, false, ms)
		}
	}
	if b.State(now) != breaker.Closed {
		t.Fatalf("200 s of a healthy callee leave it %v", b.State(now))
	}
}
