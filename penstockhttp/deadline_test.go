package penstockhttp_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/penstockhttp"
)

func TestDeadlineBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			name   string
			remote string
			fields []string
			opts   []penstockhttp.Option
			want   time.Duration // 0 is none
		}{
			{"none", stranger, nil, nil, 0},
			{"own", stranger, []string{"Penstock-Deadline: 250"}, nil, 250 * time.Millisecond},
			{"none of its own", stranger, nil, []penstockhttp.Option{penstockhttp.WithDeadline(time.Second)}, time.Second},
			{"own is shorter", stranger, []string{"Penstock-Deadline: 250"}, []penstockhttp.Option{penstockhttp.WithDeadline(time.Second)}, 250 * time.Millisecond},
			{"a stranger's is longer", stranger, []string{"Penstock-Deadline: 2500"}, []penstockhttp.Option{penstockhttp.WithDeadline(time.Second)}, time.Second},
			{"a friend's is longer", loopback, []string{"Penstock-Deadline: 2500"}, []penstockhttp.Option{penstockhttp.WithDeadline(time.Second)}, time.Second},
		} {
			ctl := capped(t)
			start := time.Now()
			ran := false
			do(penstockhttp.Handler(ctl, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ran = true
				deadline, ok := r.Context().Deadline()
				if ok != (row.want > 0) || ok && deadline.Sub(start) != row.want {
					t.Errorf("%s: context's deadline %v, %v; want %v", row.name, deadline.Sub(start), ok, row.want)
				}
			}), row.opts...), request(t, row.remote, "GET", "/", row.fields...))
			if !ran {
				t.Errorf("%s: not admitted", row.name)
			}
			ctl.Close()
		}
	})
}

// The handler's context ends at the deadline, and such work counts as lost.
func TestDeadlineStopsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := capped(t)
		start := time.Now()
		res := do(penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusGatewayTimeout) // the handler's own business
		})), request(t, stranger, "GET", "/", "Penstock-Deadline: 100"))
		if took := time.Since(start); took != 100*time.Millisecond || res.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("%s after %v", res.Status, took)
		}
		if got, want := counts(ctl.Stats()), "dropped 1"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
		ctl.Close()
	})
}

func TestDeadlinePassed(t *testing.T) {
	ctl := capped(t)
	res := do(penstockhttp.Handler(ctl, nothing), request(t, stranger, "GET", "/", "Penstock-Deadline: 0"))
	if p := readProblem(t, res); res.StatusCode != http.StatusServiceUnavailable || p.Reason != "deadline" {
		t.Errorf("%s, %+v", res.Status, p)
	}
	if got, want := counts(ctl.Stats()), "refused 1"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// secretive is a context that ends by its deadline, but does not say when.
type secretive struct{ context.Context }

func (secretive) Deadline() (time.Time, bool) { return time.Time{}, false }

// An ending is what becomes of a request that waits.
type ending struct {
	name   string
	fields []string
	ctx    func(context.Context) (context.Context, context.CancelFunc)
	within time.Duration
	reason string // of the refusal; none: aborted
	want   string
}

var errGone = errors.New("gone")

var endings = []ending{
	{
		name: "its deadline passes", fields: []string{"Penstock-Deadline: 50"},
		within: 50 * time.Millisecond, reason: "deadline", want: "good 1, refused 1",
	},
	{
		name: "the server's deadline passes",
		ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 50*time.Millisecond, errGone)
		},
		within: 50 * time.Millisecond, reason: "deadline",
	},
	{
		name: "the server's context ends as if by a deadline",
		ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			return secretive{ctx}, cancel
		},
		within: 20 * time.Millisecond, reason: "deadline", want: "good 1, left 1",
	},
	{
		name: "its client leaves",
		ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(30*time.Millisecond, func() { cancel(errGone) })
			return ctx, func() { cancel(nil) }
		},
		within: 30 * time.Millisecond, want: "good 1, left 1",
	},
}

// One request runs and another waits: what becomes of the latter when its time
// runs out, by its field or by the server's context, or when its client leaves.
func TestWaiting(t *testing.T) {
	const hold = 10 * time.Second
	for _, row := range endings {
		synctest.Test(t, func(t *testing.T) {
			ctl := newController(t, admission.Route{WaitFor: time.Minute})
			h := penstockhttp.Handler(ctl, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/first" {
					t.Errorf("%s: admitted %s", row.name, r.URL)
				}
				time.Sleep(hold)
			}))
			var wg sync.WaitGroup
			wg.Go(func() { do(h, request(t, stranger, "GET", "/first")) })
			synctest.Wait()

			r := request(t, stranger, "GET", "/second", row.fields...)
			if row.ctx != nil {
				ctx, cancel := row.ctx(r.Context())
				defer cancel()
				r = r.WithContext(ctx)
			}
			start := time.Now()
			res := new(http.Response)
			aborted := panicOf(func() { res = do(h, r) })
			if took := time.Since(start); took > row.within {
				t.Errorf("%s: decided after %v; want at most %v", row.name, took, row.within)
			}
			if row.reason == "" {
				if !errors.Is(aborted, http.ErrAbortHandler) {
					t.Errorf("%s: panic %v; want http.ErrAbortHandler", row.name, aborted)
				}
			} else if p := readProblem(t, res); res.StatusCode != http.StatusServiceUnavailable || p.Reason != row.reason || !*p.RetrySafe {
				t.Errorf("%s: %s, %+v", row.name, res.Status, p)
			}
			wg.Wait()
			if got := counts(ctl.Stats()); row.want != "" && got != row.want {
				t.Errorf("%s: %s; want %s", row.name, got, row.want)
			}
			ctl.Close()
		})
	}
}

// A request that waits is served when it is its turn.
func TestWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := newController(t, admission.Route{WaitFor: time.Minute})
		h := penstockhttp.Handler(ctl, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }))
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if res := do(h, request(t, stranger, "GET", "/")); res.StatusCode != http.StatusOK {
					t.Errorf("%s after %v", res.Status, time.Since(start))
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("three requests of 1s by one slot took %v", took)
		}
		ctl.Close()
	})
}
