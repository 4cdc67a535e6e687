package rival_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim/rival"
)

const ms = time.Millisecond

// TestRajomonPrice follows the price through intervals of 10 ms: the longest wait
// of each moves it by a token for each millisecond above 5 ms, or below.
func TestRajomonPrice(t *testing.T) {
	r := rival.NewRajomon(rival.RajomonConfig{}, 0)
	now := mono.Time(0)
	if got := r.Price(now); got != 0 {
		t.Fatalf("it begins at %d", got)
	}
	for i, row := range []struct {
		waited []time.Duration
		want   int64
	}{
		{nil, 0}, // never below 0
		{[]time.Duration{5 * ms}, 0},
		{[]time.Duration{ms, 50 * ms, 2 * ms}, 45}, // the longest
		{[]time.Duration{50 * ms}, 90},
		{[]time.Duration{50 * ms}, 118}, // the third rise in a row: 45 x 0.8^2
		{[]time.Duration{50 * ms}, 141}, // 45 x 0.8^3
		{[]time.Duration{5 * ms}, 141},  // neither: the row goes on
		{[]time.Duration{50 * ms}, 159}, // 45 x 0.8^4
		{nil, 154},
		{[]time.Duration{50 * ms}, 199}, // a new row
		{[]time.Duration{5999 * time.Microsecond}, 199},
		{[]time.Duration{ms}, 195},
	} {
		for _, w := range row.waited {
			r.Started(now.Add(3*ms), w)
		}
		now = now.Add(10 * ms)
		if got := r.Price(now); got != row.want {
			t.Fatalf("interval %d, waits %v: price %d; want %d", i, row.waited, got, row.want)
		}
	}
}

// TestRajomonSettings: other thresholds, steps and intervals.
func TestRajomonSettings(t *testing.T) {
	r := rival.NewRajomon(rival.RajomonConfig{Threshold: 20 * ms, Interval: 100 * ms, Step: 100}, 0)
	r.Price(0)
	r.Started(0, 30*ms)
	if at99, at100 := r.Price(mono.Time(99*ms)), r.Price(mono.Time(100*ms)); at99 != 0 || at100 != 100 {
		t.Errorf("price %d and then %d; want 0 and 100", at99, at100)
	}
}

// TestRajomonAggregation: the dearest of the service and its callees is what a
// request must have, and what one answer in five tells.
func TestRajomonAggregation(t *testing.T) {
	r := rival.NewRajomon(rival.RajomonConfig{}, 3)
	r.Heard(0, 4)
	r.Heard(1, 9)
	r.Heard(2, 7)
	if r.Admit(0, rival.Ask{Tokens: 8}) || !r.Admit(0, rival.Ask{Tokens: 9}) {
		t.Error("want what has 9 tokens or more to enter")
	}
	if !r.Sends(1, rival.Ask{}) {
		t.Error("a service refuses nothing that has entered")
	}
	for tokens, want := range map[int64]bool{0: true, 4: false, 9: false, 10: true, 15: true} {
		if said, told := r.Says(0, rival.Ask{Tokens: tokens}); told != want || said != 9 {
			t.Errorf("%d tokens: says %d, %v; want 9, %v", tokens, said, told, want)
		}
	}
	r.Heard(1, 0)
	if got := r.Price(0); got != 7 {
		t.Errorf("after the dearest became cheap: price %d; want 7", got)
	}
}

// A service that is looked at now and then has the price of one that is looked
// at in every interval.
func rajomonLaziness(t *rapid.T) {
	cfg := rival.RajomonConfig{
		Threshold: time.Duration(rapid.Int64Range(1, 20_000).Draw(t, "threshold")) * time.Microsecond,
		Step:      rapid.Int64Range(1, 100).Draw(t, "step"),
	}
	seldom, often := rival.NewRajomon(cfg, 0), rival.NewRajomon(cfg, 0)
	now := mono.Time(rapid.Int64Range(-1e15, 1e15).Draw(t, "origin"))
	seldom.Price(now)
	often.Price(now)
	for range rapid.IntRange(1, 20).Draw(t, "looks") {
		next := now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "passed")))
		for ; now < next; now = now.Add(ms) {
			often.Price(now)
		}
		now = next
		waited := time.Duration(rapid.Int64Range(0, int64(200*ms)).Draw(t, "waited"))
		seldom.Started(now, waited)
		often.Started(now, waited)
		if a, b := seldom.Price(now), often.Price(now); a != b {
			t.Fatalf("at %v: price %d looked at now and then, %d often", now, a, b)
		}
	}
}

func TestRajomonLaziness(t *testing.T) { rapid.Check(t, rajomonLaziness) }
func FuzzRajomonLaziness(f *testing.F) { f.Fuzz(rapid.MakeFuzz(rajomonLaziness)) }
