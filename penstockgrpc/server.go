package penstockgrpc

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/internal/fields"
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
// bound those with [grpc.MaxConcurrentStreams]. Where ctl finds its limit, the slot
// is lent to others while the request waits for a callee that says how full it is.
// The context carries what the
// request is, as [penstockhttp.Handler]'s does.
func Server(ctl *admission.Controller, opts ...ServerOption) []grpc.ServerOption {
	if ctl == nil {
		panic("penstockgrpc: Server needs a controller")
	}
	s := &server{ctl: ctl, door: caller.NewDoor(), trust: penstockhttp.Loopback(), exempt: isHealth}
	for _, o := range opts {
		o.apply(s)
	}
	s.teller = fields.NewTeller(appendLoad)
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
	teller   *fields.Teller
	told     atomic.Pointer[told] // the latest
}

// A visitor is one request from its arrival to its end.
type visitor struct {
	server *server
	permit admission.Permit
	pass   caller.Call // through the door
	visit  caller.Visit

	serving penstock.Serving   // the handler's context,
	cancel  context.CancelFunc // and its end, where the server sets a deadline; else nil

	relayed, tell bool

	mu   sync.Mutex // streams send from any goroutine
	done bool
}

func (s *server) trusts(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return false
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return s.trust.IncludesAddr(tcp.AddrPort().Addr())
	}
	return s.trust.Includes(p.Addr.String())
}

// arrive says what a request is. Each request has a goroutine of its own, whose
// stack begins small and costs microseconds to grow: so what is asked one after the
// other (arrive, ask, leave) is not nested.
func (s *server) arrive(ctx context.Context) *visitor {
	trusted := s.trusts(ctx)
	work, relayed := workOf(ctx, trusted)
	if !work.Cohort.Specified() {
		work.Cohort = penstock.CohortAt(rand.Uint64()) //nolint:forbidigo // a host is where randomness enters
	}
	v := &visitor{server: s, relayed: relayed, tell: s.expose == penstockhttp.ExposeAll || s.expose == penstockhttp.ExposeTrusted && trusted}
	if s.deadline > 0 {
		ctx, v.cancel = context.WithTimeout(ctx, s.deadline)
	}
	if at, ok := ctx.Deadline(); ok {
		work.Deadline, work.HasDeadline = mono.Of(at), true
	}
	v.visit.Init(work, s.level)
	v.serving = penstock.Serving{Context: ctx, Visit: &v.visit}
	return v
}

// ask asks at the door, and then the controller. What is refused is done.
func (v *visitor) ask(method string) (err error) {
	defer func() { v.done = err != nil }()
	s, work := v.server, v.visit.Work()
	deadline := work.HasDeadline
	work.HasDeadline = false // the controller looks after it, and counts
	if v.pass, err = s.door.Begin("", method, work, v.relayed); err != nil {
		return err
	}
	work.HasDeadline = deadline
	if v.permit, err = s.ctl.AcquireRoute(v.serving.Context, s.route, work); err != nil {
		v.pass.End(caller.Answer{Left: true})
	}
	v.visit.Lend(&v.permit)
	return err
}

// refused makes of an error of ask what the client is to see: a trailer and a
// status.
func (v *visitor) refused(err error) (metadata.MD, error) {
	rejected, ok := errors.AsType[*penstock.RejectedError](err)
	if !ok {
		if err := v.serving.Err(); !errors.Is(err, context.DeadlineExceeded) {
			return nil, status.FromContextError(err).Err()
		}
		own := v.server.ctl.PressureRoute(v.server.route)
		rejected = &penstock.RejectedError{Reason: penstock.ReasonDeadline, RetryAfter: own.Retry, Pressure: own.Level}
	}
	trailer := v.trailer(mono.Now()).Copy()
	trailer.Set(KeyPushback, pushback(rejected.RetryAfter))
	return trailer, refuse(rejected)
}

// leave ends a request: it returns the handler's error as clients are to see it.
func (v *visitor) leave(err error) (metadata.MD, error) {
	now := mono.Now()
	path, below := v.visit.Path()
	v.finish(now, outcomeOf(err, below))
	if err == nil {
		return v.trailer(now), nil
	}
	return v.failed(now, err, path.Retry)
}

