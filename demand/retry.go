package demand

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/mono"
)

// RetryConfig says how often to try again. The zero value tries a failed thing
// twice more, at once, as long as the budget lasts.
type RetryConfig struct {
	// Attempts is the most attempts in a row, the first included. 0 means 3.
	Attempts int
	// Backoff is the wait between them.
	Backoff retry.Backoff
	// Share bounds retries to a share of the items of the last ten seconds, plus
	// one, 0 to 1. 0 means [retry.DefaultShare].
	Share float64
	// If reports whether an error is worth a retry. Nil: every one is.
	If func(error) bool
	// Draw returns uniform numbers from [0, 1) for the jitter. Nil: random ones.
	Draw func() float64
}

func (c *RetryConfig) problem() string {
	if c.Attempts < 0 || !(c.Share >= 0 && c.Share <= 1) {
		return "attempts of less than 0, or a share outside 0 to 1"
	}
	return ""
}

// An again decides on retries, for any number of goroutines.
type again struct {
	cfg    RetryConfig
	mu     sync.Mutex
	budget *retry.Budget
}

func newAgain(cfg RetryConfig) *again {
	if cfg.Attempts == 0 {
		cfg.Attempts = 3
	}
	if cfg.Share == 0 {
		cfg.Share = retry.DefaultShare
	}
	if cfg.Draw == nil {
		cfg.Draw = draw
	}
	return &again{cfg: cfg, budget: retry.NewBudget(cfg.Share)}
}

// draw is uniform on [0, 1): a fresh hash seed is as random as the runtime's
// generator, and needs no lock.
func draw() float64 {
	return float64(maphash.Bytes(maphash.MakeSeed(), nil)>>11) / (1 << 53)
}

// first counts an item that was not a retry.
func (a *again) first() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.budget.First(mono.Now())
}

// allow reports whether there is to be an attempt after the given number of them
// have failed, and how long to wait before.
func (a *again) allow(failed int, err error) (wait time.Duration, ok bool) {
	if failed >= a.cfg.Attempts || a.cfg.If != nil && !a.cfg.If(err) {
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.budget.Allow(mono.Now()) {
		return 0, false
	}
	return a.cfg.Backoff.Wait(failed, a.cfg.Draw(), 0), true
}

// Retry runs s again when it fails. It suits sources that go on where they were,
// such as a connection with an offset: items that have passed are not taken back.
// Attempts count from the last item that passed.
func (s Stream[T]) Retry(cfg RetryConfig) Stream[T] {
	if problem := cfg.problem(); problem != "" {
		return broken[T]("retry", "%s", problem)
	}
	a := newAgain(cfg)
	return Stream[T]{name: "retry", run: func(e *env, _ string, push func(T) bool) error {
		mark, failed, left := e.clock.rewind(-1), 0, false
		alarms := len(e.alarms)
		for {
			err := s.start(e, func(v T) bool {
				failed = 0
				a.first()
				left = !push(v)
				return !left
			})
			if err == nil || left || e.ctx.Err() != nil {
				return err
			}
			failed++
			wait, ok := a.allow(failed, err)
			if !ok || !e.pause(wait, idle) {
				return err
			}
			e.clock.rewind(mark)
			e.alarms = e.alarms[:alarms]
		}
	}}
}

// Retrying returns f, which is called again when it fails: for [MapN], where
// each item may be tried again by itself.
func Retrying[T, R any](f func(context.Context, T) (R, error), cfg RetryConfig) func(context.Context, T) (R, error) {
	if f == nil || cfg.problem() != "" {
		return nil // which MapN refuses
	}
	a := newAgain(cfg)
	return func(ctx context.Context, v T) (R, error) {
		a.first()
		for failed := 1; ; failed++ {
			r, err := f(ctx, v)
			if err == nil || ctx.Err() != nil {
				return r, err
			}
			wait, ok := a.allow(failed, err)
			if !ok {
				return r, err
			}
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return r, err
			}
		}
	}
}

// Timeout fails with [ErrTimeout] if s takes longer than d for its next item, or
// for its end. What comes before it runs in a goroutine of its own, as with
// [Stream.Async] and the same options, so that it is found out in time.
func (s Stream[T]) Timeout(d time.Duration, opts ...Option) Stream[T] {
	if d <= 0 {
		return broken[T]("timeout", "%v", d)
	}
	s = s.Async(opts...)
	return Stream[T]{name: "timeout", run: func(e *env, name string, push func(T) bool) error {
		var failed error
		a := &alarm{fire: func() bool {
			failed = at(name, ErrTimeout)
			return false
		}}
		e.alarms = append(e.alarms, a)
		// The time that the consumer takes does not count.
		again := func() { a.set, a.at = true, mono.Now().Add(d) }
		again()
		err := s.start(e, func(v T) bool {
			a.set = false
			ok := push(v)
			again()
			return ok
		})
		return first(failed, err)
	}}
}
