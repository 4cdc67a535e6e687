// Package retry decides when a caller may ask again: [Backoff] says how long to
// wait, [Budget] whether retrying is worth it at all.
//
// A backoff alone does not save an overloaded callee: while every attempt fails,
// R retries multiply the load by 1+R however far apart they are. A budget does,
// since it bounds retries to a share of the first attempts. Retry at one layer
// only; layers multiply.
package retry

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// Backoff is an exponential wait with full jitter: the n-th retry waits
// U(0, min(Most, Base x 2^(n-1))). Full jitter spreads those that failed
// together; source: M. Brooker, "Exponential backoff and jitter", AWS
// Architecture Blog, 2015. The zero Backoff does not wait.
type Backoff struct {
	Base time.Duration // bound of the first wait; 0 or less is no wait
	Most time.Duration // bound of every wait; 0 or less is none
}

// Wait returns the wait before the given retry, counted from 1; u is a uniform
// draw from [0, 1). atLeast is what the callee asked for: the wait is never
// shorter.
func (b Backoff) Wait(retry int, u float64, atLeast time.Duration) time.Duration {
	bound := float64(max(b.Base, 0)) * math.Pow(2, float64(min(max(retry, 1), 64)-1))
	if b.Most > 0 {
		bound = min(bound, float64(b.Most))
	}
	wait := time.Duration(min(bound, math.MaxInt64/2) * min(max(u, 0), 1))
	if b.Most > 0 {
		wait = min(wait, b.Most) // above 2^53 ns the bound was rounded
	}
	return max(wait, atLeast, 0)
}

// The constants of a Budget.
const (
	DefaultShare = 0.1              // retries per first attempt, as in Google's SRE book, chapter 21
	budgetMemory = 10 * time.Second // first attempts are remembered for about so long
	budgetSaved  = 0.05             // share of what the remembered ones earned that may be saved up: half a second's worth
	budgetSpare  = 1.0              // retries that need no first attempt, per memory: a quiet client may try once
	budgetFew    = 3.0              // with that, so many may be saved up at any rate
)

// A Budget allows a share of a retry for each first attempt. Of what is not spent, half
// a second's worth may be saved up, or three retries: with ten seconds' worth, the first
// ten of a storm had nearly half as many again as the share. A client that is quiet may retry
// once in ten seconds. It is for one goroutine at a time. Make one with [NewBudget].
type Budget struct {
	share  float64
	firsts float64 // of the last ten seconds, fading
	left   float64 // retries that may be sent
	at     mono.Time
	begun  bool
}

// NewBudget returns a budget of the given share, 0 to 1. It panics outside that
// range.
func NewBudget(share float64) *Budget {
	if !(share >= 0 && share <= 1) {
		panic("retry: a budget is a share from 0 to 1")
	}
	return &Budget{share: share, left: budgetSpare}
}

// First counts a first attempt.
func (b *Budget) First(now mono.Time) {
	b.pass(now)
	b.firsts++
	b.left = min(b.left+b.share, b.most())
}

// Allow reports whether a retry may be sent now, and counts it if so.
func (b *Budget) Allow(now mono.Time) bool {
	b.pass(now)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// most is how many retries may be saved up.
func (b *Budget) most() float64 {
	earned := b.share * b.firsts
	return max(budgetSaved*earned, min(budgetSpare+earned, budgetFew))
}

// decayed is exp(-x). Nearly always little time has passed, and three terms of the
// series are exact to 1e-12.
func decayed(x float64) float64 {
	if x < 1e-4 {
		return 1 - x + x*x/2
	}
	return math.Exp(-x)
}

// pass lets time pass.
func (b *Budget) pass(now mono.Time) {
	if b.begun && now > b.at {
		memories := float64(now.Sub(b.at)) / float64(budgetMemory)
		b.firsts *= decayed(memories)
		b.left = max(min(b.left, b.most()), min(b.left+budgetSpare*memories, budgetSpare))
	}
	if !b.begun || now > b.at {
		b.at, b.begun = now, true
	}
}
