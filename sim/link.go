package sim

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// link is a way between parts. Each direction is a queue of its own.
type link struct {
	cfg       *Link
	world     *World
	led       *ledger
	rng       *rand.Rand
	latency   float64 // factors, by events
	bandwidth float64
	free      [2]mono.Time // when the last message of a direction has gone out

	requests, replies, leaves hop
}

// A hop is a handler for what arrives at the end of a link.
type hop struct {
	*link
	kind hopKind
}

type hopKind uint8

const (
	hopRequest hopKind = iota
	hopReply
	hopLeave
)

func newLink(w *World, cfg *Link) *link {
	l := &link{
		cfg: cfg, world: w, latency: 1, bandwidth: 1,
		led: w.ledger(cfg.Name, LinkPart, false), rng: Stream(w.plan.Seed, cfg.Name, "latency"),
	}
	l.requests, l.replies, l.leaves = hop{l, hopRequest}, hop{l, hopReply}, hop{l, hopLeave}
	return l
}

// pass returns when a message of so many bytes arrives; ok is false if it is
// lost.
func (l *link) pass(now mono.Time, direction, bytes int) (at mono.Time, ok bool) {
	at = now
	if l.cfg.BytesPerSecond > 0 {
		perSecond := l.cfg.BytesPerSecond * l.bandwidth
		begin := max(now, l.free[direction])
		if ahead := begin.Sub(now).Seconds() * perSecond; l.cfg.Queue > 0 && ahead+float64(bytes) > float64(l.cfg.Queue) {
			return 0, false
		}
		at = begin.Add(time.Duration(float64(bytes) / perSecond * float64(time.Second)))
		l.free[direction] = at
		l.led.cur.Delay += begin.Sub(now)
	}
	if l.cfg.Latency != nil {
		at = at.Add(time.Duration(float64(l.cfg.Latency.Draw(l.rng)) * l.latency))
	}
	return at, true
}

// send carries one message of a call and books it.
func (l *link) send(now mono.Time, c *call, h *hop, direction, bytes int) {
	l.led.enter(now)
	l.led.cur.Begun++
	at, ok := l.pass(now, direction, bytes)
	if !ok {
		l.led.leave(now, now, result{fate: failed}, c.work.Criticality)
		c.rid, c.lost = true, true
		return
	}
	c.crossing, c.due = now, at
	l.world.loop.At(at, h, c.id)
}

func (l *link) request(now mono.Time, c *call) { l.send(now, c, &l.requests, 0, l.cfg.Request) }
func (l *link) reply(now mono.Time, c *call)   { l.send(now, c, &l.replies, 1, l.cfg.Reply) }

// leave tells the other end that the client has left, not before the request
// itself is there.
func (l *link) leave(now mono.Time, c *call) {
	at, _ := l.pass(now, 0, 0)
	l.world.loop.At(max(at, c.due), &l.leaves, c.id)
}

// Fire is the arrival of a message.
func (h *hop) Fire(now mono.Time, id uint64) {
	c := h.world.calls.get(id)
	switch h.kind {
	case hopRequest:
		h.led.leave(now, c.crossing, result{}, c.work.Criticality)
		c.client.to.take(now, c)
	case hopReply:
		h.led.leave(now, c.crossing, result{}, c.work.Criticality)
		c.client.answered(now, c)
	case hopLeave:
		if c != nil && !c.rid {
			c.client.to.leave(now, c)
		}
	}
}
