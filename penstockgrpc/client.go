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
	"github.com/penstock-go/penstock/internal/fields"
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

// An attempt is a call that was let through.
type attempt struct {
	caller.Call
	ctx   context.Context //nolint:containedctx // the caller's, which says whether it has left
	visit *caller.Visit
}

// begin asks whether a call may be sent, and says in the context returned what it
// is.
func (c *client) begin(ctx context.Context, target, method string) (attempt, context.Context, error) {
	out := caller.OutgoingOf(ctx)
	route := c.Route(method)
	k, err := c.Client.Begin(target, route, out.Work, out.Relayed)
	if err != nil {
		if out.Visit != nil {
			out.Visit.Heard(c.Client.Pressure(target, route))
			out.Visit.RefusedBelow()
		}
		rejected, _ := errors.AsType[*penstock.RejectedError](err)
		return attempt{}, ctx, refuse(rejected)
	}
	a := attempt{k, ctx, out.Visit}
	out.Visit.Went(k)
	if value := fields.Work(&out.Work); value != nil {
		ctx = metadata.AppendToOutgoingContext(ctx, KeyWork, value[0])
	}
	return a, ctx, nil
}

// end tells what came of a call, and returns its error as the caller is to see
// it.
func (t attempt) end(err error, said metadata.MD) error {
	a, err := answerOf(err, said)
	if errors.Is(t.ctx.Err(), context.Canceled) {
		a.Left = true
	}
	t.visit.Came(t.Call, a, t.End(a))
	return err
}

func (c *client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if c.Retry == nil {
		return c.call(ctx, method, req, reply, cc, invoke, opts)
	}
	return c.Retry.Do(ctx, func(ctx context.Context) error {
		return c.call(ctx, method, req, reply, cc, invoke, opts)
	})
}

// call makes one attempt.
func (c *client) call(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts []grpc.CallOption) error {
	attempt, inner, err := c.begin(ctx, cc.Target(), method)
	if err != nil {
		return err
	}
	var trailer metadata.MD
	err = invoke(inner, method, req, reply, cc, append(slices.Clip(opts), grpc.Trailer(&trailer))...)
	return attempt.end(err, trailer)
}

func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	attempt, inner, err := c.begin(ctx, cc.Target(), method)
	if err != nil {
		return nil, err
	}
	cs, err := open(inner, desc, cc, method, opts...)
	if err != nil {
		return nil, attempt.end(err, nil)
	}
	s := &clientStream{ClientStream: cs, attempt: attempt}
	// Who reads no further must cancel: that is gRPC's contract for streams.
	s.stop = context.AfterFunc(ctx, func() { _ = s.end(nil, nil, true) })
	return s, nil
}

// A clientStream tells what came of its call when the answer begins, or when it
// ends without one.
type clientStream struct {
	grpc.ClientStream
	attempt attempt
	stop    func() bool

	mu   sync.Mutex
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
		s.attempt.End(caller.Answer{Left: true})
		return nil
	}
	s.stop()
	return s.attempt.end(err, said)
}
