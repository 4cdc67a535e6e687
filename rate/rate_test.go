package rate_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/rate"
)

func Example() {
	l := rate.New(10, 2) // 10 per second, 2 at once
	for _, ms := range []int{0, 0, 0, 100} {
		at := mono.Time(0).Add(time.Duration(ms) * time.Millisecond)
		ok, wait := l.AllowAt(at)
		fmt.Println(ms, ok, wait)
	}
	// Output:
	// 0 true 0s
	// 0 true 0s
	// 0 false 100ms
	// 100 true 0s
}

func ExampleLimiter_Set() {
	l := rate.New(10, 5)
	l.AllowN(0, 3)
	fmt.Println(l.Tokens(0))
	l.Set(0, 1, 20) // still two fifths full
	fmt.Println(l.Tokens(0))
	fmt.Println(l.Quota(mono.Time(4 * time.Second)))
	// Output:
	// 2
	// 8
	// 12 8s
}

// One row per step: the same limiter, at given instants.
func TestAllowN(t *testing.T) {
	const ms = mono.Time(time.Millisecond)
	l := rate.New(10, 3)
	for i, step := range []struct {
		at   mono.Time
		n    int
		ok   bool
		wait time.Duration
	}{
		{at: 0, n: 1, ok: true},
		{at: 0, n: 1, ok: true},
		{at: 0, n: 1, ok: true},
		{at: 0, n: 1, wait: 100 * time.Millisecond},
		{at: 99*ms + 999_999, n: 1, wait: 1},
		{at: 100 * ms, n: 1, ok: true},
		{at: 50 * ms, n: 1, wait: 150 * time.Millisecond}, // time went backwards
		{at: 200 * ms, n: 0, ok: true},                    // counts as 1
		{at: 200 * ms, n: -1, wait: 100 * time.Millisecond},
		{at: 300 * ms, n: 2, wait: 100 * time.Millisecond}, // takes nothing
		{at: 400 * ms, n: 2, ok: true},
		{at: 400 * ms, n: math.MaxInt, wait: 300 * time.Millisecond}, // counts as 3
		{at: 700 * ms, n: math.MaxInt, ok: true},
		{at: 700 * ms, n: 1, wait: 100 * time.Millisecond},
		{at: 100_000 * ms, n: 3, ok: true}, // idle time fills to the burst, no further
		{at: 100_000 * ms, n: 1, wait: 100 * time.Millisecond},
	} {
		if ok, wait := l.AllowN(step.at, step.n); ok != step.ok || wait != step.wait {
			t.Errorf("step %d: AllowN(%d, %d) = %v, %v; want %v, %v", i, step.at, step.n, ok, wait, step.ok, step.wait)
		}
	}
}

// The claim: a million calls against 10 per second and a burst of 20 pass
// exactly the burst and then one per 100 ms. The calls come 1.5 ms apart, from
// a negative instant on.
func TestMillionCalls(t *testing.T) {
	const calls, gap = 1_000_000, 1500 * time.Microsecond
	start := mono.Time(-3e9)
	l := rate.New(10, 20)
	passed := 0
	for i := range calls {
		if ok, _ := l.AllowAt(start.Add(time.Duration(i) * gap)); ok {
			passed++
		}
	}
	lasted := (calls - 1) * gap
	if want := 20 + int(lasted/(100*time.Millisecond)); passed != want {
		t.Errorf("%d calls passed, want exactly %d", passed, want)
	}
}

// More than enough calls for a minute, or less where the calls would be too
// many, at rates from slow to faster than whole nanoseconds can express: right
// to 1 %, and to one event.
func TestRateWithinOnePercent(t *testing.T) {
	const burst = 5
	for _, row := range []struct {
		perSecond float64
		over      time.Duration
	}{
		{0.5, time.Minute},
		{1, time.Minute},
		{3, time.Minute},
		{9.7, time.Minute},
		{100, time.Minute},
		{999, time.Minute},
		{12_345.6, time.Minute},
		{333_333, time.Second},
		{9_999_999, 50 * time.Millisecond},
	} {
		l := rate.New(row.perSecond, burst)
		gap := time.Duration(float64(time.Second) / row.perSecond / 1.7)
		passed := 0
		for at := time.Duration(0); at < row.over; at += gap {
			if ok, _ := l.AllowAt(mono.Time(at)); ok {
				passed++
			}
		}
		want := row.perSecond*row.over.Seconds() + burst
		if diff := math.Abs(float64(passed) - want); diff > max(1, 0.01*want) {
			t.Errorf("%v per second: %d passed in %v, want %v", row.perSecond, passed, row.over, want)
		}
	}
}

