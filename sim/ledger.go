package sim

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// A fate is how work ended.
type fate uint8

const (
	good fate = iota
	late
	refused
	failed
)

// A result is the answer to a call.
type result struct {
	fate   fate
	reason penstock.Reason // where refused
	retry  time.Duration   // when to come back, where the refuser said so
	died   bool            // where failed: the process itself
}

// A ledger keeps the books of one part: counts in windows, integrals of what is
// inside, and both sides of Little's law.
type ledger struct {
	part   *Part
	cur    *Window
	index  int
	length time.Duration
	at     mono.Time // the integrals are up to date until here
	turn   mono.Time // the end of the current window

	open   int // inside
	gauges     // what the integrals are of
	little
	past  Window    // sum of the windows before the current one
	first mono.Time // of the plan's events: what is felt before does not count
}

// gauges are the state that a part's integrals follow.
type gauges struct {
	waiting                            int
	busy, blocked, starved, idle, down int
}

// little holds both sides of L = lambda W as exact sums. They may wrap around;
// their difference does not.
type little struct {
	area   uint64 // integral of what is inside, in nanoseconds
	spent  uint64 // time that those who left had spent inside
	starts uint64 // sum of the instants at which those inside came
}

func newLedger(name string, kind PartKind, p *Plan, latencies bool) *ledger {
	n := int((p.For + p.Window - 1) / p.Window)
	part := &Part{Name: name, Kind: kind, Windows: make([]Window, n)}
	if latencies {
		part.Latencies = make([]Histogram, (n+LatencyWindows-1)/LatencyWindows)
	}
	return &ledger{part: part, cur: &part.Windows[0], length: p.Window, turn: mono.Time(p.Window)}
}

// advance brings the integrals up to now. Call it before a gauge changes.
func (l *ledger) advance(now mono.Time) {
	if now == l.at && now < l.turn {
		return
	}
	for now >= l.turn && l.index+1 < len(l.part.Windows) {
		l.integrate(l.turn)
		l.past.Add(l.cur)
		l.index++
		l.cur = &l.part.Windows[l.index]
		l.cur.MaxWaiting = l.waiting
		l.turn = l.turn.Add(l.length)
	}
	l.integrate(now)
}

func (l *ledger) integrate(to mono.Time) {
	dt := int64(to - l.at)
	if dt == 0 {
		return
	}
	l.at = to
	w := l.cur
	w.Length += time.Duration(dt)
	w.InFlight += dt * int64(l.open)
	w.Waiting += dt * int64(l.waiting)
	w.Busy += dt * int64(l.busy)
	w.Idle += dt * int64(l.idle)
	if l.blocked|l.starved|l.down != 0 {
		w.Blocked += dt * int64(l.blocked)
		w.Starved += dt * int64(l.starved)
		w.Down += dt * int64(l.down)
	}
	l.area += uint64(dt) * uint64(l.open)
}

// set changes the gauges.
func (l *ledger) set(now mono.Time, g gauges) {
	if g == l.gauges {
		return
	}
	l.advance(now)
	l.gauges = g
	l.cur.MaxWaiting = max(l.cur.MaxWaiting, g.waiting)
}

// enter counts work that asks.
func (l *ledger) enter(now mono.Time) {
	l.advance(now)
	l.cur.Offered++
	l.open++
	l.starts += uint64(now)
}

// leave counts how work that came at since ended.
func (l *ledger) leave(now, since mono.Time, r result, c penstock.Criticality) {
	l.advance(now)
	l.open--
	l.starts -= uint64(since)
	l.spent += uint64(now - since)
	w := l.cur
	switch r.fate {
	case good:
		w.Good++
	case late:
		w.Late++
	case refused:
		w.Refused++
		w.RefusedBy[r.reason]++
		w.RefusedOf[c]++
		l.feel(now)
	case failed:
		w.Failed++
	}
}

// latency records how long good work took.
func (l *ledger) latency(d time.Duration) {
	l.part.Latencies[l.index/LatencyWindows].Add(d)
}

// feel records that the part is full, if it is the first time.
func (l *ledger) feel(now mono.Time) {
	if !l.part.FeltSet && now >= l.first {
		l.part.Felt, l.part.FeltSet = time.Duration(now), true
	}
}

// verify checks conservation and L = lambda W at now.
func (l *ledger) verify(now mono.Time) error {
	l.advance(now)
	p, c := &l.past, l.cur
	ended := p.Good + c.Good + p.Late + c.Late + p.Refused + c.Refused + p.Failed + c.Failed
	if ended+uint64(l.open) != p.Offered+c.Offered || l.open < 0 {
		t := l.total()
		return fmt.Errorf("sim: %s: offered %d is not good %d + late %d + refused %d + failed %d + in flight %d",
			l.part.Name, t.Offered, t.Good, t.Late, t.Refused, t.Failed, l.open)
	}
	if inside := l.spent + uint64(now)*uint64(l.open) - l.starts; l.area != inside {
		return fmt.Errorf("sim: %s: the integral of what is inside is %d, the sum of times inside %d", l.part.Name, l.area, inside)
	}
	return nil
}

func (l *ledger) total() Window {
	t := l.past
	t.Add(l.cur)
	return t
}
