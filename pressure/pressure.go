// Package pressure is the signal between processes: how full a consumer is, the
// lowest rank that it still admits, how long work waits in it, and when to come
// back; and who asks, how much it matters and how long there is.
//
// A [Signal] travels back to the caller as the response field Penstock-Pressure
// ([AppendHeader], [Parse]) and inside ORCA's endpoint-load-metrics, in text or,
// for gRPC, in binary ([AppendLoad], [AppendLoadBinary], [ParseLoad],
// [ParseLoadBinary]). What is known of work travels forth as Penstock-Work
// ([AppendWork], [ParseWork]), or in W3C baggage ([ParseBaggage]), and its
// remaining time as Penstock-Deadline ([AppendDeadline], [ParseDeadline]) or
// grpc-timeout. A refusal says when to come back in Retry-After
// ([ParseRetryAfter]) or grpc-retry-pushback-ms ([ParsePushback]); what is left
// of a quota travels as RateLimit ([AppendQuota], [ParseQuota]).
//
// A caller keeps what it hears as [News], for a bounded number of callees and
// routes in a [Book], and tells its own callers the [Merge] of that with its own.
//
// Readers trust nobody. Input is bounded in bytes and in members; a malformed
// field is ignored wholly; values outside their range are moved to its nearest
// end. Nothing that reads panics, and only ORCA's JSON and base64
// forms, and a quota's name with escapes, allocate.
//
// [Spreader] says when refused work should come back, so that it comes back
// spread. [Meter] measures the finished work per second that ORCA reports.
//
// Everything here is pure: no clock, no lock, no I/O.
package pressure

import (
	"time"

	"github.com/penstock-go/penstock"
)

// The bounds on a signal's durations.
const (
	MaxDelay = time.Hour             // of [Signal.Delay]
	MinRetry = 50 * time.Millisecond // of a wait that a [Spreader] hands out
	MaxRetry = 30 * time.Second      // of [Signal.Retry], and of such a wait
)

// A Signal is what a consumer tells whoever calls it.
type Signal struct {
	// Level is how full the consumer is, 0 to 1: 0.8 x in flight / limit while
	// nothing waits, 0.8 + 0.2 x sojourn / bound while something does, and 1
	// while it refuses. It informs (balancing, brownout, pacing).
	Level float64
	// Price is the lowest rank that the consumer admits. It refuses.
	Price penstock.Price
	// Delay is the time that work waits before it runs, 0 to [MaxDelay].
	Delay time.Duration
	// Retry is when refused work should come back, 0 to [MaxRetry]; 0 while
	// nothing is refused.
	Retry time.Duration
}

// Clamp returns the signal with every value moved into its range. A level that
// is not a number becomes 0.
func (s Signal) Clamp() Signal {
	if !(s.Level > 0) {
		s.Level = 0
	}
	s.Level = min(s.Level, 1)
	s.Price = min(s.Price, penstock.MaxPrice)
	s.Delay = clampDuration(s.Delay, 0, MaxDelay)
	s.Retry = clampDuration(s.Retry, 0, MaxRetry)
	return s
}
