package arena

import (
	"context"
	"errors"

	"github.com/platinummonkey/go-concurrency-limits/core"
	"github.com/platinummonkey/go-concurrency-limits/limit"
	"github.com/platinummonkey/go-concurrency-limits/limiter"
	"github.com/platinummonkey/go-concurrency-limits/strategy"

	lab "github.com/penstock-go/penstock/lab/arena"
)

const gclModule = "github.com/platinummonkey/go-concurrency-limits"

// errRefused is what guards return where the limiter says only no.
var errRefused = errors.New("refused")

func gcls() []Competitor {
	var all []Competitor
	for _, c := range []struct {
		name, config string
		limit        func() core.Limit
	}{
		{"gcl Vegas", "NewDefaultVegasLimit, the law of NewDefaultLimiterWithDefaults", func() core.Limit {
			return limit.NewDefaultVegasLimit("arena", nil, core.EmptyMetricRegistryInstance)
		}},
		{"gcl Gradient2", "NewDefaultGradient2Limit (limits 20 to 200)", func() core.Limit {
			return limit.NewDefaultGradient2Limit("arena", nil, core.EmptyMetricRegistryInstance)
		}},
		{"gcl AIMD", "NewDefaultAIMDLimit (from 10, back-off .9)", func() core.Limit {
			return limit.NewDefaultAIMDLimit("arena", core.EmptyMetricRegistryInstance)
		}},
	} {
		all = append(all, Competitor{
			Limiter: lab.Limiter{
				Name: c.name, Kind: lab.Peer, Module: gclModule,
				Config: c.config + " in a DefaultLimiter with a SimpleStrategy and its default windows (1 s, 100 samples); OnSuccess, or OnDropped where the client left",
			},
			New: func(uint64) Guard { return throughGCL(c.limit()) },
		})
	}
	return all
}

// The defaults of NewDefaultLimiterWithDefaults, which does not export them.
const (
	gclWindow    = 1e9
	gclThreshold = 1e5
	gclSamples   = 100
)

func throughGCL(law core.Limit) Guard {
	l, err := limiter.NewDefaultLimiter(law, gclWindow, gclWindow, gclThreshold, gclSamples,
		strategy.NewSimpleStrategy(law.EstimatedLimit()), limit.NoopLimitLogger{}, core.EmptyMetricRegistryInstance)
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context, call *Call) error {
		listener, ok := l.Acquire(ctx)
		if !ok {
			return errRefused
		}
		err := call.Do(ctx)
		if err != nil {
			listener.OnDropped()
		} else {
			listener.OnSuccess()
		}
		return err
	}
}
