package penstockgrpc_test

import (
	"testing"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockgrpc"
)

// BenchmarkUnary is a call over loopback, plain and with both sides' interceptors:
// the difference is what they cost.
func BenchmarkUnary(b *testing.B) {
	ctl := newController(b, 8)
	for _, row := range []struct {
		name   string
		server []grpc.ServerOption
		client []grpc.DialOption
	}{
		{"plain", nil, nil},
		{"penstock", penstockgrpc.Server(ctl), penstockgrpc.Client(penstockgrpc.ClientConfig{})},
	} {
		b.Run(row.name, func(b *testing.B) {
			client := dial(b, serve(b, &service{}, row.server...), row.client...)
			ctx := penstock.WithWork(b.Context(), penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(3)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
