package mono_test

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
)

// edges are the values where sums and differences overflow, and those near them.
func edges() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{
		math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64, math.MinInt64 / 2, math.MaxInt64 / 2,
	}))
}

func clamped(x *big.Int) int64 {
	switch {
	case x.Cmp(big.NewInt(math.MaxInt64)) > 0:
		return math.MaxInt64
	case x.Cmp(big.NewInt(math.MinInt64)) < 0:
		return math.MinInt64
	}
	return x.Int64()
}

// Add and Sub are exact, or saturate: the same in whole numbers without bounds.
func saturates(t *rapid.T) {
	a, b := edges().Draw(t, "a"), edges().Draw(t, "b")
	if got, want := mono.Time(a).Add(time.Duration(b)), clamped(new(big.Int).Add(big.NewInt(a), big.NewInt(b))); int64(got) != want {
		t.Fatalf("%d + %d = %d, want %d", a, b, got, want)
	}
	if got, want := mono.Time(a).Sub(mono.Time(b)), clamped(new(big.Int).Sub(big.NewInt(a), big.NewInt(b))); int64(got) != want {
		t.Fatalf("%d - %d = %d, want %d", a, b, got, want)
	}
}

func TestSaturates(t *testing.T) { rapid.Check(t, saturates) }

func FuzzSaturates(f *testing.F) { f.Fuzz(rapid.MakeFuzz(saturates)) }

func TestNowAndOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := mono.Now()
		if start >= 0 {
			t.Errorf("a bubble starts at %d: the year 2000 is before the origin", start)
		}
		time.Sleep(1500 * time.Millisecond)
		now := time.Now()
		if got := mono.Of(now); got != mono.Now() || got.Sub(start) != 1500*time.Millisecond {
			t.Errorf("now is %d after the start, Of says %d", mono.Now().Sub(start), got.Sub(start))
		}
		if back := mono.Of(now).Time(); !back.Equal(now) {
			t.Errorf("%v becomes %v on the way there and back", now, back)
		}
		if got := mono.Of(now.Add(time.Hour)); got.Sub(mono.Now()) != time.Hour {
			t.Errorf("an hour from now is %v away", got.Sub(mono.Now()))
		}
	})
	// Without a monotonic reading the wall clock must do.
	if d := mono.Of(time.Now().Round(0)).Sub(mono.Now()); d < -time.Minute || d > time.Minute {
		t.Errorf("the wall clock's now is %v away", d)
	}
	if now := mono.Now(); mono.Of(now.Time()) != now || !strings.Contains(now.Time().String(), " m=") {
		t.Errorf("%d becomes %v: want the same instant, with a monotonic reading", now, now.Time())
	}
	if a, b := mono.Now(), mono.Now(); b < a {
		t.Errorf("%d, then %d", a, b)
	}
	for _, at := range []mono.Time{mono.Of(time.Time{}), mono.Of(time.Unix(1<<60, 0))} {
		if at != mono.Distant && at != mono.Never {
			t.Errorf("a time beyond the range is %d", at)
		}
	}
}

func ExampleTime() {
	now := mono.Time(0)
	deadline := now.Add(80 * time.Millisecond)
	now = now.Add(30 * time.Millisecond)
	fmt.Println(deadline.Sub(now), now < deadline, deadline < mono.Never)
	// Output: 50ms true true
}
