package penstockgrpc

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// A ServerOption changes what [Server] does.
type ServerOption interface{ apply(*server) }

type serverOption func(*server)

func (o serverOption) apply(to *server) { o(to) }

// WithRoute enters by the controller's route of that index. The default is 0.
func WithRoute(index int) ServerOption { return serverOption(func(s *server) { s.route = index }) }

// WithTrust names the callers whose criticality is believed. It replaces the
// default, [penstockhttp.Loopback].
func WithTrust(callers penstockhttp.Trust) ServerOption {
	return serverOption(func(s *server) { s.trust = callers })
}

// WithExpose says who is told the pressure. The default is
// [penstockhttp.ExposeAll].
func WithExpose(to penstockhttp.Expose) ServerOption {
	return serverOption(func(s *server) { s.expose = to })
}

// WithExempt names the methods, as /package.Service/Method, that go to their
// handlers directly. It replaces the default, which exempts those of
// grpc.health.v1.Health; nil exempts nothing.
func WithExempt(exempt func(method string) bool) ServerOption {
	return serverOption(func(s *server) { s.exempt = exempt })
}

// WithDoor gives the server a door of one's own: see [penstockhttp.WithDoor].
func WithDoor(door *caller.Client) ServerOption {
	return serverOption(func(s *server) { s.door = door })
}

// WithDeadline bounds how long a request may take, waiting included; its own
// deadline counts where it is earlier. 0 or less is no bound, the default.
func WithDeadline(d time.Duration) ServerOption {
	return serverOption(func(s *server) { s.deadline = d })
}

// Server returns the options that protect a server: requests enter as ctl admits
// them. It panics if ctl is nil.
//
// A permit is held until the handler returns; that of a stream until its first
// message or header is sent, since a stream lasts as long as its client likes:
// bound those with [grpc.MaxConcurrentStreams]. The context carries what the
// request is, as [penstockhttp.Handler]'s does.
func Server(ctl *admission.Controller, opts ...ServerOption) []grpc.ServerOption {
	if ctl == nil {
		panic("penstockgrpc: Server needs a controller")
	}
	s := &server{ctl: ctl, door: caller.NewDoor(), trust: penstockhttp.Loopback(), exempt: isHealth}
	for _, o := range opts {
		o.apply(s)
	}
	s.level = func() float64 { return ctl.PressureRoute(s.route).Level }
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream)}
}

func isHealth(method string) bool { return strings.HasPrefix(method, "/grpc.health.v1.Health/") }

type server struct {
	ctl      *admission.Controller
	route    int
	trust    penstockhttp.Trust
	expose   penstockhttp.Expose
	exempt   func(string) bool
	deadline time.Duration
	door     *caller.Client
	level    func() float64

	mu        sync.Mutex
	meter     pressure.Meter
	announcer pressure.Announcer
}

// A visitor is one request from its arrival to its end.
type visitor struct {
	server *server
	permit admission.Permit
	pass   caller.Call // through the door
	visit  caller.Visit
	tell   bool

	serving penstock.Serving // the handler's context

	mu   sync.Mutex // streams send from any goroutine
	done bool
}

// enter asks to enter; the error is a status, with its trailer set.
func (s *server) enter(ctx context.Context, method string, setTrailer func(metadata.MD)) (*visitor, context.Context, context.CancelFunc, error) {
	trusted := false
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		trusted = s.trust.Includes(p.Addr.String())
	}
	work := workOf(ctx, trusted)
	if !work.Cohort.Specified() {
		work.Cohort = penstock.CohortAt(rand.Uint64()) //nolint:forbidigo // a host is where randomness enters
	}
	cancel := context.CancelFunc(func() {})
	if s.deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.deadline)
	}
	if at, ok := ctx.Deadline(); ok {
		work.Deadline, work.HasDeadline = mono.Of(at), true
	}
	v := &visitor{server: s, tell: s.expose == penstockhttp.ExposeAll || s.expose == penstockhttp.ExposeTrusted && trusted}
	v.visit.Init(work, s.level)
	permit, err := v.ask(ctx, method, work, len(metadata.ValueFromIncomingContext(ctx, KeyWork)) > 0)
	if err != nil {
		cancel()
		rejected, ok := errors.AsType[*penstock.RejectedError](err)
		if !ok {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, nil, nil, status.FromContextError(ctx.Err()).Err()
			}
			own := s.ctl.PressureRoute(s.route)
			rejected = &penstock.RejectedError{Reason: penstock.ReasonDeadline, RetryAfter: own.Retry, Pressure: own.Level}
		}
		trailer := v.trailer()
		trailer.Set(KeyPushback, pushback(rejected.RetryAfter))
		setTrailer(trailer)
		return nil, nil, nil, refuse(rejected)
	}
	v.permit = permit
	v.serving = penstock.Serving{Context: ctx, Visit: &v.visit}
	return v, &v.serving, cancel, nil
}

