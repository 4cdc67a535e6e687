package arena

import (
	"context"

	"github.com/slok/goresilience"
	"github.com/slok/goresilience/concurrencylimit"
	"github.com/slok/goresilience/concurrencylimit/execute"
	"github.com/slok/goresilience/concurrencylimit/limit"

	lab "github.com/penstock-go/penstock/lab/arena"
)

const goresilienceModule = "github.com/slok/goresilience"

func goresiliences() []Competitor {
	return []Competitor{
		{
			Limiter: lab.Limiter{
				Name: "goresilience AIMD", Kind: lab.Peer, Module: goresilienceModule,
				Config: "concurrencylimit.New(Config{}): AIMD from 10, FIFO queue of at most 1 s",
			},
			Leaks: true,
			New:   func(uint64) Guard { return throughGoresilience(concurrencylimit.New(concurrencylimit.Config{})) },
		},
		{
			Limiter: lab.Limiter{
				Name: "goresilience AIMD+CoDel", Kind: lab.Peer, Module: goresilienceModule,
				Config: "AIMD at its defaults, with NewAdaptiveLIFOCodel at its defaults (5 ms, 100 ms)",
			},
			Leaks: true,
			New: func(uint64) Guard {
				return throughGoresilience(concurrencylimit.New(concurrencylimit.Config{
					Executor: execute.NewAdaptiveLIFOCodel(execute.AdaptiveLIFOCodelConfig{}),
				}))
			},
		},
		{
			Limiter: lab.Limiter{
				Name: "goresilience 8+CoDel", Kind: lab.Told, Module: goresilienceModule,
				Config: "limit.NewStatic(8), told the number of workers, with NewAdaptiveLIFOCodel at its defaults",
			},
			Leaks: true,
			New: func(uint64) Guard {
				return throughGoresilience(concurrencylimit.New(concurrencylimit.Config{
					Limiter:  limit.NewStatic(8),
					Executor: execute.NewAdaptiveLIFOCodel(execute.AdaptiveLIFOCodelConfig{}),
				}))
			},
		},
	}
}

func throughGoresilience(r goresilience.Runner) Guard {
	return func(ctx context.Context, call *Call) error { return r.Run(ctx, call.Do) }
}
