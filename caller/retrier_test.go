package caller_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
)

// TestRetrier: how often a call is made, and how long that takes.
func TestRetrier(t *testing.T) {
	full := &penstock.RejectedError{Reason: penstock.ReasonLimit, RetryAfter: 300 * ms}
	plain := errors.New("plain")
	served := func(attempt int) func(context.Context) context.Context {
		return func(ctx context.Context) context.Context {
			return penstock.WithVisit(ctx, caller.NewVisit(penstock.Work{Attempt: attempt}, nil))
		}
	}
	for _, row := range []struct {
		what    string
		cfg     caller.RetryConfig
		ctx     func(context.Context) context.Context
		err     error
		within  time.Duration // of the context; 0 is none
		calls   int
		atLeast time.Duration
	}{
		{what: "a success", calls: 1},
		{what: "a refusal", err: full, calls: 3, atLeast: 600 * ms},
		{what: "a failure, after which nobody knows what was done", err: plain, calls: 1},
		{what: "a failure that is known to be harmless", err: plain, cfg: caller.RetryConfig{Retryable: func(error) bool { return true }}, calls: 3},
		{what: "do not retry", err: caller.DoNotRetry(full), calls: 1},
		{what: "a wait that is too long", err: &penstock.RejectedError{RetryAfter: time.Minute}, calls: 1},
		{what: "a wait beyond the deadline", err: full, within: 500 * ms, calls: 2, atLeast: 300 * ms},
		{what: "no attempts", err: full, cfg: caller.RetryConfig{Attempts: 1}, calls: 1},
		{what: "in a server, for somebody else", err: full, ctx: served(1), calls: 1},
		{what: "in a server that says so", err: full, ctx: served(1), cfg: caller.RetryConfig{Inside: true}, calls: 3, atLeast: 600 * ms},
		{what: "for somebody else's retry", err: full, ctx: served(2), cfg: caller.RetryConfig{Inside: true}, calls: 1},
		{what: "for work of its own", err: full, ctx: func(ctx context.Context) context.Context {
			return penstock.WithWork(ctx, penstock.Work{Criticality: penstock.Sheddable})
		}, calls: 3, atLeast: 600 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			row.cfg.Budget = new(1.0)
			r := caller.NewRetrier(row.cfg)
			ctx := t.Context()
			if row.ctx != nil {
				ctx = row.ctx(ctx)
			}
			if row.within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, row.within)
				defer cancel()
			}
			_ = r.Do(t.Context(), func(context.Context) error { return nil }) // something to spend
			begin, calls := time.Now(), 0
			err := r.Do(ctx, func(ctx context.Context) error {
				calls++
				if w := caller.OutgoingOf(ctx).Work; calls > 1 && w.Attempt != calls {
					t.Errorf("%s: attempt %d is marked %d", row.what, calls, w.Attempt)
				}
				return row.err
			})
			if took := time.Since(begin); !errors.Is(err, row.err) || calls != row.calls || took < row.atLeast || took > row.atLeast+200*ms {
				t.Errorf("%s: %d calls in %v, %v; want %d in %v", row.what, calls, took, err, row.calls, row.atLeast)
			}
		})
	}
}

// TestRetrierBudget: whatever fails, a client sends at most 10 % more.
func TestRetrierBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := caller.NewRetrier(caller.RetryConfig{})
		calls := 0
		for range 1000 {
			_ = r.Do(t.Context(), func(context.Context) error {
				calls++
				return &penstock.RejectedError{Reason: penstock.ReasonLimit}
			})
			time.Sleep(ms)
		}
		if s := r.Stats(); calls > 1105 || calls < 1050 || s.First != 1000 || s.Retries != uint64(calls-1000) || s.Spent == 0 {
			t.Errorf("%d calls for 1000, %+v", calls, s)
		}
	})
}

// TestRetrierLayers: a Do inside another makes one attempt.
func TestRetrierLayers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, inner := caller.NewRetrier(caller.RetryConfig{Budget: new(1.0)}), caller.NewRetrier(caller.RetryConfig{Budget: new(1.0)})
		calls := 0
		_ = outer.Do(t.Context(), func(context.Context) error { return nil })
		err := outer.Do(t.Context(), func(ctx context.Context) error {
			return inner.Do(ctx, func(context.Context) error {
				calls++
				return &penstock.RejectedError{}
			})
		})
		if calls != 3 || !errors.Is(err, penstock.ErrRejected) || caller.IsDoNotRetry(err) {
			t.Errorf("%d calls, %v; want 3", calls, err)
		}
	})
}

func TestDoNotRetry(t *testing.T) {
	if caller.DoNotRetry(nil) != nil {
		t.Error("nil became an error")
	}
	refused := &penstock.RejectedError{Reason: penstock.ReasonRate}
	err := caller.DoNotRetry(refused)
	if got, ok := errors.AsType[*penstock.RejectedError](err); !ok || got != refused || !caller.IsDoNotRetry(err) || caller.IsDoNotRetry(refused) {
		t.Errorf("%v", err)
	}
}

// TestGather: what has come by the deadline, and what is missing.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration, err error) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				select {
				case <-time.After(d):
					return int(d / ms), err
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				}
			}
		}
		full := &penstock.RejectedError{Reason: penstock.ReasonPriority}
		hang := make(chan struct{})
		calls := map[string]func(context.Context) (int, error){
			"quick": after(10*ms, nil), "slow": after(80*ms, nil), "refused": after(0, full), "late": after(95*ms, nil),
			"deaf": func(context.Context) (int, error) { <-hang; return 1, nil },
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		begin := time.Now()
		got, missing := caller.Gather(ctx, calls)
		if took := time.Since(begin); took != 90*ms {
			t.Errorf("it took %v; want 90 ms, so that 10 are left for the answer", took)
		}
		if len(got) != 2 || got["quick"] != 10 || got["slow"] != 80 {
			t.Errorf("got %v", got)
		}
		if len(missing) != 3 || !errors.Is(missing["refused"], full) || !errors.Is(missing["late"], context.DeadlineExceeded) || !errors.Is(missing["deaf"], context.DeadlineExceeded) {
			t.Errorf("missing %v", missing)
		}
		close(hang)

		delete(calls, "deaf")
		got, missing = caller.Gather(t.Context(), calls)
		if len(got) != 3 || len(missing) != 1 {
			t.Errorf("without a deadline: got %v, missing %v", got, missing)
		}
		if got, missing := caller.Gather[int](t.Context(), nil); len(got)+len(missing) != 0 {
			t.Errorf("of nothing: %v, %v", got, missing)
		}
	})
}
