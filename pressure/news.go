package pressure

import (
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// The constants of News.
const (
	// newsMemory is the time constant of the moving average: one callee's ticks
	// (10 ms) are smoothed, and a change is felt within a tenth of a second.
	newsMemory = 100 * time.Millisecond
	// newsLeast is the part of the average that a signal makes at least: those of one
	// instant, and those of a clock that stands, count too.
	newsLeast = 0.01
	// NewsFresh is how long what was heard last counts in full.
	NewsFresh = time.Second
	// newsDecay is the time constant with which it fades after that.
	newsDecay = time.Second
	// newsGone is when nothing of it is left.
	newsGone = 10 * time.Second
)

// News is what a caller knows of one callee: the signals that it heard, as an
// exponentially weighted moving average over time (time constant 100 ms), which
// fades when nothing is heard any more: silence must not refuse work for ever.
// Who decides goes by the average ([News.At]); who only passes it on says what was
// heard last ([News.Last]): averages of averages would take 100 ms at every hop.
// The zero News has heard nothing. It is for one goroutine at a time.
//
// Instants that go backwards count as the latest seen.
type News struct {
	level, price float64
	delay        float64 // nanoseconds
	last         Signal
	comeBack     mono.Time
	at           mono.Time // of the latest signal
	begun        bool
}

// Hear takes a signal, clamped.
func (n *News) Hear(now mono.Time, s Signal) {
	s = s.Clamp()
	if !n.begun || now.Sub(n.at) > newsGone {
		*n = News{level: s.Level, price: float64(s.Price), delay: float64(s.Delay), comeBack: now, at: now, begun: true}
	} else {
		fade := n.fade(now)
		part := newsLeast
		if passed := now.Sub(n.at).Seconds() / newsMemory.Seconds(); passed > newsLeast {
			part = max(part, 1-math.Exp(-passed))
		}
		n.level = mix2(n.level*fade, s.Level, part)
		n.price = mix2(n.price*fade, float64(s.Price), part)
		n.delay = mix2(n.delay*fade, float64(s.Delay), part)
		n.at = max(n.at, now)
	}
	n.last = s
	if s.Retry > 0 {
		n.comeBack = n.at.Add(s.Retry)
	}
}

// mix2 moves a towards b by the given part of the way.
func mix2(a, b, part float64) float64 { return a + part*(b-a) }

// fade is the share of what was heard that still counts at now.
func (n *News) fade(now mono.Time) float64 {
	age := now.Sub(n.at)
	switch {
	case !n.begun || age > newsGone:
		return 0
	case age <= NewsFresh:
		return 1
	}
	return math.Exp(-(age - NewsFresh).Seconds() / newsDecay.Seconds())
}

// At is what the callee is believed to say at now. Its Retry is what is left of
// the latest wait that it asked for.
func (n *News) At(now mono.Time) Signal {
	fade := n.fade(now)
	if fade == 0 {
		return Signal{}
	}
	return n.faded(now, n.level, n.price, n.delay, fade)
}

// Last is what the callee said last, faded by now as At is, and with the Retry of
// At.
func (n *News) Last(now mono.Time) Signal {
	fade := n.fade(now)
	if fade == 0 {
		return Signal{}
	}
	return n.faded(now, n.last.Level, float64(n.last.Price), float64(n.last.Delay), fade)
}

func (n *News) faded(now mono.Time, level, price, delay, fade float64) Signal {
	return Signal{
		Level: level * fade,
		Price: penstock.Price(math.Round(price * fade)),
		Delay: time.Duration(delay * fade),
		Retry: clampDuration(n.comeBack.Sub(max(now, n.at)), 0, MaxRetry),
	}
}

// Fresh reports whether the callee has said anything within [NewsFresh].
func (n *News) Fresh(now mono.Time) bool { return n.begun && now.Sub(n.at) <= NewsFresh }
