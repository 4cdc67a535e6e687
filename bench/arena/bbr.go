package arena

import (
	"context"

	sentinel "github.com/alibaba/sentinel-golang/api"
	"github.com/alibaba/sentinel-golang/core/base"
	"github.com/alibaba/sentinel-golang/core/config"
	"github.com/alibaba/sentinel-golang/core/system"
	"github.com/alibaba/sentinel-golang/core/system_metric"
	"github.com/alibaba/sentinel-golang/logging"
	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"

	lab "github.com/penstock-go/penstock/lab/arena"
)

const (
	aegisModule    = "github.com/go-kratos/aegis"
	sentinelModule = "github.com/alibaba/sentinel-golang"
	goZeroModule   = "github.com/zeromicro/go-zero"
)

// bbrs limit by the highest rate and the lowest latency seen, but only while the
// processor is busy. In virtual time there is no processor: each is judged with
// its gate held open, and named for it.
func bbrs() []Competitor {
	const shut = "its gate is the machine's CPU load, which virtual time does not have; a service that waits rather than computes never opens it, and has then what none has"
	return []Competitor{
		{
			Limiter: lab.Limiter{
				Name: "aegis BBR, gate open", Kind: lab.Peer, Module: aegisModule,
				Config: "bbr.NewLimiter(bbr.WithCPUThreshold(0)): its estimate, as if the CPU were always busy",
			},
			New: func(uint64) Guard { return throughAegis(bbr.NewLimiter(bbr.WithCPUThreshold(0))) },
		},
		{
			Limiter: lab.Limiter{
				Name: "sentinel BBR, gate open", Kind: lab.Peer, Module: sentinelModule,
				Config: "a system rule of Load > 1 with strategy BBR, and SetSystemLoad(2): its estimate, as if the CPU were always busy",
			},
			New:    func(uint64) Guard { return throughSentinel() },
			Global: true,
		},
		{Limiter: lab.Limiter{Name: "aegis BBR", Kind: lab.Peer, Module: aegisModule, Config: "bbr.NewLimiter()", Unjudged: shut}},
		{Limiter: lab.Limiter{Name: "sentinel BBR", Kind: lab.Peer, Module: sentinelModule, Config: "a system rule with strategy BBR", Unjudged: shut}},
		{Limiter: lab.Limiter{
			Name: "go-zero shedder", Kind: lab.Peer, Module: goZeroModule, Config: "load.NewAdaptiveShedder()",
			Unjudged: "its gate and a factor of its limit (1 to 0.1) are the machine's CPU load, read by a goroutine of its own; they cannot be held still, so its limit in virtual time would be the load of the machine that ran the arena",
		}},
	}
}

func throughAegis(l ratelimit.Limiter) Guard {
	return func(ctx context.Context, call *Call) error {
		done, err := l.Allow()
		if err != nil {
			return err
		}
		err = call.Do(ctx)
		done(ratelimit.DoneInfo{Err: err})
		return err
	}
}

func throughSentinel() Guard {
	cfg := config.NewDefaultConfig()
	cfg.Sentinel.UseCacheTime = false // its time cache is a goroutine with a ticker
	cfg.Sentinel.Log.Logger = logging.NewConsoleLogger()
	cfg.Sentinel.Log.Metric.FlushIntervalSec = 0
	cfg.Sentinel.Stat.System.CollectIntervalMs = 0
	cfg.Sentinel.Stat.System.CollectLoadIntervalMs = 0
	cfg.Sentinel.Stat.System.CollectCpuIntervalMs = 0
	cfg.Sentinel.Stat.System.CollectMemoryIntervalMs = 0
	logging.ResetGlobalLoggerLevel(logging.ErrorLevel)
	if err := sentinel.InitWithConfig(cfg); err != nil {
		panic(err)
	}
	if _, err := system.LoadRules([]*system.Rule{{MetricType: system.Load, TriggerCount: 1, Strategy: system.BBR}}); err != nil {
		panic(err)
	}
	system_metric.SetSystemLoad(2)
	return func(ctx context.Context, call *Call) error {
		entry, blocked := sentinel.Entry("arena", sentinel.WithTrafficType(base.Inbound))
		if blocked != nil {
			return errRefused
		}
		err := call.Do(ctx)
		if err != nil {
			sentinel.TraceError(entry, err)
		}
		entry.Exit()
		return err
	}
}
