package retry_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/mono"
)

func ExampleBackoff() {
	b := retry.Backoff{Base: 100 * time.Millisecond, Most: time.Second}
	for n := range 5 {
		fmt.Println(b.Wait(n+1, 0.5, 0))
	}
	fmt.Println(b.Wait(1, 0.5, 2*time.Second), "when the callee asks for it")
	// Output:
	// 50ms
	// 100ms
	// 200ms
	// 400ms
	// 500ms
	// 2s when the callee asks for it
}

func TestWaitIsBounded(t *testing.T) { rapid.Check(t, waitIsBounded) }
func FuzzWait(f *testing.F)          { f.Fuzz(rapid.MakeFuzz(waitIsBounded)) }

func waitIsBounded(t *rapid.T) {
	b := retry.Backoff{
		Base: time.Duration(rapid.Int64().Draw(t, "base")), Most: time.Duration(rapid.Int64().Draw(t, "most")),
	}
	n, u := rapid.Int().Draw(t, "retry"), rapid.Float64().Draw(t, "u")
	atLeast := time.Duration(rapid.Int64().Draw(t, "at least"))
	got := b.Wait(n, u, atLeast)
	if got < 0 || got < atLeast {
		t.Fatalf("waits %v, though the callee asked for %v", got, atLeast)
	}
	if b.Most > 0 && got > max(b.Most, atLeast) {
		t.Fatalf("waits %v, more than %v", got, b.Most)
	}
}

// TestBudgetBoundsAmplification: however many attempts fail, the requests per
// first attempt stay at 1 + share, and a quiet client may still try once.
func TestBudgetBoundsAmplification(t *testing.T) {
	for _, share := range []float64{0, 0.1, 0.2, 1} {
		b := retry.NewBudget(share)
		now, retries := mono.Time(-1e18), 0
		const firsts = 100_000
		for range firsts {
			now = now.Add(time.Millisecond)
			b.First(now)
			for b.Allow(now) {
				retries++
			}
		}
		got, spare := float64(retries)/firsts, 11.0/firsts*2 // one per memory of 10 s over 100 s
		if got < share-0.001 || got > share+spare {
			t.Errorf("share %g: %.5f retries per first attempt", share, got)
		}
	}
}

// What a quiet time has not spent is no reserve for the storm after it: its first ten
// seconds see no more retries than any other.
func TestBudgetSavesLittle(t *testing.T) {
	const share, perSecond, spike = 0.1, 800, 2000
	b := retry.NewBudget(share)
	now := mono.Time(0)
	for range 60 * perSecond {
		now = now.Add(time.Second / perSecond)
		b.First(now)
	}
	firsts, retries := 0, 0
	for range 10 * spike {
		now = now.Add(time.Second / spike)
		b.First(now)
		firsts++
		for b.Allow(now) {
			retries++
		}
	}
	if saved := float64(retries) - share*float64(firsts); saved < 0.4*share*perSecond || saved > 0.51*share*perSecond {
		t.Errorf("%d retries of %d first attempts: %.0f were saved up; want half a second's, %.0f", retries, firsts, saved, 0.5*share*perSecond)
	}
}

func TestQuietClientMayRetryOnce(t *testing.T) {
	b := retry.NewBudget(0.1)
	now := mono.Time(0)
	b.First(now)
	if !b.Allow(now) {
		t.Error("the first retry of a quiet client was refused")
	}
	if b.Allow(now) {
		t.Error("the second retry at once was allowed")
	}
	if !b.Allow(now.Add(time.Hour)) {
		t.Error("an hour later the budget was still spent")
	}
	b.First(now) // time going backwards changes nothing
	if b.Allow(now) {
		t.Error("time going backwards gave a retry")
	}
}
