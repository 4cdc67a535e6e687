package gateway

import (
	"context"
	"sync"

	"github.com/penstock-go/penstock/mono"
)

// A lifeline is how others end what an exchange has under way with its backend:
// the client's leaving, a deadline, the gateway's end. What is under way changes
// in the meantime: a dial, a wire, another wire, a round trip of the transport's.
type lifeline struct {
	mu     sync.Mutex
	cut    bool
	wire   *wire              // nil while there is none
	cancel context.CancelFunc // of a dial or of a round trip
}

// end ends what is under way, and what would begin after it.
func (l *lifeline) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	if l.wire != nil {
		l.wire.cut()
	}
	if l.cancel != nil {
		l.cancel()
	}
}

// ended reports whether end was called.
func (l *lifeline) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// during has end call cancel, from now on.
func (l *lifeline) during(cancel context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel = cancel
	if l.cut && cancel != nil {
		cancel()
	}
}

// hold has end cut w, unless it is too late for that. Reads and writes of w then
// wait until first, or less.
func (l *lifeline) hold(w *wire, first mono.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.wire = w
	w.waitUntil(first)
	return true
}

// wait has reads and writes of the wire wait until at, for ever if there is no
// such time. It reports false where the wire was cut.
func (l *lifeline) wait(at mono.Time, bounded bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.wire.arm(at, bounded)
	return true
}

// release takes the wire out of end's reach, and reports whether it is whole.
func (l *lifeline) release() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wire = nil
	return !l.cut
}
