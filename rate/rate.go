// Package rate limits how often events happen.
//
// A [Limiter] is the Generic Cell Rate Algorithm (GCRA) of ITU-T Recommendation
// I.371, Annex A, in its virtual scheduling form: one instant of state,
// equivalent to a token bucket that starts full. A [Keyed] limiter keeps one
// such bucket per key (a client, a tenant), for a bounded number of keys.
//
// A rate limit is a speed sign: it does not know how busy the callee is, and it
// stays where it is when the callee gets slower. To protect capacity use
// package admission. A rate is the right tool for quotas, and for pacing what
// has no other feedback.
package rate

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// MaxBurst is the largest burst.
const MaxBurst = 1_000_000_000

// A Limiter permits perSecond events per second on average, and burst events at
// once. Make one with [New]. It is safe for concurrent use, takes no lock, and
// allocates only in [Limiter.Set].
type Limiter struct {
	bucket atomic.Pointer[bucket]
}

// A bucket is a law with its one instant of state. Set replaces the bucket by a
// successor. So that no event is lost between the two, it first freezes the
// state; whoever meets a frozen state completes the replacement and goes on
// with the successor, so nobody waits for anybody.
type bucket struct {
	law   law
	since int64        // when Set made it
	state atomic.Int64 // theoretical arrival time, doubled; the lowest bit is frozen
	next  atomic.Pointer[bucket]
}

const (
	frozen  = 1
	pending = math.MinInt64 // the state of a successor that has not taken over yet
)

// New returns a full Limiter.
//
// The time between events, 1/perSecond, is rounded to whole nanoseconds: up to
// ten million events per second the rate is exact to 0.5 %, and above one
// billion per second it is one billion. A rate so slow that the bucket would
// take more than 18 years to fill is raised to that.
//
// New panics if perSecond is not positive and finite, or burst is not 1 to
// [MaxBurst]: both are bugs of the caller, which checks what users configure.
func New(perSecond float64, burst int) *Limiter {
	b := &bucket{law: newLaw(perSecond, burst)}
	b.state.Store(full << 1)
	l := new(Limiter)
	l.bucket.Store(b)
	return l
}

// Allow reports whether an event may happen now, and counts it if so.
func (l *Limiter) Allow() bool { ok, _ := l.AllowAt(mono.Now()); return ok }

// AllowAt reports whether an event may happen at now, and counts it if so. If
// not, wait is how long until one may; it is always positive, so a caller that
// sleeps makes progress. Instants may go backwards: the limiter never forgets
// what it has permitted.
func (l *Limiter) AllowAt(now mono.Time) (ok bool, wait time.Duration) { return l.AllowN(now, 1) }

// AllowN is AllowAt for an event that costs n tokens. An n below 1 counts as 1
// and one above the burst as the burst, so that every event may happen at some
// time.
func (l *Limiter) AllowN(now mono.Time, n int) (ok bool, wait time.Duration) {
	at := instant(now)
	for {
		b := l.bucket.Load()
		old := b.state.Load()
		if old&frozen != 0 {
			l.replace(b)
			continue
		}
		tat, wait := b.law.take(old>>1, at, n)
		if wait > 0 {
			return false, wait
		}
		if b.state.CompareAndSwap(old, tat<<1) {
			return true, 0
		}
	}
}

// Tokens returns how many tokens are in the bucket at now, 0 to the burst.
func (l *Limiter) Tokens(now mono.Time) float64 {
	law, tat := l.load()
	return float64(law.available(tat, instant(now))) / float64(law.interval)
}

// Quota returns what a RateLimit field says (draft-ietf-httpapi-ratelimit-headers):
// how many more events may happen at now, and the time until the bucket is full
// again if none do.
func (l *Limiter) Quota(now mono.Time) (remaining int, reset time.Duration) {
	law, tat := l.load()
	return law.quota(tat, instant(now))
}

func (l *Limiter) load() (law, int64) {
	b := l.bucket.Load()
	return b.law, b.state.Load() >> 1 // a frozen state was right when it was loaded
}

// Set changes rate and burst from now on. The bucket stays as full as it is: a
// third full of the old burst, then a third full of the new. Events that race
// with Set are counted once, by the old rate or by the new. Set panics as [New]
// does.
func (l *Limiter) Set(now mono.Time, perSecond float64, burst int) {
	law := newLaw(perSecond, burst)
	for {
		b := l.bucket.Load()
		if b.law == law {
			return
		}
		next := &bucket{law: law, since: instant(now)}
		next.state.Store(pending)
		mine := b.next.CompareAndSwap(nil, next)
		l.replace(b)
		if mine {
			return
		}
	}
}

// replace installs the successor of b. Any number of callers may do it at once:
// each step is done by the first and repeats the same value for the others.
func (l *Limiter) replace(b *bucket) {
	next := b.next.Load()
	tat := b.state.Or(frozen) >> 1
	next.state.CompareAndSwap(pending, next.law.adopt(b.law, tat, next.since)<<1)
	l.bucket.CompareAndSwap(b, next)
}
