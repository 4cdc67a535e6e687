package main

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/penstock-go/penstock"
)

// A ledger notes how many calls are under way, and how long they took: two readings
// of the clock and two rounds of a lock, the least that a limit can be found with.
type ledger struct {
	mu    sync.Mutex
	calls int
	took  time.Duration
}

func (l *ledger) begin() time.Time {
	begun := time.Now()
	l.mu.Lock()
	l.calls++
	l.mu.Unlock()
	return begun
}

func (l *ledger) end(begun time.Time) {
	took := time.Since(begun)
	l.mu.Lock()
	l.calls--
	l.took += took
	l.mu.Unlock()
}

// A carefulCaller is a caller for requests that are somebody else's, as those of an
// [http.RoundTripper] are: it copies them. What they say comes out of their context.
type carefulCaller struct {
	caller
	ledger
}

func (c *carefulCaller) RoundTrip(r *http.Request) (*http.Response, error) {
	begun := c.begin()
	defer c.end(begun)
	if _, ok := penstock.WorkFrom(r.Context()); !ok {
		return nil, errMute
	}
	out := *r
	out.Header = make(http.Header, len(r.Header)+2)
	maps.Copy(out.Header, r.Header)
	return c.caller.RoundTrip(&out)
}

// A carefulHandler is byHand for who must know how requests end, and tells the
// handler what they are: their writer is wrapped, and their context carries it.
type carefulHandler struct {
	byHand
	ledger
}

type carriedKey struct{}

func (h *carefulHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := h.begin()
	defer h.end(begun)
	ctx := context.WithValue(r.Context(), carriedKey{}, r.Header)
	h.byHand.ServeHTTP(&watched{ResponseWriter: w}, r.WithContext(ctx))
}

// A watched writer knows what was answered.
type watched struct {
	http.ResponseWriter
	status int
}

func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// ask is ask for calls that are somebody else's: what they say comes out of their
// context.
func (l *ledger) ask(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	begun := l.begin()
	defer l.end(begun)
	if _, ok := penstock.WorkFrom(ctx); !ok {
		return errMute
	}
	return ask(ctx, method, req, reply, cc, invoke, opts...)
}

// A carefulAnswerer is an answerer that notes its calls, and tells the handler what
// they are: their context carries it.
type carefulAnswerer struct {
	answerer
	ledger
}

func (a *carefulAnswerer) serve(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	begun := a.begin()
	defer a.end(begun)
	return a.answerer.serve(context.WithValue(ctx, carriedKey{}, info), req, info, next)
}