// failed is leave for a handler's error; callees have asked for that wait.
func (v *visitor) failed(now mono.Time, err error, wait time.Duration) (metadata.MD, error) {
	trailer := v.trailer(now)
	if rejected := asRefusal(err); rejected != nil {
		trailer = trailer.Copy()
		trailer.Set(KeyPushback, pushback(max(rejected.RetryAfter, wait)))
		if caller.IsDoNotRetry(err) {
			trailer.Set(KeyPushback, pushback(-1))
		}
		if _, ok := status.FromError(err); !ok {
			err = refuse(rejected)
		}
	}
	return trailer, err
}

// finish gives back the permit; only the first call counts.
func (v *visitor) finish(now mono.Time, o penstock.Outcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	v.done = true
	v.permit.DoneAt(now, o)
	path, below := v.visit.Path()
	v.pass.EndAt(now, caller.Answer{Said: true, Signal: path, Refused: below})
	if v.server.expose != penstockhttp.ExposeNone {
		v.server.teller.Count(now, o != penstock.OK)
	}
}

// end is called last, also where the request was refused or its handler panics.
func (v *visitor) end() {
	if !v.finished() {
		v.finish(mono.Now(), penstock.Ignored)
	}
	if v.cancel != nil {
		v.cancel()
	}
}

func (v *visitor) finished() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.done
}

// leastLevel is the level that an idle server reports to balancers: 0 means to
// grpc-go's weighted_round_robin that nothing was reported.
const leastLevel = 0.001

// appendLoad writes a load that counts: see leastLevel.
func appendLoad(dst []byte, l pressure.Load) []byte {
	l.Level = max(l.Level, leastLevel)
	return pressure.AppendLoadBinary(dst, l)
}

// A told is a trailer that says the pressure alone: most of an instant do.
type told struct {
	said *string
	md   metadata.MD
}

// trailer is what to tell the client now: the pressure, and the load where it is
// due. Calls share it, as grpc-go copies it: it must not be changed.
func (v *visitor) trailer(now mono.Time) metadata.MD {
	if !v.tell {
		return nil
	}
	path, _ := v.visit.Path()
	s := v.server
	said, load := s.teller.Tell(now, s.ctl.PressureRoute(s.route), path)
	if load != nil {
		return metadata.MD{KeyPressure: said, KeyLoad: load}
	}
	last := s.told.Load()
	if last == nil || last.said != &said[0] {
		last = &told{&said[0], metadata.MD{KeyPressure: said}}
		s.told.Store(last)
	}
	return last.md
}

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	if s.exempt != nil && s.exempt(info.FullMethod) {
		return next(ctx, req)
	}
	v := s.arrive(ctx)
	defer v.end()
	if err := v.ask(info.FullMethod); err != nil {
		trailer, err := v.refused(err)
		_ = grpc.SetTrailer(ctx, trailer) // fails only where there is no stream
		return nil, err
	}
	res, err = next(&v.serving, req)
	trailer, err := v.leave(err)
	_ = grpc.SetTrailer(ctx, trailer)
	return res, err
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if s.exempt != nil && s.exempt(info.FullMethod) {
		return next(srv, ss)
	}
	v := s.arrive(ss.Context())
	defer v.end()
	if err := v.ask(info.FullMethod); err != nil {
		trailer, err := v.refused(err)
		ss.SetTrailer(trailer)
		return err
	}
	trailer, err := v.leave(next(srv, &serverStream{ss, v}))
	ss.SetTrailer(trailer)
	return err
}

// A serverStream gives its permit back when the answer begins.
type serverStream struct {
	grpc.ServerStream
	visitor *visitor
}

func (s *serverStream) Context() context.Context { return &s.visitor.serving }

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
	if s.visitor.finished() {
		return
	}
	now := mono.Now()
	if md := s.visitor.trailer(now); len(md) > 0 {
		_ = s.SetHeader(md) // fails where the header is sent already
	}
	s.visitor.finish(now, penstock.OK)
}
