package rate_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/rate"
)

func ExampleKeyed() {
	k := rate.NewKeyed(rate.KeyedConfig{PerSecond: 10, Burst: 2})
	for _, client := range []uint64{1, 1, 1, 2} {
		ok, wait := k.AllowAt(0, client)
		fmt.Println(client, ok, wait)
	}
	// Output:
	// 1 true 0s
	// 1 true 0s
	// 1 false 100ms
	// 2 true 0s
}

// Property: as long as they fit, each key has a limiter of its own, whichever
// places they take over from each other.
func TestKeyedIsALimiterPerKey(t *testing.T) { rapid.Check(t, keyedIsALimiterPerKey) }
func FuzzKeyedIsALimiterPerKey(f *testing.F) { f.Fuzz(rapid.MakeFuzz(keyedIsALimiterPerKey)) }

func keyedIsALimiterPerKey(t *rapid.T) {
	hz := rapid.Float64Range(1, 1000).Draw(t, "hz")
	burst := rapid.IntRange(1, 4).Draw(t, "burst")
	k := rate.NewKeyed(rate.KeyedConfig{PerSecond: hz, Burst: burst, Keys: 16, Seed: rapid.Uint64().Draw(t, "seed")})
	limiters := map[uint64]*rate.Limiter{}
	short := map[uint64]mono.Time{} // keys short of tokens, and until when
	now := mono.Time(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "start"))
	for i := range rapid.IntRange(1, 300).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.Int64Range(0, 2e8).Draw(t, "gap")))
		for key, until := range short {
			if until <= now {
				delete(short, key)
			}
		}
		key := rapid.Uint64Range(0, 200).Draw(t, "key")
		if _, has := short[key]; !has && len(short) == 16 {
			continue // with at most 16 short there is a place within reach of all
		}
		l := limiters[key]
		if l == nil {
			l = rate.New(hz, burst)
			limiters[key] = l
		}
		wantRemaining, wantReset := l.Quota(now)
		if remaining, reset := k.Quota(now, key); remaining != wantRemaining || reset != wantReset {
			t.Fatalf("step %d: Quota(%d) = %d, %v; want %d, %v", i, key, remaining, reset, wantRemaining, wantReset)
		}
		n := rapid.IntRange(1, burst).Draw(t, "n")
		want, wantWait := l.AllowN(now, n)
		if ok, wait := k.AllowN(now, key, n); ok != want || wait != wantWait {
			t.Fatalf("step %d: AllowN(%d) = %v, %v; want %v, %v", i, key, ok, wait, want, wantWait)
		}
		_, reset := l.Quota(now)
		short[key] = now.Add(reset)
	}
}

// At its nominal number of keys, short of tokens all at once, practically every
// key has a place of its own.
func TestKeyedHoldsItsKeys(t *testing.T) {
	const keys = 50_000
	for seed := range uint64(5) {
		k := rate.NewKeyed(rate.KeyedConfig{PerSecond: 1, Burst: 2, Keys: keys, Seed: seed})
		refused := 0
		for key := range uint64(keys) {
			for range 2 {
				if ok, _ := k.AllowAt(0, key); !ok {
					refused++
				}
			}
		}
		if refused > keys/1000 {
			t.Errorf("seed %d: %d of %d keys found no place", seed, refused, keys)
		}
	}
}

// A flood of invented keys gets what the table holds and then the rate of one
// key together. Who has a place keeps it, and the flood is forgotten after it.
func TestKeyedFlood(t *testing.T) {
	const (
		keys   = 1024
		second = mono.Time(time.Second)
	)
	k := rate.NewKeyed(rate.KeyedConfig{PerSecond: 10, Burst: 5, Keys: keys, Seed: 1})
	const client = math.MaxUint64
	k.AllowN(0, client, 3)
	flood := uint64(0)
	storm := func(now mono.Time, calls int) (passed int) {
		for range calls {
			flood++
			if ok, _ := k.AllowAt(now, flood); ok {
				passed++
			}
		}
		return passed
	}
	// Twice the keys is every place there is, and some spare ones at the end.
	if passed := storm(0, 100*keys); passed > 2*keys+16+5 {
		t.Errorf("%d invented keys passed at one instant", passed)
	}
	// Then each place comes free as its one token is back, 100 ms later.
	if passed := storm(second/20, 100*keys); passed > 1 {
		t.Errorf("%d more passed while no bucket was full", passed)
	}
	if ok, _ := k.AllowN(second/20, client, 3); ok {
		t.Error("the client's bucket was forgotten while short")
	}
	if ok, wait := k.AllowN(second/20, client, 2); !ok {
		t.Errorf("the client's own tokens were refused for %v", wait)
	}
	// Another rate does not fill the bucket that the flood shares.
	storm(second/20, 10)
	k.Set(second/20, 1, 5)
	if passed := storm(second/20, 100*keys); passed != 0 {
		t.Errorf("%d more passed at the same instant, after Set", passed)
	}
	if ok, _ := k.AllowN(second, flood+1, 5); !ok {
		t.Error("a newcomer after the flood is still refused")
	}
}

// Keys do not touch each other's tokens across Set; see also
// TestIsATokenBucket.
func TestKeyedSet(t *testing.T) {
	k := rate.NewKeyed(rate.KeyedConfig{PerSecond: 10, Burst: 10, Keys: 4})
	k.AllowN(0, 1, 10)
	k.AllowN(0, 2, 4)
	k.Set(0, 1, 8)
	for key, want := range map[uint64]int{1: 0, 2: 4, 3: 8} { // 0, 60 and 100 %
		if got, _ := k.Quota(0, key); got != want {
			t.Errorf("key %d: %d remaining, want %d", key, got, want)
		}
		if got, _ := k.Quota(mono.Time(2*time.Second), key); got != min(want+2, 8) {
			t.Errorf("key %d: %d remaining after 2 s, want %d", key, got, min(want+2, 8))
		}
	}
}

func BenchmarkKeyed(b *testing.B) {
	for _, keys := range []uint64{1, 1000, 50_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			k := rate.NewKeyed(rate.KeyedConfig{PerSecond: 1000, Burst: 20, Keys: 50_000})
			b.ReportAllocs()
			var now mono.Time
			for b.Loop() {
				now += 1000
				k.AllowAt(now, uint64(now)%keys)
			}
		})
	}
}
