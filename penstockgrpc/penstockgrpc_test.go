package penstockgrpc_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/internal/leak"
	"github.com/penstock-go/penstock/penstockgrpc"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

func TestMain(m *testing.M) { leak.Main(m) }

// watchdog ends a test that hangs; nothing is expected to take so long.
const watchdog = 30 * time.Second

// service is gRPC's own test service, with what a test needs of it.
type service struct {
	testgrpc.UnimplementedTestServiceServer
	unary  func(context.Context) error
	stream func(testgrpc.TestService_StreamingOutputCallServer) error
}

func (s *service) EmptyCall(ctx context.Context, _ *testgrpc.Empty) (*testgrpc.Empty, error) {
	if s.unary == nil {
		return &testgrpc.Empty{}, nil
	}
	return &testgrpc.Empty{}, s.unary(ctx)
}

func (s *service) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, out testgrpc.TestService_StreamingOutputCallServer) error {
	return s.stream(out)
}

func newController(t testing.TB, slots int) *admission.Controller {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(float64(slots)), Seed: 1})
	t.Cleanup(ctl.Close)
	return ctl
}

// serve starts a server on loopback and returns its address.
func serve(t testing.TB, s *service, opts ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(opts...)
	testgrpc.RegisterTestServiceServer(server, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

func dial(t testing.TB, target string, opts ...grpc.DialOption) testgrpc.TestServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return testgrpc.NewTestServiceClient(conn)
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	t.Cleanup(cancel)
	return ctx
}

// TestRefused: a refusal is trailers alone, with its code, RetryInfo, pushback,
// pressure and ORCA report, and our client makes a *RejectedError of it.
func TestRefused(t *testing.T) {
	ctl := newController(t, 1)
	ctl.Drain()
	target := serve(t, &service{}, penstockgrpc.Server(ctl)...)
	var header, trailer metadata.MD
	_, err := dial(t, target).EmptyCall(within(t), &testgrpc.Empty{}, grpc.Header(&header), grpc.Trailer(&trailer))
	st := status.Convert(err)
	if st.Code() != codes.Unavailable || len(st.Details()) != 1 || !strings.Contains(st.Message(), "draining") {
		t.Errorf("a plain client sees %v with %v", err, st.Details())
	}
	wait, again := pressure.ParsePushback(strings.Join(trailer[penstockgrpc.KeyPushback], ","))
	if !again || wait <= 0 {
		t.Errorf("pushback %v in %v", wait, trailer)
	}
	if s, ok := pressure.Parse(strings.Join(trailer[penstockgrpc.KeyPressure], ",")); !ok || s.Price != penstock.MaxPrice {
		t.Errorf("pressure %+v in %v", s, trailer)
	}
	if l, ok := pressure.ParseLoadBinary([]byte(strings.Join(trailer[penstockgrpc.KeyLoad], ","))); !ok || l.Level <= 0 {
		t.Errorf("ORCA report %+v in %v", l, trailer)
	}

	ours := caller.New(caller.Config{})
	client := dial(t, target, penstockgrpc.Client(penstockgrpc.ClientConfig{Client: ours})...)
	const calls = 300
	for range calls {
		_, err := client.EmptyCall(within(t), &testgrpc.Empty{})
		rejected, ok := errors.AsType[*penstock.RejectedError](err)
		if !ok || rejected.RetryAfter <= 0 || status.Code(err) != codes.Unavailable {
			t.Fatalf("our client sees %v", err)
		}
	}
	if s := ours.Stats(); s.Refused.Total() < calls*8/10 || s.Sent < 2 {
		t.Errorf("of %d calls: %+v", calls, s)
	}
}

// TestHandlersRefusals: reason rate has a code of its own; a handler's refusal
// takes the same way as ours; "do not retry" is a negative pushback.
func TestHandlersRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		err      error
		code     codes.Code
		pushback string
	}{
		"rate":         {&penstock.RejectedError{Reason: penstock.ReasonRate, RetryAfter: 70 * time.Millisecond}, codes.ResourceExhausted, "70"},
		"priority":     {&penstock.RejectedError{Reason: penstock.ReasonPriority}, codes.Unavailable, "0"},
		"do not retry": {caller.DoNotRetry(&penstock.RejectedError{Reason: penstock.ReasonLimit}), codes.Unavailable, "-1"},
		"something":    {status.Error(codes.NotFound, "no such item"), codes.NotFound, ""},
	} {
		target := serve(t, &service{unary: func(context.Context) error { return row.err }}, penstockgrpc.Server(newController(t, 8))...)
		var trailer metadata.MD
		_, err := dial(t, target, penstockgrpc.Client(penstockgrpc.ClientConfig{})...).EmptyCall(within(t), &testgrpc.Empty{}, grpc.Trailer(&trailer))
		if got := strings.Join(trailer[penstockgrpc.KeyPushback], ","); status.Code(err) != row.code || got != row.pushback {
			t.Errorf("%s: %v with pushback %q; want %v, %q", name, err, got, row.code, row.pushback)
		}
		if caller.IsDoNotRetry(err) != (row.pushback == "-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// seen is what a handler found in its context.
type seen struct {
	mu   sync.Mutex
	work penstock.Work
	left time.Duration
}

func (s *seen) look(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work, _ = penstock.WorkFrom(ctx)
	s.left = 0
	if at, ok := ctx.Deadline(); ok {
		s.left = time.Until(at)
	}
	return nil
}

// TestPropagates: over two hops, what the first client says is what the last
// handler finds: criticality, cohort, attempt, and what is left of the time.
func TestPropagates(t *testing.T) {
	var last seen
	back := dial(t, serve(t, &service{unary: last.look}, penstockgrpc.Server(newController(t, 8))...), penstockgrpc.Client(penstockgrpc.ClientConfig{})...)
	front := dial(t, serve(t, &service{unary: func(ctx context.Context) error {
		_, err := back.EmptyCall(ctx, &testgrpc.Empty{})
		return err
	}}, penstockgrpc.Server(newController(t, 8))...), penstockgrpc.Client(penstockgrpc.ClientConfig{})...)
	work := penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(77), Attempt: 3}
	ctx, cancel := context.WithTimeout(penstock.WithWork(t.Context(), work), watchdog)
	defer cancel()
	if _, err := front.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
		t.Fatal(err)
	}
	if last.work.Criticality != penstock.Sheddable || last.work.Cohort != work.Cohort || last.work.Attempt != 3 || last.left <= 0 || last.left > watchdog {
		t.Errorf("the last handler finds %+v and %v", last.work, last.left)
	}
}

