package rate_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/rate"
)

// However many ask at once, exactly the burst passes at one instant.
func TestConcurrentEventsAreCountedOnce(t *testing.T) {
	const burst, workers, each = 1000, 8, 500
	l := rate.New(1, burst)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if ok, _ := l.AllowAt(0); ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != burst {
		t.Errorf("%d passed, want %d", passed.Load(), burst)
	}
}

// Rates change while events happen, at one instant, so that no token arrives:
// what passed and what is left is what there was. An event lost between the old
// bucket and the new would show as a token too many.
func TestSetLosesNoEvent(t *testing.T) {
	const burst, workers, each, setters = 1_000_000, 4, 200_000, 3
	l := rate.New(1, burst)
	var passed atomic.Int64
	var work, set sync.WaitGroup
	stop := make(chan struct{})
	for s := range setters {
		set.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					l.Set(0, []float64{1, 10, 1000}[(s+n)%3], burst)
				}
			}
		})
	}
	for range workers {
		work.Go(func() {
			for range each {
				if ok, _ := l.AllowAt(0); ok {
					passed.Add(1)
				}
			}
		})
	}
	work.Wait()
	close(stop)
	set.Wait()
	if left := int64(l.Tokens(0)); passed.Load() != workers*each || left != burst-workers*each {
		t.Errorf("%d passed and %d are left of %d; want %d passed", passed.Load(), left, burst, workers*each)
	}
}

func TestEventsAllocateNothing(t *testing.T) {
	l := rate.New(10, 1)
	k := rate.NewKeyed(rate.KeyedConfig{PerSecond: 10, Burst: 1, Keys: 100})
	now := mono.Time(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 1e7
		l.AllowAt(now)
		l.Allow()
		l.Quota(now)
		k.AllowAt(now, uint64(now))
		k.Quota(now, uint64(now))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	b.Run("clock=os", func(b *testing.B) {
		l := rate.New(1e9, 1<<20)
		b.ReportAllocs()
		for b.Loop() {
			l.Allow()
		}
	})
	b.Run("clock=given", func(b *testing.B) {
		l := rate.New(1e9, 1<<20)
		b.ReportAllocs()
		var now mono.Time
		for b.Loop() {
			now++
			l.AllowAt(now)
		}
	})
	b.Run("clock=given/refused", func(b *testing.B) {
		l := rate.New(1, 1)
		l.AllowAt(0)
		b.ReportAllocs()
		for b.Loop() {
			l.AllowAt(0)
		}
	})
	b.Run("clock=given/parallel", func(b *testing.B) {
		l := rate.New(1e9, 1<<20)
		var clock atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.AllowAt(mono.Time(clock.Add(1)))
			}
		})
	})
}
