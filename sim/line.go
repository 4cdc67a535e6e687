package sim

import (
	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// line is stations one after another with a yard in front.
type line struct {
	cfg      *Line
	world    *World
	led      *ledger
	stations []*station
	yard     ring        // ids of calls
	waiting  int         // in the yard
	inside   int         // items in the stations
	own      []mono.Time // when items of its own entered, by number
	free     []uint64    // numbers that may be used again
}

// ownItem marks an item of a saturated line's own. The rest of it is a number.
const ownItem = 1 << 63

func newLine(w *World, cfg *Line) *line {
	l := &line{cfg: cfg, world: w, led: w.ledger(cfg.Name, LinePart, true)}
	for i := range cfg.Stations {
		l.stations = append(l.stations, newStation(l, i))
	}
	return l
}

func (l *line) start() { l.draw(0) }

// take is an item that arrives.
func (l *line) take(now mono.Time, c *call) {
	l.led.enter(now)
	if c.work.Attempt <= 1 {
		l.led.cur.First++
	}
	c.arrived = now
	full := l.cfg.Yard != 0 && l.waiting >= max(0, l.cfg.Yard)
	if full && (l.waiting > 0 || !l.mayEnter()) {
		l.end(now, c, result{fate: refused, reason: penstock.ReasonQueueFull})
		return
	}
	l.yard.push(c.id)
	l.waiting++
	c.place = placeRoom
	l.draw(now)
}

// leave takes an item out of the yard whose owner has gone. What is in the
// stations is finished for nobody.
func (l *line) leave(now mono.Time, c *call) {
	if c.place != placeRoom {
		return
	}
	l.yard.remove(c.id)
	l.waiting--
	l.end(now, c, result{fate: late})
	l.sync(now)
}

func (l *line) mayEnter() bool {
	return (l.cfg.Cards == 0 || l.inside < l.cfg.Cards) && l.stations[0].accepts()
}

// draw lets items enter while there is room.
func (l *line) draw(now mono.Time) {
	for l.mayEnter() {
		item, ok := l.next(now)
		if !ok {
			break
		}
		l.inside++
		l.stations[0].enter(now, item)
	}
	l.sync(now)
}

// next is the item that enters.
func (l *line) next(now mono.Time) (uint64, bool) {
	if id, ok := l.yard.pop(); ok {
		l.world.calls.get(id).place = placeService
		l.waiting--
		return id, true
	}
	if !l.cfg.Saturated {
		return 0, false
	}
	if len(l.free) == 0 {
		l.free = append(l.free, uint64(len(l.own)))
		l.own = append(l.own, 0)
	}
	n := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.led.enter(now)
	l.led.cur.First++
	l.own[n] = now
	return ownItem | n, true
}

// out is an item that leaves the last station.
func (l *line) out(now mono.Time, item uint64) {
	l.inside--
	if item&ownItem == 0 {
		l.end(now, l.world.calls.get(item), result{})
		return
	}
	n := item &^ ownItem
	since := l.own[n]
	l.free = append(l.free, n)
	l.led.leave(now, since, result{}, penstock.Critical)
	l.led.latency(now.Sub(since))
}

func (l *line) end(now mono.Time, c *call, r result) {
	booked := r
	if c.gone || r.fate == good && c.hasWorth && now > c.worth {
		booked.fate = late
		if c.place == placeService {
			l.led.advance(now)
			l.led.cur.Wasted++
		}
	}
	l.led.leave(now, c.arrived, booked, c.work.Criticality)
	if booked.fate == good {
		l.led.latency(now.Sub(c.arrived))
	}
	l.world.answer(now, c, r)
}

// sync brings all gauges in line. A station without work is starved while
// anything is in front of it, and idle while nothing is.
func (l *line) sync(now mono.Time) {
	sum := gauges{waiting: l.waiting}
	ahead := l.waiting > 0 || l.cfg.Saturated
	for _, s := range l.stations {
		g := gauges{waiting: s.queue.n, busy: s.busy, blocked: s.blocked.n}
		if free := max(0, s.servers-s.busy-s.blocked.n); ahead {
			g.starved = free
		} else {
			g.idle = free
		}
		if g.blocked > s.led.blocked {
			s.led.feel(now)
		}
		s.led.set(now, g)
		ahead = ahead || s.inside > 0
		sum.waiting += g.waiting
		sum.busy += g.busy
		sum.blocked += g.blocked
		sum.starved += g.starved
		sum.idle += g.idle
	}
	l.led.set(now, sum)
}

// sample looks at how full the stations are. The line is as full as its first.
func (l *line) sample(now mono.Time) {
	l.led.advance(now)
	for _, s := range l.stations {
		s.sample(now)
	}
	level := l.stations[0].fullness()
	l.led.cur.Samples++
	l.led.cur.Level += level
	if level >= feltLevel {
		l.led.feel(now)
	}
}
