package penstockgrpc_test

import (
	"context"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/weightedroundrobin" // the policy under test, as it comes
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockgrpc"
)

// TestWeightedRoundRobin: grpc-go's own weighted_round_robin, which knows nothing
// of penstock, sends the fuller of two of our servers less.
func TestWeightedRoundRobin(t *testing.T) {
	var asked [2]atomic.Int64
	builder := manual.NewBuilderWithScheme("two")
	var state resolver.State
	for i, busy := range []int{9, 1} { // of ten slots
		ctl := newController(t, 10)
		for range busy {
			permit, err := ctl.Acquire(t.Context(), penstock.Work{})
			if err != nil {
				t.Fatal(err)
			}
			defer permit.Done(penstock.OK)
		}
		target := serve(t, &service{unary: func(context.Context) error { asked[i].Add(1); return nil }}, penstockgrpc.Server(ctl)...)
		state.Addresses = append(state.Addresses, resolver.Address{Addr: target})
	}
	builder.InitialState(state)
	client := dial(t, "two:///", grpc.WithResolvers(builder), grpc.WithDefaultServiceConfig(
		`{"loadBalancingConfig": [{"weighted_round_robin": {"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}}]}`))
	ctx := within(t)
	for ctx.Err() == nil {
		before := [2]int64{asked[0].Load(), asked[1].Load()}
		for range 200 {
			if _, err := client.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
				t.Fatal(err)
			}
		}
		full, free := asked[0].Load()-before[0], asked[1].Load()-before[1]
		if full > 0 && free > 2*full {
			return
		}
	}
	t.Errorf("the full server was asked %d times, the free one %d times", asked[0].Load(), asked[1].Load())
}
