package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"

	"github.com/penstock-go/penstock/penstockgrpc"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// full is the level from which on work waits or is refused.
const full = 0.8

// A watch stands outside of all that protects a hop, and sees what its caller
// sees. Instants are those of the machine's clock, which all hops share.
type watch struct {
	mu sync.Mutex
	passed
}

// passed is what a watch has seen. Instants are nanoseconds since 1970, 0 where
// it has not happened since the mark.
type passed struct {
	Arrived    uint64 `json:"arrived"`
	Refused    uint64 `json:"refused"` // answers that refuse, whoever refused
	Own        uint64 `json:"own"`     // of them, those for which the next hop was not called
	Inside     int    `json:"inside"`
	PeakInside int    `json:"peak_inside"` // since the mark
	Full       int64  `json:"full"`        // first answer that says full,
	Priced     int64  `json:"priced"`      // that tells a price,
	Refusing   int64  `json:"refusing"`    // that refuses without calling the next hop
	LastRefuse int64  `json:"last_refuse"` // the latest of those
}

// mark forgets what happened first and most.
func (w *watch) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Full, w.Priced, w.Refusing, w.LastRefuse, w.PeakInside = 0, 0, 0, 0, w.Inside
}

func (w *watch) seen() passed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

func (w *watch) arrive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Arrived++
	w.Inside++
	w.PeakInside = max(w.PeakInside, w.Inside)
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Inside--
}

// A trip is one request's way through a hop.
type trip struct{ called atomic.Bool }

type tripKey struct{}

// calling notes that the next hop is called for the request of ctx.
func calling(ctx context.Context) {
	if t, ok := ctx.Value(tripKey{}).(*trip); ok {
		t.called.Store(true)
	}
}

// answer notes what the hop said of itself with the answer to a request.
func (w *watch) answer(ctx context.Context, said string, refused bool) {
	t, _ := ctx.Value(tripKey{}).(*trip)
	own := refused && t != nil && !t.called.Load()
	s, _ := pressure.Parse(said)
	now := time.Now().UnixNano()
	first := func(at *int64, is bool) {
		if is && *at == 0 {
			*at = now
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	first(&w.Full, s.Level >= full)
	first(&w.Priced, s.Price > 0)
	first(&w.Refusing, own)
	if refused {
		w.Refused++
	}
	if own {
		w.Own++
		w.LastRefuse = now
	}
}

// around watches a handler.
func (w *watch) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.arrive()
		defer w.leave()
		ctx := context.WithValue(r.Context(), tripKey{}, new(trip))
		next.ServeHTTP(&watched{ResponseWriter: rw, ctx: ctx, watch: w}, r.WithContext(ctx))
	})
}

type watched struct {
	http.ResponseWriter
	ctx   context.Context //nolint:containedctx // it is the request's, for as long
	watch *watch
	told  bool
}

func (x *watched) WriteHeader(status int) {
	if !x.told {
		x.told = true
		x.watch.answer(x.ctx, x.Header().Get(penstockhttp.FieldPressure), status == http.StatusServiceUnavailable)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *watched) Write(p []byte) (int, error) {
	if !x.told {
		x.WriteHeader(http.StatusOK)
	}
	return x.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (x *watched) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// A grpcWatch is a watch as a gRPC server wants it.
type grpcWatch struct{ *watch }

func (grpcWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, tripKey{}, new(trip))
}

func (grpcWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (grpcWatch) HandleConn(context.Context, stats.ConnStats)                       {}

func (w grpcWatch) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.Begin:
		w.arrive()
	case *stats.OutTrailer:
		w.answer(ctx, one(s.Trailer, penstockgrpc.KeyPressure), one(s.Trailer, penstockgrpc.KeyPushback) != "")
	case *stats.End:
		w.leave()
	}
}

func one(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}
