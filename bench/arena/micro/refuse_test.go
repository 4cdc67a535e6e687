package micro

import (
	"context"
	"errors"
	"testing"
	"time"

	sentinel "github.com/alibaba/sentinel-golang/api"
	"github.com/alibaba/sentinel-golang/core/base"
	"github.com/alibaba/sentinel-golang/core/system"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/go-kratos/aegis/ratelimit/bbr"
	"github.com/platinummonkey/go-concurrency-limits/core"
	gcllimit "github.com/platinummonkey/go-concurrency-limits/limit"
	"github.com/platinummonkey/go-concurrency-limits/limiter"
	"github.com/platinummonkey/go-concurrency-limits/strategy"
	"github.com/sony/gobreaker/v2"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	"golang.org/x/sync/semaphore"
	xrate "golang.org/x/time/rate"
	"k8s.io/apiserver/pkg/util/flowcontrol/request"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/rate"
)

// Each is brought to where it refuses by work that stays in flight. goresilience
// and uber's rate limiter refuse only after a wait, or never: they are not here.
func refusers() []subject {
	return []subject{
		{"penstock/turnstile", func(b *testing.B) func() error {
			ctl := admission.New(admission.Config{Limit: limit.Fixed(1), Seed: 1})
			b.Cleanup(ctl.Close)
			ctl.Drain() // answered in front of the lock, as a price is
			return func() error {
				_, err := ctl.Acquire(context.Background(), penstock.Work{Criticality: penstock.Sheddable})
				return err
			}
		}},
		{"penstock/room", func(b *testing.B) func() error {
			ctl := controller(b, -time.Second)
			return func() error {
				_, err := ctl.Acquire(context.Background(), penstock.Work{Criticality: penstock.CriticalPlus})
				return err
			}
		}},
		{"failsafe-adaptive/permit", func(b *testing.B) func() error {
			l := adaptivelimiter.NewBuilder[any]().WithLimits(1, 1, 1).Build()
			hold(b, func() bool { _, ok := l.TryAcquirePermit(); return ok }, 1)
			return func() error { _, ok := l.TryAcquirePermit(); return refusedUnless(ok) }
		}},
		{"failsafe-adaptive/run", func(b *testing.B) func() error {
			l := adaptivelimiter.NewBuilder[any]().WithLimits(1, 1, 1).Build()
			hold(b, func() bool { _, ok := l.TryAcquirePermit(); return ok }, 1)
			return func() error { return failsafe.With(l).Run(nop) }
		}},
		{"gcl-vegas", func(b *testing.B) func() error {
			law := gcllimit.NewDefaultVegasLimit("b", nil, core.EmptyMetricRegistryInstance)
			l, err := limiter.NewDefaultLimiter(law, 1e9, 1e9, 1e5, 100,
				strategy.NewSimpleStrategy(law.EstimatedLimit()), gcllimit.NoopLimitLogger{}, core.EmptyMetricRegistryInstance)
			if err != nil {
				b.Fatal(err)
			}
			hold(b, func() bool { _, ok := l.Acquire(context.Background()); return ok }, law.EstimatedLimit())
			return func() error { _, ok := l.Acquire(context.Background()); return refusedUnless(ok) }
		}},
		{"go-zero-shedder", func(b *testing.B) func() error {
			logx.Disable()
			l := load.NewAdaptiveShedder(load.WithCpuThreshold(0)) // a gate that stays open
			var promises []load.Promise
			hold(b, func() bool { p, err := l.Allow(); promises = append(promises, p); return err == nil }, 100)
			for _, p := range promises[:50] {
				p.Fail() // its average of what is in flight learns from what ends
			}
			return func() error { _, err := l.Allow(); return err }
		}},
		{"aegis-bbr", func(b *testing.B) func() error {
			l := bbr.NewLimiter(bbr.WithCPUThreshold(0)) // a gate that stays open
			hold(b, func() bool { _, err := l.Allow(); return err == nil }, 2)
			return func() error { _, err := l.Allow(); return err }
		}},
		{"sentinel-concurrency", func(b *testing.B) func() error {
			once := throughSentinel(b, &system.Rule{MetricType: system.Concurrency, TriggerCount: 1, Strategy: system.NoAdaptive})
			entry, blocked := sentinel.Entry("held", sentinel.WithTrafficType(base.Inbound))
			if blocked != nil {
				b.Fatal(blocked)
			}
			b.Cleanup(func() { entry.Exit() })
			return once
		}},
		{"kubernetes-apf", func(b *testing.B) func() error {
			level := newAPF(b, 1, 0)
			width := &request.WorkEstimate{InitialSeats: 1, FinalSeats: 1}
			if req, _ := level.StartRequest(b.Context(), width, 1, "", "micro", nil, nil, func(bool) {}); req == nil {
				b.Fatal("the first was refused")
			}
			return throughAPF(level)
		}},
		{"x-sync-semaphore", func(b *testing.B) func() error {
			sem := semaphore.NewWeighted(1)
			hold(b, func() bool { return sem.TryAcquire(1) }, 1)
			return func() error { return refusedUnless(sem.TryAcquire(1)) }
		}},
		{"penstock-rate", func(b *testing.B) func() error {
			l := rate.New(1e-6, 1)
			hold(b, l.Allow, 1)
			return func() error { return refusedUnless(l.Allow()) }
		}},
		{"x-time-rate", func(b *testing.B) func() error {
			l := xrate.NewLimiter(1e-6, 1)
			hold(b, l.Allow, 1)
			return func() error { return refusedUnless(l.Allow()) }
		}},
		{"gobreaker", func(b *testing.B) func() error {
			cb := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{Timeout: time.Hour})
			fails := func() (int, error) { return 0, errors.New("fails") }
			for range 10 {
				_, _ = cb.Execute(fails)
			}
			return func() error { _, err := cb.Execute(fails); return err }
		}},
	}
}

// hold takes n slots that are never given back.
func hold(b *testing.B, take func() bool, n int) {
	b.Helper()
	for range n {
		if !take() {
			b.Fatal("refused before it is full")
		}
	}
}

// controller has one slot, taken.
func controller(b *testing.B, waitFor time.Duration) *admission.Controller {
	b.Helper()
	ctl := admission.New(admission.Config{Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: waitFor}}, Seed: 1})
	b.Cleanup(ctl.Close)
	if _, err := ctl.Acquire(context.Background(), penstock.Work{}); err != nil {
		b.Fatal(err)
	}
	return ctl
}
