package arena

import (
	"context"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	lab "github.com/penstock-go/penstock/lab/arena"
)

const failsafeModule = "github.com/failsafe-go/failsafe-go"

func failsafes() []Competitor {
	return []Competitor{
		{
			Limiter: lab.Limiter{
				Name: "failsafe adaptive", Kind: lab.Peer, Module: failsafeModule,
				Config: "adaptivelimiter.NewWithDefaults (limits 1, 200, from 20), failsafe.With(limiter).WithContext(ctx).Run",
			},
			New: func(uint64) Guard { return throughFailsafe(adaptivelimiter.NewWithDefaults[any]()) },
		},
		{
			Limiter: lab.Limiter{
				Name: "failsafe adaptive, queue", Kind: lab.Peer, Module: failsafeModule,
				Config: "the same with WithQueueing(2, 3), the factors that its documentation and BuildPrioritized use",
			},
			New: func(uint64) Guard {
				return throughFailsafe(adaptivelimiter.NewBuilder[any]().WithQueueing(2, 3).Build())
			},
		},
	}
}

func throughFailsafe(l adaptivelimiter.AdaptiveLimiter[any]) Guard {
	return func(ctx context.Context, call *Call) error {
		return failsafe.With(l).WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error {
			return call.Do(exec.Context())
		})
	}
}
