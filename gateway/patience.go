package gateway

import (
	"errors"
	"os"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A patience is a connection's read deadline, set in the poller only when it
// must be. The HTTP server moves the deadline half a dozen times per request,
// nearly always to something later, and mostly while nothing is read. It is only
// noted here, until a read would wait too long by the one that is armed; when
// that one passes too early, the read looks again and goes on. Its owner has the
// lock.
type patience struct {
	wanted  deadline
	armed   deadline
	spent   bool // armed lies in the past: it ends reads at once
	reading bool
	halted  bool // reads are to end, whatever is wanted
}

// A deadline is an instant, or none.
type deadline struct {
	at  mono.Time
	set bool
}

func (d deadline) before(o deadline) bool { return d.set && (!o.set || d.at < o.at) }

// set notes the deadline t, none if it is zero. A read under way learns of it if
// what is armed would let it wait longer, or not at all.
func (p *patience) set(t time.Time, arm func(time.Time) error) error {
	p.wanted = deadline{}
	if !t.IsZero() {
		p.wanted = deadline{mono.Of(t), true}
	}
	if !p.reading {
		return nil
	}
	return p.fit(arm)
}

// renew notes a deadline so far from now, while nothing is read.
func (p *patience) renew(d time.Duration) {
	p.wanted = deadline{mono.Now().Add(d), true}
}

// fit arms what is wanted, where what is armed will not do.
func (p *patience) fit(arm func(time.Time) error) error {
	if !p.wanted.before(p.armed) && !p.spent {
		return nil
	}
	var t time.Time
	if p.spent = false; p.wanted.set {
		left := p.wanted.at.Sub(mono.Now())
		p.spent = left <= 0
		t = in(left)
	}
	p.armed = p.wanted
	return arm(t)
}

// begin is called before a read. One reads at a time, and clears reading then.
func (p *patience) begin(arm func(time.Time) error) error {
	if p.halted {
		return os.ErrDeadlineExceeded
	}
	p.reading = true
	return p.fit(arm)
}

// halt ends the read under way, or the next one if it has yet to begin.
func (p *patience) halt(arm func(time.Time) error) {
	if p.halted = true; p.reading {
		p.spent = true
		_ = arm(time.Unix(1, 0)) // fails only when the connection is closed, and the read has ended
	}
}

// over reports whether a read that ended with err is over. If it ended only
// because an older deadline was still armed, the wanted one is armed, and the
// read is to be tried again.
func (p *patience) over(err error, arm func(time.Time) error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	if p.halted || p.wanted.set && p.wanted.at <= mono.Now() {
		return true
	}
	p.spent = true
	return p.fit(arm) != nil
}