// TestMetadataFromStrangers: what is forged, malformed or out of range is
// clamped, ignored, or believed only where it makes the work smaller.
func TestMetadataFromStrangers(t *testing.T) {
	var found seen
	trusting := dial(t, serve(t, &service{unary: found.look}, penstockgrpc.Server(newController(t, 8))...))
	wary := dial(t, serve(t, &service{unary: found.look}, penstockgrpc.Server(newController(t, 8), penstockgrpc.WithTrust(nil))...))
	for _, row := range []struct {
		client  testgrpc.TestServiceClient
		md      []string
		c       penstock.Criticality
		cohort  int // -1: any
		attempt int
	}{
		{trusting, []string{"penstock-work", "c=critical_plus, k=5, a=2"}, penstock.CriticalPlus, 5, 2},
		{trusting, []string{"penstock-work", "c=critical_plus, k=99999, a=99999"}, penstock.CriticalPlus, 127, 100},
		{trusting, []string{"penstock-work", "c=critical_plus, k="}, penstock.Unspecified, -1, 0},
		{trusting, []string{"baggage", "penstock.c=sheddable,penstock.k=7"}, penstock.Sheddable, 7, 0},
		{trusting, []string{"grpc-previous-rpc-attempts", "4"}, penstock.Unspecified, -1, 5},
		{trusting, []string{"grpc-previous-rpc-attempts", "-4"}, penstock.Unspecified, -1, 0},
		{wary, []string{"penstock-work", "c=critical_plus, k=5, a=2"}, penstock.SheddablePlus, -1, 2},
		{wary, []string{"baggage", "penstock.c=critical_plus,penstock.k=7"}, penstock.SheddablePlus, -1, 0},
		{wary, []string{"penstock-work", strings.Repeat("x", 3000)}, penstock.SheddablePlus, -1, 0},
	} {
		ctx := metadata.AppendToOutgoingContext(within(t), row.md...)
		if _, err := row.client.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
			t.Fatal(err)
		}
		if w := found.work; w.Criticality != row.c || row.cohort >= 0 && w.Cohort.Index() != row.cohort || !w.Cohort.Specified() || w.Attempt != row.attempt {
			t.Errorf("%.60v: %+v", row.md, w)
		}
	}
}

// TestServersAreBelievedWithCare: a server's nonsense refuses nothing.
func TestServersAreBelievedWithCare(t *testing.T) {
	for _, md := range []metadata.MD{
		{"penstock-pressure": {"level=full"}},
		{"penstock-pressure": {"price=-5"}},
		{"endpoint-load-metrics-bin": {"\x42\xff\xff\xff"}},
		{"endpoint-load-metrics-bin": {"", ""}},
		{"grpc-retry-pushback-ms": {"soon"}},
	} {
		target := serve(t, &service{unary: func(ctx context.Context) error { return grpc.SetTrailer(ctx, md) }})
		client := dial(t, target, penstockgrpc.Client(penstockgrpc.ClientConfig{})...)
		for range 20 {
			if _, err := client.EmptyCall(within(t), &testgrpc.Empty{}); err != nil {
				t.Fatalf("%v: %v", md, err)
			}
		}
	}
}

