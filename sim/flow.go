package sim

import (
	"math"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The constants of a flow: RFC 6928's first window, RFC 6298's timeout with the
// lower bound that Linux uses, and a bound on what may be under way.
const (
	flowInitial = 10 // packets
	rtoFirst    = time.Second
	rtoLeast    = 200 * time.Millisecond
	rtoMost     = 60 * time.Second
	flowAhead   = 4 // windows of data beyond the oldest that is not acknowledged
)

// flow is one sender and its receiver. The sender numbers its data (seq) and its
// transmissions (tx). As the path keeps the order, the acknowledgement of one
// transmission says that all earlier ones that are still open were lost: what
// three duplicate acknowledgements say elsewhere. Additive increase and
// multiplicative decrease are those of RFC 5681, at most one decrease per round
// trip.
//
// A flow with a fixed window learns nothing from its losses: it sends again what
// was not acknowledged within its timeout, and that is all.
type flow struct {
	b     *bottleneck
	index int
	rtt   time.Duration
	fixed bool
	most  int // packets

	window    float64 // packets
	threshold float64 // slow start below
	cutAt     uint64  // tx from which on a loss is news

	sent       []transmission // ring by tx, from head to next
	head, next uint64
	pipe       int // open transmissions

	data  []datum // ring by seq, from una to fresh
	una   uint64  // the oldest that is not acknowledged
	fresh uint64  // the next that was never sent
	lost  ring    // seqs to send again

	received []bool // the receiver's, ring by seq from base
	base     uint64

	srtt, rttvar float64 // nanoseconds
	rto          time.Duration
	timer        Timer
}

type transmission struct {
	seq  uint64
	at   mono.Time
	open bool
}

type datum struct {
	acked bool
	tx    uint64 // the latest
}

// What a flow's events are.
const (
	flowStart uint64 = iota
	flowTimeout
)

func (f *flow) init(b *bottleneck, index int, rtt time.Duration) {
	cfg := &b.cfg.Flows
	*f = flow{b: b, index: index, rtt: rtt, fixed: cfg.Window > 0, rto: rtoFirst, most: cfg.MaxWindow}
	if f.most == 0 {
		f.most = MaxPackets
	}
	f.window, f.threshold = min(flowInitial, float64(f.most)), float64(f.most)
	if f.fixed {
		f.window, f.most = float64(cfg.Window), cfg.Window
	}
	if cfg.RTO > 0 {
		f.rto = cfg.RTO
	}
	f.sent, f.data, f.received = make([]transmission, 64), make([]datum, 64), make([]bool, 64)
}

// regrown is a ring of twice the size, with what stands from first up to end.
func regrown[T any](old []T, first, end uint64) []T {
	grown := make([]T, 2*len(old))
	for i := first; i < end; i++ {
		grown[i%uint64(len(grown))] = old[i%uint64(len(old))]
	}
	return grown
}

func (f *flow) tx(n uint64) *transmission { return &f.sent[n%uint64(len(f.sent))] }
func (f *flow) seq(n uint64) *datum       { return &f.data[n%uint64(len(f.data))] }

// Fire begins, or is the timeout of the oldest transmission.
func (f *flow) Fire(now mono.Time, what uint64) {
	switch {
	case what == flowStart:
	case f.fixed:
		f.timer = Timer{}
		f.resend(now)
	default:
		f.timer = Timer{}
		f.timeout()
	}
	f.send(now)
	f.arm(now)
}

// send sends while the window has room.
func (f *flow) send(now mono.Time) {
	for f.pipe < max(1, int(f.window)) {
		if seq, again := f.pickLost(); again {
			f.transmit(now, seq, false)
			continue
		}
		if f.fresh-f.una >= uint64(flowAhead*f.most) {
			return
		}
		if f.fresh-f.una == uint64(len(f.data)) {
			f.data = regrown(f.data, f.una, f.fresh)
		}
		*f.seq(f.fresh) = datum{}
		f.fresh++
		f.transmit(now, f.fresh-1, true)
	}
}

func (f *flow) pickLost() (uint64, bool) {
	for f.lost.n > 0 {
		if seq, _ := f.lost.pop(); seq >= f.una && !f.seq(seq).acked {
			return seq, true
		}
	}
	return 0, false
}

func (f *flow) transmit(now mono.Time, seq uint64, first bool) {
	if f.next-f.head == uint64(len(f.sent)) {
		f.sent = regrown(f.sent, f.head, f.next)
	}
	*f.tx(f.next) = transmission{seq, now, true}
	f.seq(seq).tx = f.next
	f.next++
	f.pipe++
	f.b.enter(now, packet{flow: f, tx: f.next - 1, seq: seq}, first)
}

// over closes a transmission.
func (f *flow) over(tx uint64) bool {
	if tx < f.head || !f.tx(tx).open {
		return false
	}
	f.tx(tx).open = false
	f.pipe--
	return true
}

// trim moves head to the oldest open transmission.
func (f *flow) trim() {
	for f.head < f.next && !f.tx(f.head).open {
		f.head++
	}
}

// acked is an acknowledgement.
func (f *flow) acked(now mono.Time, tx, seq uint64) {
	isNew := seq >= f.una && !f.seq(seq).acked
	if isNew {
		f.seq(seq).acked = true
		if f.fixed {
			f.over(f.seq(seq).tx)
		}
	}
	if !f.fixed && tx >= f.head {
		f.adapt(now, tx)
	}
	for f.una < f.fresh && f.seq(f.una).acked {
		f.una++
	}
	f.trim()
	f.send(now)
	f.arm(now)
}

// adapt takes what an acknowledged transmission tells of the path.
func (f *flow) adapt(now mono.Time, tx uint64) {
	cut := false
	for t := f.head; t < tx; t++ {
		if f.over(t) {
			f.lose(f.tx(t).seq)
			cut = cut || t >= f.cutAt
		}
	}
	f.measure(now.Sub(f.tx(tx).at))
	if !f.over(tx) {
		return
	}
	switch {
	case cut:
		f.threshold = max(2, f.window/2)
		f.window = max(1, f.window/2)
		f.cutAt = f.next
	case f.window < f.threshold:
		f.window++
	default:
		f.window += 1 / f.window
	}
	f.window = min(f.window, float64(f.most))
}

func (f *flow) lose(seq uint64) {
	if seq >= f.una && !f.seq(seq).acked {
		f.lost.push(seq)
	}
}

// measure takes one round trip into the timeout: RFC 6298, section 2.
func (f *flow) measure(rtt time.Duration) {
	if f.b.cfg.RTO > 0 {
		return
	}
	r := float64(rtt)
	if f.srtt == 0 {
		f.srtt, f.rttvar = r, r/2
	} else {
		f.rttvar += (math.Abs(f.srtt-r) - f.rttvar) / 4
		f.srtt += (r - f.srtt) / 8
	}
	f.rto = min(max(time.Duration(f.srtt+4*f.rttvar), rtoLeast), rtoMost)
}

// timeout gives everything under way up for lost: RFC 5681, section 3.1.
func (f *flow) timeout() {
	for t := f.head; t < f.next; t++ {
		if f.over(t) {
			f.lose(f.tx(t).seq)
		}
	}
	f.trim()
	f.threshold = max(2, f.window/2)
	f.window = 1
	f.cutAt = f.next
	if f.b.cfg.RTO == 0 {
		f.rto = min(2*f.rto, rtoMost)
	}
}

// resend sends again what a fixed window has waited for too long.
func (f *flow) resend(now mono.Time) {
	end := f.next
	for t := f.head; t < end && f.tx(t).at.Add(f.rto) <= now; t++ {
		if !f.tx(t).open {
			continue
		}
		seq := f.tx(t).seq
		f.over(t)
		f.trim()
		f.transmit(now, seq, false)
	}
}

// arm sets the timer for the oldest open transmission.
func (f *flow) arm(now mono.Time) {
	f.trim()
	f.b.world.loop.Cancel(f.timer)
	f.timer = Timer{}
	if f.pipe == 0 {
		return
	}
	at := now.Add(f.rto)
	if f.fixed {
		at = f.tx(f.head).at.Add(f.rto)
	}
	f.timer = f.b.world.loop.Set(at, f, flowTimeout)
}

// receive takes a packet at the receiver, and reports whether its data is new.
func (f *flow) receive(seq uint64) bool {
	n := uint64(len(f.received))
	if seq < f.base || seq-f.base < n && f.received[seq%n] {
		return false
	}
	for seq-f.base >= uint64(len(f.received)) {
		f.received = regrown(f.received, f.base, f.base+uint64(len(f.received)))
	}
	n = uint64(len(f.received))
	f.received[seq%n] = true
	for f.received[f.base%n] {
		f.received[f.base%n] = false
		f.base++
	}
	return true
}