// Rates at the ends of what the interval can express.
func TestExtremes(t *testing.T) {
	for _, row := range []struct {
		perSecond float64
		burst     int
		want      time.Duration // from empty to one token
	}{
		{1e9, 1, 1},
		{1e10, 1, 1},               // more than one per nanosecond: one
		{math.MaxFloat64, 1, 1},    //
		{7e7, 1, 14},               // 14.3 rounds
		{6.6e8, 1, 2},              // 1.5 rounds
		{1e-300, 1, 1 << 59},       // 18 years at most to fill
		{1e-300, 1 << 20, 1 << 39}, //
		{1e-300, rate.MaxBurst, (1 << 59) / rate.MaxBurst},
	} {
		for _, at := range []mono.Time{0, -1, mono.Distant, mono.Never} {
			l := rate.New(row.perSecond, row.burst)
			if ok, _ := l.AllowN(at, row.burst); !ok {
				t.Errorf("%+v at %d: not full at first", row, at)
			}
			if ok, wait := l.AllowAt(at); ok || wait != row.want {
				t.Errorf("%+v at %d: AllowAt = %v, %v", row, at, ok, wait)
			}
			if got := l.Tokens(at); got != 0 {
				t.Errorf("%+v at %d: %v tokens when empty", row, at, got)
			}
		}
	}
}

func TestPanics(t *testing.T) {
	type args struct {
		perSecond float64
		burst     int
	}
	for _, a := range []args{{0, 1}, {-1, 1}, {math.NaN(), 1}, {math.Inf(1), 1}, {1, 0}, {1, rate.MaxBurst + 1}} {
		for name, f := range map[string]func(){
			"New":      func() { rate.New(a.perSecond, a.burst) },
			"Set":      func() { rate.New(1, 1).Set(0, a.perSecond, a.burst) },
			"NewKeyed": func() { rate.NewKeyed(rate.KeyedConfig{PerSecond: a.perSecond, Burst: a.burst}) },
		} {
			mustPanic(t, fmt.Sprintf("%s%v", name, a), f)
		}
	}
	for _, keys := range []int{-1, rate.MaxKeys + 1} {
		mustPanic(t, fmt.Sprint("keys ", keys), func() {
			rate.NewKeyed(rate.KeyedConfig{PerSecond: 1, Burst: 1, Keys: keys})
		})
	}
}

func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", name)
		}
	}()
	f()
}

// Before the instants that the limiter has seen there is nothing to have, and
// nothing negative to show.
func TestEarlierInstants(t *testing.T) {
	const s = mono.Time(time.Second)
	l := rate.New(1, 10)
	l.AllowN(100*s, 4)
	for _, row := range []struct {
		at        mono.Time
		tokens    float64
		remaining int
		reset     time.Duration
	}{
		{100 * s, 6, 6, 4 * time.Second},
		{98*s + s/2, 4.5, 4, 5500 * time.Millisecond},
		{94 * s, 0, 0, 10 * time.Second},
		{-50 * s, 0, 0, 154 * time.Second},
	} {
		remaining, reset := l.Quota(row.at)
		if tokens := l.Tokens(row.at); tokens != row.tokens || remaining != row.remaining || reset != row.reset {
			t.Errorf("at %d: %v tokens, quota %d, %v; want %+v", row.at, tokens, remaining, reset, row)
		}
	}
}

// One row per step: what Set keeps.
func TestSetKeepsTheLevel(t *testing.T) {
	const s = mono.Time(time.Second)
	l := rate.New(10, 20)
	for i, step := range []struct {
		at        mono.Time
		take      int // before Set
		perSecond float64
		burst     int
		want      float64 // tokens after
	}{
		{at: 0, perSecond: 10, burst: 20, want: 20}, // nothing changes
		{at: 0, perSecond: 10, burst: 40, want: 40}, // full stays full
		{at: 0, take: 30, perSecond: 10, burst: 40, want: 10},
		{at: s, perSecond: 1000, burst: 40, want: 20},
		{at: s, take: 10, perSecond: 1, burst: 4, want: 1}, // a quarter full
		{at: s, perSecond: 1000, burst: 1000, want: 250},
		{at: s + s/2, take: 250, perSecond: 1, burst: 1000, want: 500},
		{at: s + s/2, take: 500, perSecond: 7, burst: 3, want: 0}, // empty stays empty
		{at: 4000 * s, perSecond: 3, burst: 500, want: 500},
	} {
		if step.take > 0 {
			if ok, _ := l.AllowN(step.at, step.take); !ok {
				t.Fatalf("step %d: cannot take %d of %v", i, step.take, l.Tokens(step.at))
			}
		}
		l.Set(step.at, step.perSecond, step.burst)
		if got := l.Tokens(step.at); math.Abs(got-step.want) > 1e-9 {
			t.Errorf("step %d: %v tokens, want %v", i, got, step.want)
		}
	}
}

// Property: between any two instants no more passes than the burst and what
// arrives in that time, and a caller that waits as told is let in, never sooner.
func TestEnvelope(t *testing.T) { rapid.Check(t, envelope) }
func FuzzEnvelope(f *testing.F) { f.Fuzz(rapid.MakeFuzz(envelope)) }

