package admission_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// One unit admitted and done, with its latency measured (two clock reads).
func BenchmarkAdmitDone(b *testing.B) {
	for _, law := range []struct {
		name string
		new  func() limit.Law
	}{{"default", limit.Default}, {"fixed", func() limit.Law { return limit.Fixed(100) }}} {
		b.Run("law="+law.name, func(b *testing.B) {
			ctl := admission.New(admission.Config{Limit: law.new()})
			defer ctl.Close()
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				permit, err := ctl.Acquire(ctx, penstock.Work{})
				if err != nil {
					b.Fatal(err)
				}
				permit.Done(penstock.OK)
			}
		})
		b.Run("parallel/law="+law.name, func(b *testing.B) {
			ctl := admission.New(admission.Config{Limit: law.new()})
			defer ctl.Close()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					permit, err := ctl.Acquire(context.Background(), penstock.Work{})
					if err != nil {
						b.Error(err)
						return
					}
					permit.Done(penstock.OK)
				}
			})
		})
	}
}

// The same by a controller told nothing, whose work runs in this process.
func BenchmarkAdmitDoneInProcess(b *testing.B) {
	ctl := admission.New(admission.Config{})
	defer ctl.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		permit, err := ctl.Acquire(ctx, penstock.Work{})
		if err != nil {
			b.Fatal(err)
		}
		permit.Done(penstock.OK)
	}
}

// A refusal by rank: what most refusals are under sustained overload.
func BenchmarkRefuse(b *testing.B) {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(1)})
	defer ctl.Close()
	ctl.Drain()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ctl.Acquire(ctx, penstock.Work{}); err == nil {
			b.Fatal("admitted while draining")
		}
	}
}

// A refusal by the room, on the slow path: nothing may wait.
func BenchmarkRefuseInRoom(b *testing.B) {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: -time.Second}}})
	defer ctl.Close()
	ctx := context.Background()
	permit, err := ctl.Acquire(ctx, penstock.Work{})
	if err != nil {
		b.Fatal(err)
	}
	defer permit.Done(penstock.OK)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ctl.Acquire(ctx, penstock.Work{}); err == nil {
			b.Fatal("admitted beyond the limit")
		}
	}
}

// What no controller gets below: two readings of the clock and two rounds of a
// lock.
func BenchmarkAdmitDoneFloor(b *testing.B) {
	var mu sync.Mutex
	var sum mono.Time
	b.ReportAllocs()
	for b.Loop() {
		for range 2 {
			now := mono.Now()
			mu.Lock()
			sum += now
			mu.Unlock()
		}
	}
	if sum == 0 {
		b.Fatal("the clock stands still")
	}
}
