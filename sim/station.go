package sim

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// station is one step of a line.
type station struct {
	cfg     *Station
	line    *line
	index   int
	led     *ledger
	rng     *rand.Rand
	speed   float64
	servers int
	least   int // of a batch
	most    int

	queue   ring
	since   ring   // beside queue: when its items came
	crews   []crew // servers
	free    []uint32
	blocked ring // crews that hold finished items, the longest first
	busy    int
	inside  int
	waits   Timer // for a batch
}

// crew is one server with its batch.
type crew struct {
	items []uint64
	came  []mono.Time
}

func newStation(l *line, i int) *station {
	cfg := &l.cfg.Stations[i]
	name := l.cfg.Name + "/" + cfg.Name
	s := &station{
		cfg: cfg, line: l, index: i, led: l.world.ledger(name, StationPart, false),
		rng: Stream(l.world.plan.Seed, name, "service"), speed: 1, servers: max(1, cfg.Servers),
		least: max(1, cfg.Batch.Least), most: max(1, cfg.Batch.Most),
	}
	s.grow(s.servers)
	return s
}

func (s *station) grow(n int) {
	for i := len(s.crews); i < n; i++ {
		s.crews = append(s.crews, crew{items: make([]uint64, 0, s.most), came: make([]mono.Time, 0, s.most)})
		s.free = append(s.free, uint32(i))
	}
}

// idle is how many servers could begin.
func (s *station) idle() int { return max(0, s.servers-s.busy-s.blocked.n) }

// accepts reports whether the station has room for one more.
func (s *station) accepts() bool {
	if s.cfg.Cards > 0 && s.inside >= s.cfg.Cards {
		return false
	}
	return s.cfg.Buffer < 0 || s.queue.n < s.cfg.Buffer+s.idle()*s.most
}

// enter takes an item.
func (s *station) enter(now mono.Time, item uint64) {
	s.led.enter(now)
	s.led.cur.First++
	s.inside++
	s.queue.push(item)
	s.since.push(uint64(now))
	s.begin(now)
}

// begin starts servers while there are batches for them.
func (s *station) begin(now mono.Time) {
	for s.idle() > 0 && s.queue.n > 0 {
		if s.queue.n < s.least && !s.overdue(now) {
			return
		}
		i := s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		c := &s.crews[i]
		for len(c.items) < s.most && s.queue.n > 0 {
			item, _ := s.queue.pop()
			came, _ := s.since.pop()
			at := mono.Time(came)
			c.items = append(c.items, item)
			c.came = append(c.came, at)
			s.led.cur.Begun++
			s.led.cur.Delay += now.Sub(at)
		}
		s.busy++
		took := time.Duration(float64(s.cfg.Service.Draw(s.rng)) / s.speed)
		s.line.world.loop.At(now.Add(max(1, took)), s, uint64(i))
	}
	s.line.world.loop.Cancel(s.waits)
}

// overdue reports whether a batch that is too small has waited long enough; if
// not, it makes sure to be asked again.
func (s *station) overdue(now mono.Time) bool {
	if s.cfg.Batch.Wait == 0 {
		return false
	}
	at := mono.Time(s.since.peek()).Add(s.cfg.Batch.Wait)
	if at <= now {
		return true
	}
	s.line.world.loop.Cancel(s.waits)
	s.waits = s.line.world.loop.Set(at, s, batchDue)
	return false
}

// batchDue is the event of a batch that has waited long enough.
const batchDue = 1 << 32

// Fire is the end of a service, or a batch that is due.
func (s *station) Fire(now mono.Time, i uint64) {
	if i != batchDue {
		s.busy--
		s.blocked.push(i)
		s.push(now)
	}
	s.begin(now)
	s.pull(now)
	s.line.draw(now)
}

// push hands finished items on while there is room for them, and lets those in
// that waited for the room that this makes.
func (s *station) push(now mono.Time) {
	freed := false
	for s.blocked.n > 0 && s.handOn(now) {
		freed = true
	}
	if !freed {
		return
	}
	s.begin(now)
	s.pull(now)
}

// pull takes what waits in front of the station.
func (s *station) pull(now mono.Time) {
	if s.index > 0 {
		s.line.stations[s.index-1].push(now)
	}
}

// handOn moves one finished item to the next station, or out of the line.
func (s *station) handOn(now mono.Time) bool {
	next := s.index + 1
	if next < len(s.line.stations) && !s.line.stations[next].accepts() {
		return false
	}
	i := s.blocked.peek()
	c := &s.crews[i]
	item, at := c.items[0], c.came[0]
	c.items, c.came = append(c.items[:0], c.items[1:]...), append(c.came[:0], c.came[1:]...)
	if len(c.items) == 0 {
		s.blocked.pop()
		s.free = append(s.free, uint32(i))
	}
	s.inside--
	s.led.leave(now, at, result{}, 0)
	if next < len(s.line.stations) {
		s.line.stations[next].enter(now, item)
	} else {
		s.line.out(now, item)
	}
	return true
}

// setServers changes the number of servers; those at work go on.
func (s *station) setServers(now mono.Time, n int) {
	s.grow(n)
	s.servers = n
	s.begin(now)
	s.pull(now)
	s.line.draw(now)
}

// fullness is how full the station is, 0 to 1: 1 where it accepts nothing.
func (s *station) fullness() float64 {
	busy := float64(s.busy+s.blocked.n) / float64(max(1, s.servers))
	switch {
	case !s.accepts():
		return 1
	case s.queue.n == 0:
		return feltLevel * min(1, busy)
	case s.cfg.Buffer > 0:
		return feltLevel + (1-feltLevel)*min(1, float64(s.queue.n)/float64(s.cfg.Buffer))
	}
	return feltLevel + (1-feltLevel)*float64(s.queue.n)/float64(s.queue.n+s.servers)
}

func (s *station) sample(now mono.Time) {
	s.led.advance(now)
	s.led.cur.Samples++
	level := s.fullness()
	s.led.cur.Level += level
	if level >= feltLevel {
		s.led.feel(now)
	}
}
