package micro

import (
	"context"
	"testing"

	sentinel "github.com/alibaba/sentinel-golang/api"
	"github.com/alibaba/sentinel-golang/core/base"
	"github.com/alibaba/sentinel-golang/core/config"
	"github.com/alibaba/sentinel-golang/core/system"
	"github.com/alibaba/sentinel-golang/logging"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"
	"github.com/platinummonkey/go-concurrency-limits/core"
	gcllimit "github.com/platinummonkey/go-concurrency-limits/limit"
	"github.com/platinummonkey/go-concurrency-limits/limiter"
	"github.com/platinummonkey/go-concurrency-limits/strategy"
	"github.com/slok/goresilience/concurrencylimit"
	"github.com/sony/gobreaker/v2"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	uber "go.uber.org/ratelimit"
	"golang.org/x/sync/semaphore"
	xrate "golang.org/x/time/rate"
	fq "k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing"
	"k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/eventclock"
	"k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset"
	"k8s.io/apiserver/pkg/util/flowcontrol/metrics"
	"k8s.io/apiserver/pkg/util/flowcontrol/request"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/rate"
)

// plenty is more than is ever in flight, and more per second than is ever asked.
const plenty = 1_000_000_000

func admitters() []subject {
	return []subject{
		{"penstock/default", func(b *testing.B) func() error { return penstockAdmits(b, limit.Default()) }},
		{"penstock/aimd", func(b *testing.B) func() error { return penstockAdmits(b, limit.AIMD(1000)) }},
		{"penstock/fixed", func(b *testing.B) func() error { return penstockAdmits(b, limit.Fixed(1000)) }},
		{"failsafe-adaptive/permit", func(*testing.B) func() error {
			l := adaptivelimiter.NewWithDefaults[any]()
			return func() error {
				permit, ok := l.TryAcquirePermit()
				if !ok {
					return errRefused
				}
				permit.Record()
				return nil
			}
		}},
		{"failsafe-adaptive/run", func(*testing.B) func() error {
			l := adaptivelimiter.NewWithDefaults[any]()
			return func() error { return failsafe.With(l).Run(nop) }
		}},
		{"gcl-vegas", func(b *testing.B) func() error {
			return throughGCL(b, gcllimit.NewDefaultVegasLimit("b", nil, core.EmptyMetricRegistryInstance))
		}},
		{"gcl-gradient2", func(b *testing.B) func() error {
			return throughGCL(b, gcllimit.NewDefaultGradient2Limit("b", nil, core.EmptyMetricRegistryInstance))
		}},
		{"gcl-aimd", func(b *testing.B) func() error {
			return throughGCL(b, gcllimit.NewDefaultAIMDLimit("b", core.EmptyMetricRegistryInstance))
		}},
		{"go-zero-shedder", func(*testing.B) func() error {
			l := load.NewAdaptiveShedder(load.WithCpuThreshold(1001)) // a gate that stays shut
			return throughGoZero(l)
		}},
		{"aegis-bbr", func(*testing.B) func() error { return throughAegis(bbr.NewLimiter(bbr.WithCPUThreshold(1001))) }},
		{"sentinel-bbr", func(b *testing.B) func() error {
			return throughSentinel(b, &system.Rule{MetricType: system.Load, TriggerCount: plenty, Strategy: system.BBR})
		}},
		{"goresilience-aimd", func(*testing.B) func() error {
			r := concurrencylimit.New(concurrencylimit.Config{})
			run := func(context.Context) error { return nil }
			return func() error { return r.Run(context.Background(), run) }
		}},
		{"kubernetes-apf", func(b *testing.B) func() error { return throughAPF(newAPF(b, 1000, 64)) }},
		{"x-sync-semaphore/acquire", func(*testing.B) func() error {
			sem := semaphore.NewWeighted(1000)
			return func() error {
				if err := sem.Acquire(context.Background(), 1); err != nil {
					return err
				}
				sem.Release(1)
				return nil
			}
		}},
		{"penstock-rate", func(*testing.B) func() error {
			l := rate.New(1e9, 1e9)
			return func() error { return refusedUnless(l.Allow()) }
		}},
		{"x-time-rate", func(*testing.B) func() error {
			l := xrate.NewLimiter(plenty, plenty)
			return func() error { return refusedUnless(l.Allow()) }
		}},
		{"uber-ratelimit", func(*testing.B) func() error {
			l := uber.New(plenty)
			return func() error { l.Take(); return nil }
		}},
		{"gobreaker", func(*testing.B) func() error {
			cb := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{})
			run := func() (int, error) { return 0, nil }
			return func() error { _, err := cb.Execute(run); return err }
		}},
	}
}