// ask asks at the door, and then the controller.
func (v *visitor) ask(ctx context.Context, method string, work penstock.Work, relayed bool) (admission.Permit, error) {
	asked := work
	asked.HasDeadline = false // the controller looks after it, and counts
	pass, err := v.server.door.Begin("", method, asked, relayed)
	if err != nil {
		return admission.Permit{}, err
	}
	permit, err := v.server.ctl.AcquireRoute(ctx, v.server.route, work)
	if err != nil {
		pass.End(caller.Answer{Left: true})
	}
	v.pass = pass
	return permit, err
}

// leave ends a request: it returns the handler's error as clients are to see it.
func (v *visitor) leave(err error, setTrailer func(metadata.MD)) error {
	path, below := v.visit.Path()
	v.finish(outcomeOf(err, below))
	trailer := v.trailer()
	if rejected := asRefusal(err); rejected != nil {
		trailer.Set(KeyPushback, pushback(max(rejected.RetryAfter, path.Retry)))
		if caller.IsDoNotRetry(err) {
			trailer.Set(KeyPushback, pushback(-1))
		}
		if _, ok := status.FromError(err); !ok {
			err = refuse(rejected)
		}
	}
	setTrailer(trailer)
	return err
}

// finish gives back the permit; only the first call counts.
func (v *visitor) finish(o penstock.Outcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	v.done = true
	v.permit.Done(o)
	path, below := v.visit.Path()
	v.pass.End(caller.Answer{Said: true, Signal: path, Refused: below})
	if v.server.expose != penstockhttp.ExposeNone {
		now := mono.Now()
		v.server.mu.Lock()
		v.server.meter.Count(now, o != penstock.OK)
		v.server.mu.Unlock()
	}
}

// leastLevel is the level that an idle server reports to balancers: 0 means to
// grpc-go's weighted_round_robin that nothing was reported.
const leastLevel = 0.001

// trailer is what to tell the client now: the pressure, and the load where it is
// due.
func (v *visitor) trailer() metadata.MD {
	md := metadata.MD{}
	if !v.tell {
		return md
	}
	s := v.server
	own := pressure.Load{Signal: s.ctl.PressureRoute(s.route)}
	path, _ := v.visit.Path()
	merged := pressure.Merge(own.Signal, path)
	now := mono.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	md[KeyPressure] = []string{s.announcer.Pressure(merged)}
	if s.announcer.LoadDue(now) {
		own.RPS, own.EPS = s.meter.Rates(now)
		own.Level = max(own.Level, leastLevel)
		var buf [128]byte
		md[KeyLoad] = []string{string(pressure.AppendLoadBinary(buf[:0], own))}
	}
	return md
}

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	if s.exempt != nil && s.exempt(info.FullMethod) {
		return next(ctx, req)
	}
	setTrailer := func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) } // fails only where there is no stream
	v, inner, cancel, err := s.enter(ctx, info.FullMethod, setTrailer)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer v.finish(penstock.Ignored) // a panic goes on
	res, err = next(inner, req)
	return res, v.leave(err, setTrailer)
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if s.exempt != nil && s.exempt(info.FullMethod) {
		return next(srv, ss)
	}
	v, ctx, cancel, err := s.enter(ss.Context(), info.FullMethod, ss.SetTrailer)
	if err != nil {
		return err
	}
	defer cancel()
	defer v.finish(penstock.Ignored)
	return v.leave(next(srv, &serverStream{ss, ctx, v}), ss.SetTrailer)
}

// A serverStream gives its permit back when the answer begins.
type serverStream struct {
	grpc.ServerStream
	ctx     context.Context
	visitor *visitor
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) SendHeader(md metadata.MD) error {
	s.begin()
	return s.ServerStream.SendHeader(md)
}

func (s *serverStream) SendMsg(m any) error {
	s.begin()
	return s.ServerStream.SendMsg(m)
}

// begin tells the pressure with the header, as the trailer may be long in coming.
func (s *serverStream) begin() {
	s.visitor.mu.Lock()
	first := !s.visitor.done
	s.visitor.mu.Unlock()
	if first {
		if md := s.visitor.trailer(); len(md) > 0 {
			_ = s.SetHeader(md) // fails where the header is sent already
		}
		s.visitor.finish(penstock.OK)
	}
}
