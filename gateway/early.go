package gateway

import (
	"github.com/penstock-go/penstock/mono"
)

// A turn says whether the HTTP server's next read is for a new request, of which
// it has no byte yet. It is known by what the server does behind an answer: it
// calls the connection idle, sets the deadline for that, reads with its whole
// buffer, and sets the deadline for the header. If net/http ever does otherwise,
// no read is for a new request, and all go the ordinary way.
type turn uint8

const (
	serving  turn = iota // a request is being read or served; or it is the connection's first
	answered             // the last answer is complete
	awaiting             // and the deadline for the next request was set
)

// rests notes that the server has written an answer and keeps the connection.
func (c *conn) rests() {
	c.reads.Lock()
	defer c.reads.Unlock()
	c.turn, c.drawn = answered, 0
}

// deadlineMoved is called when the server sets the read deadline.
func (t *turn) deadlineMoved() {
	if *t == answered {
		*t = awaiting
	} else {
		*t = serving
	}
}

// begins reports whether a read of so many bytes is for a new request. Less than
// the server's whole buffer, which its first read shows, means that it has some
// of one.
func (c *conn) begins(size int) bool {
	if c.whole == 0 {
		c.whole = size
	}
	begins := c.turn == awaiting && size == c.whole && c.listener.front != nil
	c.turn = serving
	return begins
}

// refusedEarly answers the request in b, and reports whether it did. If not, the
// server is to have it. It is called with the lock, and gives it up meanwhile.
func (c *conn) refusedEarly(b []byte) (bool, error) {
	g := c.listener.front
	if !g.ctl.Refusing() {
		return false, nil
	}
	c.reads.Unlock()
	done, err := g.refuseEarly(c, b)
	c.reads.Lock()
	if done && err == nil {
		c.patience.renew(g.bounds.idle)
	}
	return done, err
}

// refuseEarly refuses a plain request before the HTTP server has seen it, if that
// is what would become of it now: docs/adr/0010-early-refusals.md. It reports
// false where the request is to go the ordinary way; then nothing has been
// counted and nothing written.
func (g *Gateway) refuseEarly(c *conn, b []byte) (bool, error) {
	var h requestHead
	if h.parse(string(b)) != plain {
		return false, nil
	}
	// A drain waits for what it finds in hand; what comes later finds the drain.
	g.work.enter()
	g.handlers.enter()
	defer g.work.leave()
	defer g.handlers.leave()
	x := exchanges.Get().(*exchange)
	x.g, x.conn, x.t, x.arrived = g, c, g.enter(), mono.Now()
	defer x.recycle()
	defer x.t.exit()
	if g.draining.Load() || !x.refusedNow(&h) {
		return false, nil
	}
	x.rt.counts.requests.Add(1)
	c.drawn = 0
	answer := x.count(x.refusal)
	x.rt.counts.answered(answer.Status())
	_, err := c.write(answer.bytes())
	return true, err
}

// refusedNow finds out whether the request would be refused, and keeps why. What
// would not ask the controller, or would ask something else before, is not for
// this way: what matches no route or goes in circles, and a rate, which would
// have to be asked twice.
func (x *exchange) refusedNow(h *requestHead) bool {
	rt := x.t.match(h.host, h.path)
	if rt == nil || rt.quota != nil || rt.RefuseWith == RefuseDrop || x.t.observe {
		return false
	}
	x.rt = rt
	fields := h.heard(rt)
	if hops(fields) >= MaxHops {
		return false
	}
	x.caller = x.t.caller(x.conn.peer, x.conn.name, fields)
	x.work = x.classify(fields)
	x.refusal = x.g.ctl.RefuseNow(rt.index, x.work)
	return x.refusal != nil
}
