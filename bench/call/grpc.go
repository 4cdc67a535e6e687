package main

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/penstockgrpc"
	"github.com/penstock-go/penstock/pressure"
)

// service answers at once.
type service struct {
	testgrpc.UnimplementedTestServiceServer
}

func (service) EmptyCall(context.Context, *testgrpc.Empty) (*testgrpc.Empty, error) {
	return &testgrpc.Empty{}, nil
}

// grpcRows are unary calls. Each row has its own server and connection.
func grpcRows(ctx context.Context, ctl *admission.Controller) ([]row, func(), error) {
	var stop []func()
	var rows []row
	for _, r := range []struct {
		name   string
		server []grpc.ServerOption
		client []grpc.DialOption
	}{
		{"plain", nil, nil},
		{"by hand", []grpc.ServerOption{grpc.UnaryInterceptor(new(answerer).serve)}, []grpc.DialOption{grpc.WithUnaryInterceptor(ask)}},
		{"with care", []grpc.ServerOption{grpc.UnaryInterceptor(new(carefulAnswerer).serve)}, []grpc.DialOption{grpc.WithUnaryInterceptor(new(ledger).ask)}},
		{"penstock", penstockgrpc.Server(ctl), penstockgrpc.Client(penstockgrpc.ClientConfig{})},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		s := grpc.NewServer(r.server...)
		testgrpc.RegisterTestServiceServer(s, service{})
		go func() { _ = s.Serve(l) }() // ends with Stop
		conn, err := grpc.NewClient(l.Addr().String(), append(r.client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			return nil, nil, err
		}
		stop = append(stop, func() { _ = conn.Close() }, s.Stop)
		client := testgrpc.NewTestServiceClient(conn)
		rows = append(rows, row{r.name, func() error {
			_, err := client.EmptyCall(ctx, &testgrpc.Empty{})
			return err
		}})
	}
	return rows, func() {
		for _, f := range stop {
			f()
		}
	}, nil
}

// ask sends and reads by hand the metadata that [penstockgrpc.Client] would.
func ask(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var trailer metadata.MD
	ctx = metadata.AppendToOutgoingContext(ctx, penstockgrpc.KeyWork, saidWork)
	if err := invoke(ctx, method, req, reply, cc, append(opts, grpc.Trailer(&trailer))...); err != nil {
		return err
	}
	if len(trailer[penstockgrpc.KeyPressure]) != 1 {
		return errMute
	}
	return nil
}

// An answerer reads and sends by hand the metadata that [penstockgrpc.Server]
// would. Calls come one at a time.
type answerer struct{ loadAt time.Time }

var loadBinary = []string{string(pressure.AppendLoadBinary(nil, pressure.Load{Signal: pressure.Signal{Level: 0.006}, RPS: 5812.402}))}

func (a *answerer) serve(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if len(metadata.ValueFromIncomingContext(ctx, penstockgrpc.KeyWork)) != 1 {
		return nil, errMute
	}
	res, err := next(ctx, req)
	trailer := metadata.MD{penstockgrpc.KeyPressure: pressureValue}
	if now := time.Now(); now.Sub(a.loadAt) >= pressure.LoadEvery {
		trailer[penstockgrpc.KeyLoad] = loadBinary
		a.loadAt = now
	}
	_ = grpc.SetTrailer(ctx, trailer) // fails only where there is no stream
	return res, err
}