// TestChain: what the last server says reaches the first client merged, each
// ORCA report speaks of its own server, and a refusal below costs the server in
// between nothing.
func TestChain(t *testing.T) {
	last := serve(t, &service{unary: func(ctx context.Context) error {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("penstock-pressure", "level=0.95, price=700, retry=150", "grpc-retry-pushback-ms", "150"))
		return status.Error(codes.Unavailable, "full")
	}})
	back := dial(t, last, penstockgrpc.Client(penstockgrpc.ClientConfig{})...)
	ctl := newController(t, 8)
	optional := false
	front := dial(t, serve(t, &service{unary: func(ctx context.Context) error {
		if optional {
			_, _ = back.EmptyCall(caller.Optional(ctx), &testgrpc.Empty{})
			return nil
		}
		_, err := back.EmptyCall(ctx, &testgrpc.Empty{})
		if penstock.PressureFrom(ctx) < 0.9 {
			t.Errorf("the handler sees a pressure of %v", penstock.PressureFrom(ctx))
		}
		return err
	}}, penstockgrpc.Server(ctl)...))
	var trailer metadata.MD
	_, err := front.EmptyCall(within(t), &testgrpc.Empty{}, grpc.Trailer(&trailer))
	s, _ := pressure.Parse(strings.Join(trailer["penstock-pressure"], ","))
	if status.Code(err) != codes.Unavailable || s.Level != 0.95 || s.Price != 700 || len(trailer["grpc-retry-pushback-ms"]) != 1 {
		t.Errorf("%v with %v", err, trailer)
	}
	if l, ok := pressure.ParseLoadBinary([]byte(strings.Join(trailer[penstockgrpc.KeyLoad], ","))); !ok || l.Level > 0.8 {
		t.Errorf("its own report says %+v", l)
	}
	if st := ctl.Stats(); st.Ignored != 1 || st.Dropped != 0 {
		t.Errorf("the server in between counts %d ignored, %d dropped", st.Ignored, st.Dropped)
	}
	optional, trailer = true, nil
	important := metadata.AppendToOutgoingContext(within(t), "penstock-work", "c=critical_plus") // the door has heard the price
	if _, err := front.EmptyCall(important, &testgrpc.Empty{}, grpc.Trailer(&trailer)); err != nil {
		t.Error(err)
	}
	if s, _ := pressure.Parse(strings.Join(trailer["penstock-pressure"], ",")); s.Level > 0.8 || s.Price != 0 {
		t.Errorf("optional calls: %+v", s)
	}
}

