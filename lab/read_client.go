package lab

import (
	"time"

	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/sim"
)

// A retrySpec is a retry policy as a file writes it.
type retrySpec struct {
	attempts      int
	backoff, most time.Duration
	jitter        string
	budget        *float64
	heed          bool
}

var retryKeys = table[retrySpec]{
	{
		"attempts", "most attempts, the first included", "",
		integer(func(r *retrySpec) *int { return &r.attempts }, 1, sim.MaxAttempts),
	},
	{
		"backoff", "longest wait before the first retry; doubles with each", "no wait",
		duration(func(r *retrySpec) *time.Duration { return &r.backoff }, minTime, maxTime),
	},
	{
		"most", "longest wait before any retry", "no bound",
		duration(func(r *retrySpec) *time.Duration { return &r.most }, minTime, maxTime),
	},
	{
		"jitter", "full: each wait is drawn evenly from 0 to its bound", "full",
		word(func(r *retrySpec) *string { return &r.jitter }, "full"),
	},
	{"budget", "retries as a share of first attempts", "no bound", form[retrySpec]{
		"a percentage from 0% to 100%", textOf(percentPattern),
		func(v value, r *retrySpec) { r.budget = new(v.place.Percent(0, 0, 1)) },
	}},
	{
		"heed", "wait at least as long as a refusal asks", "false",
		boolean(func(r *retrySpec) *bool { return &r.heed }),
	},
}

func retryForm[T any](at func(*T) *sim.Retry) form[T] {
	return form[T]{
		"a mapping such as {attempts: 4, backoff: 100ms, budget: 10%}", retryKeys.jsonSchema(),
		func(v value, into *T) {
			spec := retrySpec{attempts: 1}
			retryKeys.read(v, &spec)
			*at(into) = sim.Retry{
				Attempts: spec.attempts, Backoff: retry.Backoff{Base: spec.backoff, Most: spec.most},
				Budget: spec.budget, Heed: spec.heed,
			}
		},
	}
}

var throttleKeys = table[throttle.Config]{
	{
		"k", "requests sent for each that is accepted", "2",
		number(func(c *throttle.Config) *float64 { return &c.K }, 1, 100),
	},
	{
		"memory", "how long the past counts", "20s",
		duration(func(c *throttle.Config) *time.Duration { return &c.Memory }, time.Millisecond, maxTime),
	},
	{
		"least", "requests that must be remembered before any is refused", "100",
		number(func(c *throttle.Config) *float64 { return &c.Least }, 1, 1e9),
	},
}

var breakerKeys = table[breaker.Config]{
	{
		"failures", "share of failed calls that opens it", "50%",
		share(func(c *breaker.Config) *float64 { return &c.Failures }, 0.001, 1),
	},
	{
		"least", "calls that must be remembered before it may open", "20",
		number(func(c *breaker.Config) *float64 { return &c.Least }, 1, 1e9),
	},
	{
		"memory", "how long the past counts", "10s",
		duration(func(c *breaker.Config) *time.Duration { return &c.Memory }, time.Millisecond, maxTime),
	},
	{
		"slow", "a call that takes longer counts as failed", "never",
		duration(func(c *breaker.Config) *time.Duration { return &c.Slow }, minTime, maxTime),
	},
	{
		"open_for", "how long it stays open at first; doubles while probes fail", "1s",
		duration(func(c *breaker.Config) *time.Duration { return &c.OpenFor }, minTime, maxTime),
	},
	{
		"probes", "calls let through at once while it is half open", "5",
		integer(func(c *breaker.Config) *int { return &c.Probes }, 1, 1_000_000),
	},
}

// optional reads a mapping into a value that is absent otherwise.
func optional[T, U any](at func(*T) **U, allowed string, t table[U]) form[T] {
	return form[T]{
		allowed, t.jsonSchema(),
		func(v value, into *T) {
			u := new(U)
			t.read(v, u)
			*at(into) = u
		},
	}
}

// clientKeys are how somebody calls: the keys of sources, calls and caches.
func clientKeys[T any](at func(*T) *sim.Client) table[T] {
	return table[T]{
		{
			"to", "the stage, cache or line that is asked", "",
			text(func(t *T) *string { return &at(t).To }),
		},
		{
			"link", "the link there and back", "none: it takes no time",
			text(func(t *T) *string { return &at(t).Link }),
		},
		{
			"deadline", "when an answer becomes worthless, from each attempt", "never; of a call: what is left of the caller's own",
			duration(func(t *T) *time.Duration { return &at(t).Deadline }, minTime, maxTime),
		},
		{"tell_deadline", "whether the callee is told the deadline", "true", form[T]{
			"true or false",
			object{"type": "boolean"},
			func(v value, t *T) { at(t).Untold = !v.place.Bool(true) },
		}},
		{
			"timeout", "when the caller stops waiting, from each attempt", "at the deadline",
			duration(func(t *T) *time.Duration { return &at(t).Timeout }, minTime, maxTime),
		},
		{
			"retry", "when the caller asks again", "never",
			retryForm(func(t *T) *sim.Retry { return &at(t).Retry }),
		},
		{
			"throttle", "adaptive throttling: the caller refuses itself what the callee would refuse", "none",
			optional(func(t *T) **throttle.Config { return &at(t).Throttle }, "a mapping such as {k: 2}, or {}", throttleKeys),
		},
		{
			"breaker", "a circuit breaker", "none",
			optional(func(t *T) **breaker.Config { return &at(t).Breaker }, "a mapping such as {slow: 1s}, or {}", breakerKeys),
		},
		{"listen", "the caller heeds what the callee says of itself and refuses itself what the callee would refuse", "false", form[T]{
			"true or false",
			object{"type": "boolean"},
			func(v value, t *T) {
				if v.place.Bool(false) {
					at(t).Listen = new(caller.PeerConfig)
				}
			},
		}},
	}
}
