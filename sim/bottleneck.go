package sim

import (
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// bottleneck is a queue of packets in front of a line of constant rate. Its path
// is first in, first out: packets of a flow are never reordered.
type bottleneck struct {
	cfg     *Bottleneck
	world   *World
	led     *ledger
	flows   []flow
	codel   *queue.CoDel
	spacing float64 // nanoseconds between packets
	packets []packet
	free    []uint64
	queue   ring // of places in packets
	sending bool
	entered int // packets, for Loss
	acks    ackHandler
}

// A packet is under way from its entry until its acknowledgement is back.
type packet struct {
	flow  *flow
	tx    uint64
	seq   uint64
	since mono.Time
}

type ackHandler struct{ *bottleneck }

func newBottleneck(w *World, cfg *Bottleneck) *bottleneck {
	b := &bottleneck{cfg: cfg, world: w, led: w.ledger(cfg.Name, BottleneckPart, true)}
	b.setRate(cfg.PacketsPerSecond)
	if cfg.CoDel != nil {
		b.codel = &queue.CoDel{Target: cfg.CoDel.Target, Interval: cfg.CoDel.Interval}
	}
	b.acks.bottleneck = b
	b.flows = make([]flow, cfg.Number)
	b.led.part.PerFlow = make([]uint64, cfg.Number)
	rng := Stream(w.plan.Seed, cfg.Name, "rtt")
	for i := range b.flows {
		b.flows[i].init(b, i, cfg.RTT.Draw(rng))
	}
	return b
}

func (b *bottleneck) setRate(perSecond float64) { b.spacing = float64(time.Second) / perSecond }

// start lets the flows begin one after the other, within one round trip.
func (b *bottleneck) start() {
	rng := Stream(b.world.plan.Seed, b.cfg.Name, "starts")
	for i := range b.flows {
		f := &b.flows[i]
		b.world.loop.At(mono.Time(rng.Float64()*float64(f.rtt)), f, flowStart)
	}
	b.sync(0)
}

// enter takes a packet, or drops it.
func (b *bottleneck) enter(now mono.Time, p packet, first bool) {
	b.led.enter(now)
	if first {
		b.led.cur.First++
	}
	b.entered++
	lost := b.cfg.Loss > 0 && b.entered%b.cfg.Loss == 0
	if lost || b.queue.n >= b.cfg.Buffer {
		b.led.leave(now, now, result{fate: refused, reason: penstock.ReasonQueueFull}, 0)
		return
	}
	p.since = now
	if len(b.free) == 0 {
		b.free = append(b.free, uint64(len(b.packets)))
		b.packets = append(b.packets, packet{})
	}
	i := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	b.packets[i] = p
	b.queue.push(i)
	b.send(now)
}

// send puts the next packet on the line.
func (b *bottleneck) send(now mono.Time) {
	for !b.sending && b.queue.n > 0 {
		i, _ := b.queue.pop()
		wait := now.Sub(b.packets[i].since)
		if b.codel != nil && b.codel.Drop(now, wait, b.queue.n) {
			b.led.leave(now, b.packets[i].since, result{fate: refused, reason: penstock.ReasonSojourn}, 0)
			b.free = append(b.free, i)
			continue
		}
		b.led.advance(now)
		b.led.cur.Begun++
		b.led.cur.Delay += wait
		b.sending = true
		b.world.loop.At(now.Add(max(1, time.Duration(b.spacing))), b, i)
	}
	if b.queue.n == 0 && !b.sending && b.codel != nil {
		b.codel.Drop(now, 0, 0)
	}
	b.sync(now)
}

// Fire is a packet that has passed the line: it reaches its receiver, whose
// answer takes the round trip.
func (b *bottleneck) Fire(now mono.Time, i uint64) {
	p := &b.packets[i]
	r := result{}
	isNew := p.flow.receive(p.seq)
	if !isNew {
		r.fate = late
	}
	b.led.leave(now, p.since, r, 0)
	if isNew {
		b.led.part.PerFlow[p.flow.index]++
		b.led.latency(now.Sub(p.since))
	} else {
		b.led.cur.Wasted++
		b.led.cur.Amount++
	}
	b.world.loop.At(now.Add(p.flow.rtt), &b.acks, i)
	b.sending = false
	b.send(now)
}

// Fire is an acknowledgement that reaches its sender.
func (a *ackHandler) Fire(now mono.Time, i uint64) {
	p := a.packets[i]
	a.free = append(a.free, i)
	p.flow.acked(now, p.tx, p.seq)
}

func (b *bottleneck) sync(now mono.Time) {
	g := gauges{waiting: b.queue.n}
	if b.sending {
		g.busy = 1
	} else {
		g.idle = 1
	}
	b.led.set(now, g)
}

func (b *bottleneck) sample(now mono.Time) {
	b.led.advance(now)
	level := float64(b.queue.n) / float64(b.cfg.Buffer)
	b.led.cur.Samples++
	b.led.cur.Level += level
	for i := range b.flows {
		b.led.cur.Limit += b.flows[i].window
	}
	if level >= feltLevel {
		b.led.feel(now)
	}
}
