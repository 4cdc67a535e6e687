package caller

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/mono"
)

// The defaults of a RetryConfig.
const (
	DefaultAttempts = 3 // Google, "Site Reliability Engineering", chapter 21
	DefaultBackoff  = 50 * time.Millisecond
	DefaultMostWait = 2 * time.Second
)

// A RetryConfig shapes a Retrier. The zero RetryConfig means the defaults.
type RetryConfig struct {
	// Attempts is the most, the first included, 1 to 10; 0 means
	// DefaultAttempts.
	Attempts int
	// Backoff is the longest wait before the first retry, doubled with each; the
	// wait is drawn evenly from 0 to it (full jitter). 0 means DefaultBackoff.
	Backoff time.Duration
	// MostWait bounds every wait; a callee that asks for a longer one is not
	// asked again. 0 means DefaultMostWait.
	MostWait time.Duration
	// Budget is how many retries may be made per first attempt, 0 to 1; nil means
	// retry.DefaultShare, 10 %.
	Budget *float64
	// Inside lets a server retry calls that it makes for a request of somebody
	// else's. The default is not to: layers multiply, so the outermost retries,
	// which also knows best whether anybody still waits.
	Inside bool
	// Retryable says which errors are worth another attempt. nil means refusals
	// (*[penstock.RejectedError]): nothing was done about those.
	Retryable func(error) bool
}

// A Retrier retries for one client: its budget is for all calls made with it.
// Retry at one layer only. It is safe for concurrent use. Make one with
// [NewRetrier].
type Retrier struct {
	cfg     RetryConfig
	backoff retry.Backoff

	mu     sync.Mutex
	budget *retry.Budget
	stats  RetryStats
}

// RetryStats is what a Retrier has done so far.
type RetryStats struct {
	First   uint64 // first attempts
	Retries uint64
	Spent   uint64 // retries that the budget did not allow
}

// NewRetrier returns a Retrier. It panics if the configuration is not valid.
func NewRetrier(cfg RetryConfig) *Retrier {
	if cfg.Attempts == 0 {
		cfg.Attempts = DefaultAttempts
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = DefaultBackoff
	}
	if cfg.MostWait == 0 {
		cfg.MostWait = DefaultMostWait
	}
	if cfg.Retryable == nil {
		cfg.Retryable = func(err error) bool { return errors.Is(err, penstock.ErrRejected) }
	}
	if cfg.Attempts < 1 || cfg.Attempts > 10 || cfg.Backoff < 0 || cfg.MostWait < 0 {
		panic("caller: a retrier makes 1 to 10 attempts, and its waits are not negative")
	}
	share := retry.DefaultShare
	if cfg.Budget != nil {
		share = *cfg.Budget
	}
	return &Retrier{
		cfg: cfg, backoff: retry.Backoff{Base: cfg.Backoff, Most: cfg.MostWait},
		budget: retry.NewBudget(share),
	}
}

type onceKey struct{}

// Do calls f until it succeeds, fails in a way that is not worth another
// attempt, or may not be tried again; it returns f's last error. Retries are
// marked in the context that f is given, so that they rank below first
// attempts. Do waits at least as long as a refusal asks, and never beyond ctx's
// deadline: what could only be tried after it is given up at once.
//
// Within a Do of any Retrier, and for work that is itself somebody's retry, f is
// called once; so it is for the requests of others, unless
// [RetryConfig.Inside] says otherwise.
func (r *Retrier) Do(ctx context.Context, f func(context.Context) error) error {
	if !r.mayRetry(ctx) {
		return f(ctx)
	}
	r.first()
	inner := context.WithValue(ctx, onceKey{}, true)
	for attempt := 1; ; attempt++ {
		try := inner
		if attempt > 1 {
			try = withAttempt(inner, attempt)
		}
		err := f(try)
		if err == nil || !r.again(ctx, attempt, err) {
			return err
		}
	}
}

func (r *Retrier) mayRetry(ctx context.Context) bool {
	if ctx.Value(onceKey{}) != nil {
		return false
	}
	v := penstock.VisitFrom(ctx)
	if v == nil {
		return true
	}
	_, served := v.(*Visit)
	return v.Work().Attempt <= 1 && (r.cfg.Inside || !served)
}

func (r *Retrier) first() {
	now := mono.Now()
	r.mu.Lock()
	r.budget.First(now)
	r.stats.First++
	r.mu.Unlock()
}

// again waits until the next attempt; false means that there is none.
func (r *Retrier) again(ctx context.Context, attempt int, err error) bool {
	if attempt >= r.cfg.Attempts || ctx.Err() != nil || errors.Is(err, errNotAgain) || !r.cfg.Retryable(err) {
		return false
	}
	var least time.Duration
	if refused, ok := errors.AsType[*penstock.RejectedError](err); ok {
		least = refused.RetryAfter
	}
	if least > r.cfg.MostWait {
		return false
	}
	wait := r.backoff.Wait(attempt, rand.Float64(), least) //nolint:forbidigo // the shell is where randomness enters
	now := mono.Now()
	if at, ok := ctx.Deadline(); ok && now.Add(wait) >= mono.Of(at) {
		return false
	}
	r.mu.Lock()
	allowed := r.budget.Allow(now)
	if allowed {
		r.stats.Retries++
	} else {
		r.stats.Spent++
	}
	r.mu.Unlock()
	return allowed && sleep(ctx, wait)
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Stats returns a snapshot.
func (r *Retrier) Stats() RetryStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

var errNotAgain = errors.New("caller: do not retry")

// DoNotRetry wraps an error that must not lead to another attempt, at this layer
// or above: "overloaded; don't retry" (Google, "Site Reliability Engineering",
// chapter 21). It returns nil for nil.
func DoNotRetry(err error) error {
	if err == nil {
		return nil
	}
	return &notAgainError{err}
}

// IsDoNotRetry reports whether an error says that there must be no other attempt.
func IsDoNotRetry(err error) bool { return errors.Is(err, errNotAgain) }

type notAgainError struct{ error }

func (e *notAgainError) Is(target error) bool { return target == errNotAgain }
func (e *notAgainError) Unwrap() error        { return e.error }