// TestSlotsAreLent: while a request is with a server that says how full it is, it
// holds no slot of the one that serves it.
func TestSlotsAreLent(t *testing.T) {
	ctl := admission.New(admission.Config{Seed: 1})
	t.Cleanup(ctl.Close)
	calls := 0
	back := dial(t, serve(t, &service{unary: func(context.Context) error {
		if calls++; calls == 2 { // the first made it known
			if g := ctl.Stats().Gates[0]; g.Away != 1 || g.InFlight != 0 {
				t.Errorf("%d in flight and %d away", g.InFlight, g.Away)
			}
		}
		return nil
	}}, penstockgrpc.Server(newController(t, 8))...), penstockgrpc.Client(penstockgrpc.ClientConfig{})...)
	front := dial(t, serve(t, &service{unary: func(ctx context.Context) error {
		for range 2 {
			if _, err := back.EmptyCall(ctx, &testgrpc.Empty{}); err != nil {
				return err
			}
		}
		if g := ctl.Stats().Gates[0]; g.Away != 0 || g.InFlight != 1 {
			t.Errorf("after the calls %d in flight and %d away", g.InFlight, g.Away)
		}
		return nil
	}}, penstockgrpc.Server(ctl)...))
	if _, err := front.EmptyCall(within(t), &testgrpc.Empty{}); err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// TestStreams: a stream holds its slot until it begins to answer, tells the
// pressure with its header, and a refused one ends with its reason.
func TestStreams(t *testing.T) {
	ctl := newController(t, 1)
	begin, end := make(chan struct{}), make(chan struct{})
	target := serve(t, &service{stream: func(out testgrpc.TestService_StreamingOutputCallServer) error {
		if _, ok := penstock.WorkFrom(out.Context()); !ok {
			t.Error("the stream's context serves nothing")
		}
		<-begin
		if err := out.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-end
		return nil
	}}, penstockgrpc.Server(ctl)...)
	ours := caller.New(caller.Config{Bulkheads: map[string]int{target: 1}})
	client := dial(t, target, penstockgrpc.Client(penstockgrpc.ClientConfig{Client: ours})...)
	ctx, cancel := context.WithCancel(within(t))
	stream, err := client.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	begin <- struct{}{}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if header, err := stream.Header(); err != nil || len(header["penstock-pressure"]) != 1 || len(header["endpoint-load-metrics-bin"]) != 1 {
		t.Errorf("header %v, %v", header, err)
	}
	if s := ctl.Stats(); s.InFlight != 0 || s.Good != 1 {
		t.Errorf("with its answer begun it holds %d slots; %d good", s.InFlight, s.Good)
	}
	second, err := client.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{}) // the bulkhead has a place again
	if err != nil {
		t.Fatal(err)
	}
	cancel() // leaves before any answer
	if _, err := second.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after leaving: %v", err)
	}
	close(begin)
	close(end)
	for { // the place of who left is free once its context is known to have ended
		third, err := client.StreamingOutputCall(within(t), &testgrpc.StreamingOutputCallRequest{})
		if err == nil {
			_, _ = third.Recv()
			_, _ = third.Recv()
			break
		}
		if ctxErr := within(t).Err(); ctxErr != nil {
			t.Fatal(err)
		}
	}
	ctl.Drain()
	last, err := client.StreamingOutputCall(within(t), &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = last.Recv()
	if rejected, ok := errors.AsType[*penstock.RejectedError](err); !ok || rejected.RetryAfter <= 0 || status.Code(err) != codes.Unavailable {
		t.Errorf("refused: %v", err)
	}
	for ctx := within(t); ; { // a price is a moving average: in a while the stream is not even opened
		again, err := client.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
		if errors.Is(err, penstock.ErrRejected) {
			break
		}
		if err != nil || ctx.Err() != nil {
			t.Fatalf("after a price of everything: %v", err)
		}
		_, _ = again.Recv()
	}
}

// TestRetries: a refused unary call goes out again, marked, and no more often
// than the server allows.
func TestRetries(t *testing.T) {
	var attempts []int
	refuse := 1
	target := serve(t, &service{unary: func(ctx context.Context) error {
		w, _ := penstock.WorkFrom(ctx)
		if attempts = append(attempts, w.Attempt); len(attempts) <= refuse {
			return &penstock.RejectedError{Reason: penstock.ReasonLimit, RetryAfter: time.Millisecond}
		}
		return nil
	}}, penstockgrpc.Server(newController(t, 8))...)
	retrier := caller.NewRetrier(caller.RetryConfig{Backoff: time.Millisecond, Budget: new(1.0)})
	client := dial(t, target, penstockgrpc.Client(penstockgrpc.ClientConfig{Retry: retrier})...)
	if _, err := client.EmptyCall(within(t), &testgrpc.Empty{}); err != nil || len(attempts) != 2 || attempts[1] != 2 {
		t.Errorf("%v after attempts %v", err, attempts)
	}
}

// TestExempt: what orchestrators ask is answered under any load.
func TestExempt(t *testing.T) {
	ctl := newController(t, 1)
	ctl.Drain()
	target := serve(t, &service{stream: func(testgrpc.TestService_StreamingOutputCallServer) error { return nil }},
		penstockgrpc.Server(ctl, penstockgrpc.WithExempt(func(string) bool { return true }), penstockgrpc.WithExpose(penstockhttp.ExposeNone))...)
	client := dial(t, target)
	if _, err := client.EmptyCall(within(t), &testgrpc.Empty{}); err != nil {
		t.Error(err)
	}
	if s, err := client.StreamingOutputCall(within(t), &testgrpc.StreamingOutputCallRequest{}); err != nil {
		t.Error(err)
	} else if _, err := s.Recv(); err == nil || status.Code(err) == codes.Unavailable {
		t.Error(err)
	}
}

// TestExposeNone: nobody is told the pressure, and refusals still say when to
// come back.
func TestExposeNone(t *testing.T) {
	ctl := newController(t, 1)
	ctl.Drain()
	target := serve(t, &service{}, penstockgrpc.Server(ctl, penstockgrpc.WithExpose(penstockhttp.ExposeNone))...)
	var trailer metadata.MD
	_, err := dial(t, target).EmptyCall(within(t), &testgrpc.Empty{}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.Unavailable || trailer["penstock-pressure"] != nil || trailer["endpoint-load-metrics-bin"] != nil || trailer["grpc-retry-pushback-ms"] == nil {
		t.Errorf("%v with %v", err, trailer)
	}
}
