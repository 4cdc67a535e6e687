package demand

import (
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
	"github.com/penstock-go/penstock/rate"
)

// Throttle lets items pass as the limiter permits. The source waits with them.
func (s Stream[T]) Throttle(l *rate.Limiter) Stream[T] {
	if l == nil {
		return broken[T]("throttle", "the limiter is nil")
	}
	return s.paced("throttle", l.AllowAt)
}

// paced lets an item pass once allow does.
func (s Stream[T]) paced(name string, allow func(mono.Time) (bool, time.Duration)) Stream[T] {
	return Stream[T]{name: name, run: func(e *env, _ string, push func(T) bool) error {
		err := s.start(e, func(v T) bool {
			for {
				ok, wait := allow(mono.Now())
				if ok {
					return push(v)
				}
				if !e.pause(wait, idle) {
					return false
				}
			}
		})
		return first(err, e.cause())
	}}
}

// A Pace is a rate that follows the pressure of a callee: whoever calls it
// reports the level with Observe, and the stages that are throttled by it slow
// down and speed up. It is safe for concurrent use. Make one with [NewPace].
type Pace struct {
	mu      sync.Mutex
	pacer   pressure.Pacer
	limiter *rate.Limiter
}

// NewPace returns a pace that begins at the given rate; see [pressure.NewPacer],
// which panics where the configuration is impossible.
func NewPace(cfg pressure.PacerConfig) *Pace {
	p := &Pace{pacer: pressure.NewPacer(cfg)}
	p.limiter = rate.New(p.pacer.PerSecond(), 1)
	return p
}

// Observe takes a level, 0 to 1, that the callee has just told.
func (p *Pace) Observe(level float64) {
	now := mono.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pacer.Observe(now, level) {
		p.limiter.Set(now, p.pacer.PerSecond(), 1)
	}
}

// PerSecond returns the rate now.
func (p *Pace) PerSecond() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pacer.PerSecond()
}

// ThrottleBy lets items pass at the given pace. The source waits with them.
func (s Stream[T]) ThrottleBy(p *Pace) Stream[T] {
	if p == nil {
		return broken[T]("throttle", "the pace is nil")
	}
	return s.paced("throttle", p.limiter.AllowAt)
}
