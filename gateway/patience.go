package gateway

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A patience is a connection's read deadline, set in the poller only when it
// must be. The HTTP server moves the deadline half a dozen times per request,
// nearly always to something later. A later deadline is only noted here; when
// the one that is armed passes first, the read looks again and goes on.
type patience struct {
	mu     sync.Mutex
	wanted deadline
	armed  deadline
	spent  bool // armed lay in the past when it was set: it ended reads at once
}

// A deadline is an instant, or none.
type deadline struct {
	at  mono.Time
	set bool
}

func (d deadline) before(o deadline) bool { return d.set && (!o.set || d.at < o.at) }

// set notes the deadline t, none if it is zero, and arms it if what is armed
// would let reads wait longer, or not at all.
func (p *patience) set(t time.Time, arm func(time.Time) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = deadline{}
	if !t.IsZero() {
		p.wanted = deadline{mono.Of(t), true}
	}
	if !p.wanted.before(p.armed) && !p.spent {
		return nil
	}
	p.armed = p.wanted
	p.spent = p.armed.set && p.armed.at <= mono.Now()
	return arm(t)
}

// over reports whether a read that ended with err is over. If it ended only
// because an older deadline was still armed, the wanted one is armed, and the
// read is to be tried again.
func (p *patience) over(err error, arm func(time.Time) error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var t time.Time
	if p.wanted.set {
		left := p.wanted.at.Sub(mono.Now())
		if left <= 0 {
			return true
		}
		t = in(left)
	}
	p.armed, p.spent = p.wanted, false
	return arm(t) != nil
}