func envelope(t *rapid.T) {
	burst := rapid.IntRange(1, 20).Draw(t, "burst")
	hz := rapid.IntRange(1, 1000).Draw(t, "hz")
	l := rate.New(float64(hz), burst)
	interval := time.Duration(math.Round(1e9 / float64(hz)))
	now := mono.Time(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "start"))
	type event struct {
		at mono.Time
		n  int
	}
	var passed []event
	for range rapid.IntRange(1, 100).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "gap")))
		n := rapid.IntRange(1, burst).Draw(t, "n")
		ok, wait := l.AllowN(now, n)
		if !ok {
			if wait <= 0 {
				t.Fatalf("refused with wait %v", wait)
			}
			if ok, _ := l.AllowN(now.Add(wait-1), n); ok {
				t.Fatalf("passed a nanosecond before the %v it was told", wait)
			}
			now = now.Add(wait)
			if ok, again := l.AllowN(now, n); !ok {
				t.Fatalf("waited %v as told, refused with %v", wait, again)
			}
		}
		passed = append(passed, event{now, n})
		sum := 0
		for _, e := range slices.Backward(passed) {
			sum += e.n
			// n tokens that pass at one instant need n-burst to have arrived.
			if most := burst + int(now.Sub(e.at)/interval); sum > most {
				t.Fatalf("%d passed in %v; the envelope allows %d", sum, now.Sub(e.at), most)
			}
		}
	}
}

// bucketRef is a token bucket as one would write it on a blackboard: a level
// that time fills and events lower, both in nanoseconds.
type bucketRef struct {
	token, size, level int64
	last               mono.Time
}

func (b *bucketRef) fill(now mono.Time) {
	b.level = min(b.size, b.level+int64(now-b.last))
	b.last = now
}

func (b *bucketRef) allow(now mono.Time, n int) bool {
	b.fill(now)
	if b.level < int64(n)*b.token {
		return false
	}
	b.level -= int64(n) * b.token
	return true
}

func (b *bucketRef) set(now mono.Time, token, burst int64) {
	b.fill(now)
	level := new(big.Int).Mul(big.NewInt(b.level), big.NewInt(burst*token))
	b.level = level.Div(level, big.NewInt(b.size)).Int64()
	b.token, b.size = token, burst*token
}

// Property: the limiter is the token bucket, to the nanosecond, also across
// changes of rate and burst; and so is a keyed one.
func TestIsATokenBucket(t *testing.T) { rapid.Check(t, isATokenBucket) }
func FuzzIsATokenBucket(f *testing.F) { f.Fuzz(rapid.MakeFuzz(isATokenBucket)) }

func isATokenBucket(t *rapid.T) {
	draw := func() (hz float64, token int64, burst int) {
		hz = rapid.Float64Range(0.1, 2000).Draw(t, "hz")
		return hz, int64(math.Round(1e9 / hz)), rapid.IntRange(1, 30).Draw(t, "burst")
	}
	hz, token, burst := draw()
	now := mono.Time(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "start"))
	l := rate.New(hz, burst)
	k := rate.NewKeyed(rate.KeyedConfig{PerSecond: hz, Burst: burst, Keys: 1})
	ref := &bucketRef{token: token, size: int64(burst) * token, level: int64(burst) * token, last: now}
	for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.Int64Range(0, 2*token).Draw(t, "gap")))
		if rapid.IntRange(0, 9).Draw(t, "set") == 0 {
			hz, token, burst = draw()
			l.Set(now, hz, burst)
			k.Set(now, hz, burst)
			ref.set(now, token, int64(burst))
		}
		n := rapid.IntRange(1, burst).Draw(t, "n")
		want := ref.allow(now, n)
		ok, wait := l.AllowN(now, n)
		if ok != want {
			t.Fatalf("step %d: AllowN(%d, %d) = %v, want %v", i, now, n, ok, want)
		}
		if short := time.Duration(int64(n)*token - ref.level); !want && wait != short {
			t.Fatalf("step %d: wait %v, want %v", i, wait, short)
		}
		if kok, kwait := k.AllowN(now, 42, n); kok != ok || kwait != wait {
			t.Fatalf("step %d: keyed AllowN(%d, %d) = %v, %v; want %v, %v", i, now, n, kok, kwait, ok, wait)
		}
		if got, want := l.Tokens(now), float64(ref.level)/float64(token); got != want {
			t.Fatalf("step %d: %v tokens, want %v", i, got, want)
		}
		remaining, reset := l.Quota(now)
		if want := time.Duration(ref.size - ref.level); remaining != int(ref.level/token) || reset != want {
			t.Fatalf("step %d: quota %d, %v; want %d, %v", i, remaining, reset, ref.level/token, want)
		}
		if kr, kd := k.Quota(now, 42); kr != remaining || kd != reset {
			t.Fatalf("step %d: keyed quota %d, %v; want %d, %v", i, kr, kd, remaining, reset)
		}
	}
}

// The real clock, faked: Allow is AllowAt at the present instant, which is
// negative in here.
func TestAllowInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := rate.New(10, 1)
		got := []bool{l.Allow(), l.Allow()}
		time.Sleep(100*time.Millisecond - 1)
		got = append(got, l.Allow())
		time.Sleep(time.Nanosecond)
		got = append(got, l.Allow())
		if want := []bool{true, false, false, true}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