func nop() error { return nil }

func refusedUnless(ok bool) error {
	if !ok {
		return errRefused
	}
	return nil
}

func penstockAdmits(b *testing.B, law limit.Law) func() error {
	ctl := admission.New(admission.Config{Limit: law, Seed: 1})
	b.Cleanup(ctl.Close)
	ctx := context.Background()
	return func() error {
		permit, err := ctl.Acquire(ctx, penstock.Work{})
		if err != nil {
			return err
		}
		permit.Done(penstock.OK)
		return nil
	}
}

func throughGCL(b *testing.B, law core.Limit) func() error {
	l, err := limiter.NewDefaultLimiter(law, 1e9, 1e9, 1e5, 100,
		strategy.NewSimpleStrategy(law.EstimatedLimit()), gcllimit.NoopLimitLogger{}, core.EmptyMetricRegistryInstance)
	if err != nil {
		b.Fatal(err)
	}
	return func() error {
		listener, ok := l.Acquire(context.Background())
		if !ok {
			return errRefused
		}
		listener.OnSuccess()
		return nil
	}
}

func throughGoZero(l load.Shedder) func() error {
	logx.Disable()
	return func() error {
		promise, err := l.Allow()
		if err != nil {
			return err
		}
		promise.Pass()
		return nil
	}
}

func throughAegis(l ratelimit.Limiter) func() error {
	return func() error {
		done, err := l.Allow()
		if err != nil {
			return err
		}
		done(ratelimit.DoneInfo{})
		return nil
	}
}

func throughSentinel(b *testing.B, rule *system.Rule) func() error {
	cfg := config.NewDefaultConfig()
	cfg.Sentinel.UseCacheTime = false
	cfg.Sentinel.Log.Logger = logging.NewConsoleLogger()
	cfg.Sentinel.Log.Metric.FlushIntervalSec = 0
	logging.ResetGlobalLoggerLevel(logging.ErrorLevel)
	if err := sentinel.InitWithConfig(cfg); err != nil {
		b.Fatal(err)
	}
	if _, err := system.LoadRules([]*system.Rule{rule}); err != nil {
		b.Fatal(err)
	}
	return func() error {
		entry, blocked := sentinel.Entry("micro", sentinel.WithTrafficType(base.Inbound))
		if blocked != nil {
			return errRefused
		}
		entry.Exit()
		return nil
	}
}

func newAPF(b *testing.B, seats, queues int) fq.QueueSet {
	c, err := queueset.NewQueueSetFactory(eventclock.Real{}).BeginConstruction(
		fq.QueuingConfig{Name: "micro", DesiredNumQueues: queues, QueueLengthLimit: 50, HandSize: 8},
		metrics.RatioedGaugePair{RequestsWaiting: nothing{}, RequestsExecuting: nothing{}}, nothing{}, nothing{})
	if err != nil {
		b.Fatal(err)
	}
	return c.Complete(fq.DispatchingConfig{ConcurrencyLimit: seats, ConcurrencyDenominator: seats})
}

func throughAPF(level fq.QueueSet) func() error {
	width := &request.WorkEstimate{InitialSeats: 1, FinalSeats: 1}
	ctx := context.Background()
	return func() error {
		req, _ := level.StartRequest(ctx, width, 1, "", "micro", nil, nil, func(bool) {})
		if req == nil {
			return errRefused
		}
		req.Finish(func() {})
		return nil
	}
}

// nothing is a gauge that nobody reads.
type nothing struct{}

func (nothing) Set(float64)            {}
func (nothing) Inc()                   {}
func (nothing) Dec()                   {}
func (nothing) Add(float64)            {}
func (nothing) SetToCurrentTime()      {}
func (nothing) SetDenominator(float64) {}
