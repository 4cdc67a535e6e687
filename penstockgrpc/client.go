package penstockgrpc

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/pressure"
)

// ClientConfig configures [Client]. The zero ClientConfig is right for most.
type ClientConfig struct {
	// Client decides; nil means one with the default configuration. Share one
	// between all connections of a process.
	Client *caller.Client
	// Retry sends refused unary calls again; nil means never. Use it or gRPC's
	// own retry policy, and not both: layers multiply.
	Retry *caller.Retrier
	// Route tells apart what one target serves. nil means the method.
	Route func(method string) string
}

// Client returns the options that make a connection listen: calls say what they
// are, as their context knows, and those that the server is known to refuse are
// refused here. The error is a gRPC status, and a *[penstock.RejectedError] too:
// errors.AsType finds it.
func Client(cfg ClientConfig) []grpc.DialOption {
	if cfg.Client == nil {
		cfg.Client = caller.New(caller.Config{})
	}
	if cfg.Route == nil {
		cfg.Route = func(method string) string { return method }
	}
	c := &client{cfg}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary), grpc.WithChainStreamInterceptor(c.stream)}
}

type client struct{ ClientConfig }

// begin asks whether a call may be sent, and says in its context what it is.
func (c *client) begin(ctx context.Context, target, method string) (caller.Call, context.Context, error) {
	work := caller.Outgoing(ctx)
	route := c.Route(method)
	k, err := c.Client.Begin(target, route, work, caller.Relayed(ctx))
	if err != nil {
		if v := caller.VisitOf(ctx); v != nil {
			v.Heard(c.Client.Pressure(target, route))
			v.RefusedBelow()
		}
		rejected, _ := errors.AsType[*penstock.RejectedError](err)
		return k, ctx, refuse(rejected)
	}
	var buf [48]byte
	if b := pressure.AppendWork(buf[:0], work); len(b) > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, KeyWork, string(b))
	}
	return k, ctx, nil
}

// end tells what came of a call, and returns its error as the caller is to see
// it.
func end(ctx context.Context, k caller.Call, err error, said metadata.MD) error {
	a, err := answerOf(err, said)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		a.Left = true
	}
	believed := k.End(a)
	if v := caller.VisitOf(ctx); v != nil {
		if a.Said {
			v.Heard(believed)
		}
		if a.Refused {
			v.RefusedBelow()
		}
	}
	return err
}

func (c *client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	call := func(ctx context.Context) error {
		k, inner, err := c.begin(ctx, cc.Target(), method)
		if err != nil {
			return err
		}
		var trailer metadata.MD
		err = invoke(inner, method, req, reply, cc, append(slices.Clip(opts), grpc.Trailer(&trailer))...)
		return end(ctx, k, err, trailer)
	}
	if c.Retry == nil {
		return call(ctx)
	}
	return c.Retry.Do(ctx, call)
}

func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	k, inner, err := c.begin(ctx, cc.Target(), method)
	if err != nil {
		return nil, err
	}
	cs, err := open(inner, desc, cc, method, opts...)
	if err != nil {
		return nil, end(ctx, k, err, nil)
	}
	s := &clientStream{ClientStream: cs, ctx: ctx, call: k}
	// Who reads no further must cancel: that is gRPC's contract for streams.
	s.stop = context.AfterFunc(ctx, func() { _ = s.end(nil, nil, true) })
	return s, nil
}

// A clientStream tells what came of its call when the answer begins, or when it
// ends without one.
type clientStream struct {
	grpc.ClientStream
	ctx  context.Context
	stop func() bool

	mu   sync.Mutex
	call caller.Call
	done bool
}

func (s *clientStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	if err == nil && md != nil {
		_ = s.end(nil, md, false)
	}
	return md, err
}

func (s *clientStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	switch {
	case err == nil:
		if !s.ended() {
			md, _ := s.ClientStream.Header() // it is there: a message has come
			_ = s.end(nil, md, false)
		}
	case errors.Is(err, io.EOF):
		_ = s.end(nil, s.Trailer(), false)
	default:
		return s.end(err, s.Trailer(), false)
	}
	return err
}

func (s *clientStream) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// end tells what came of the call; only the first time counts.
func (s *clientStream) end(err error, said metadata.MD, left bool) error {
	s.mu.Lock()
	first := !s.done
	s.done = true
	s.mu.Unlock()
	if !first {
		_, err = answerOf(err, said)
		return err
	}
	if left {
		s.call.End(caller.Answer{Left: true})
		return nil
	}
	s.stop()
	return end(s.ctx, s.call, err, said)
}
