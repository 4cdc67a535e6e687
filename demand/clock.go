package demand

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// What a stage does with its time.
type state uint8

const (
	busy    state = iota // in the functions of its operators
	blocked              // waits for room downstream
	starved              // waits for its source
	idle                 // waits because it wants to: for a rate, a tick, a retry; or is over
	states
)

// A Monitor watches the streams that run under the context that it made.
//
// Watching reads the clock when a stage begins and ends to wait, and marks one
// item in 64; what never waits costs nothing. The zero Monitor is ready to use.
type Monitor struct {
	mu     sync.Mutex
	clocks []*clock // in the order in which they began; at most maxClocks
}

// maxClocks bounds what a Monitor remembers. The oldest finished stages go
// first.
const maxClocks = 4096

type monitorKey struct{}

// Watch returns a context whose streams the monitor watches.
func (m *Monitor) Watch(ctx context.Context) context.Context {
	return context.WithValue(ctx, monitorKey{}, m)
}

// A clock belongs to one goroutine: the operators between two boundaries. The nil
// clock counts nothing.
type clock struct {
	mu    sync.Mutex
	names []string // sink first
	state state
	since mono.Time
	spent [states]time.Duration
	over  bool
	feeds []func(*StageStats) // of the boundaries in front of the stage; none: its source is its own
}

func newClock(ctx context.Context) *clock {
	m, _ := ctx.Value(monitorKey{}).(*Monitor)
	if m == nil {
		return nil
	}
	c := &clock{since: mono.Now()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.clocks) >= maxClocks {
		if i := slices.IndexFunc(m.clocks, (*clock).isOver); i >= 0 {
			m.clocks = slices.Delete(m.clocks, i, i+1)
		} else {
			return nil
		}
	}
	m.clocks = append(m.clocks, c)
	return c
}

func (c *clock) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// enter begins a state, and returns the one before.
func (c *clock) enter(s state) (before state) {
	if c == nil {
		return busy
	}
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.state
	c.spent[before] += now.Sub(c.since)
	c.state, c.since = s, now
	return before
}

func (c *clock) finish() {
	if c == nil {
		return
	}
	c.enter(idle)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// fedBy adds a boundary in front of the stage.
func (c *clock) fedBy(feed func(*StageStats)) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feeds = append(c.feeds, feed)
}

// operator adds the name of an operator as it starts, the source last.
func (c *clock) operator(name string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, name)
}

// rewind forgets the operators beyond the first n, which will start again, and
// returns how many there are. A negative n forgets none.
func (c *clock) rewind(n int) int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n >= 0 {
		c.names = c.names[:n]
	}
	return len(c.names)
}

// Drops counts what a boundary did not pass on as it was, by policy.
type Drops struct {
	Newest    uint64 // arrived while there was no room, with DropNewest
	Oldest    uint64 // made room for a newer one, with DropOldest and Latest
	Conflated uint64 // merged with a newer one of its key
	Spilled   uint64 // went by way of the spill; not lost
}

// StageStats says what one stage does with its time, and what waits in front of
// it. A stage is what lies between two boundaries.
type StageStats struct {
	Name string // its operators, source first
	// The shares of its time, which sum to 1.
	Busy, Blocked, Starved, Idle float64
	Items                        uint64        // that it took from the boundary in front of it
	Window                       int64         // credits of that boundary
	Outstanding                  int64         // of those, in use: waiting, or in the stage's hands
	QueueDelay                   time.Duration // that one of the latest items waited there
	Drops                        Drops
	Over                         bool // it has ended
}

// A Snapshot is the state of all stages that a [Monitor] watches, sinks first.
type Snapshot struct {
	Stages []StageStats
}

// Snapshot returns the stages as they are now. It may be called at any time.
func (m *Monitor) Snapshot() Snapshot {
	m.mu.Lock()
	clocks := slices.Clone(m.clocks)
	m.mu.Unlock()
	now := mono.Now()
	s := Snapshot{Stages: make([]StageStats, len(clocks))}
	for i, c := range clocks {
		c.stats(now, &s.Stages[i])
	}
	return s
}

func (c *clock) stats(now mono.Time, s *StageStats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spent := c.spent
	spent[c.state] += max(now.Sub(c.since), 0)
	var all time.Duration
	for _, d := range spent {
		all += d
	}
	if all == 0 {
		all, spent[c.state] = 1, 1
	}
	share := func(s state) float64 { return float64(spent[s]) / float64(all) }
	s.Busy, s.Blocked, s.Starved, s.Idle = share(busy), share(blocked), share(starved), share(idle)
	s.Over = c.over
	for _, name := range slices.Backward(c.names) {
		if s.Name != "" {
			s.Name += ">"
		}
		s.Name += name
	}
	for _, feed := range c.feeds {
		feed(s)
	}
}

// A gauge measures how long items wait at a boundary, by marking one at a time.
type gauge struct {
	on     bool
	marked atomic.Bool
	number uint64 // of the marked item
	at     mono.Time
	delay  atomic.Int64 // of the last marked item, in nanoseconds
}

func (g *gauge) last() time.Duration { return time.Duration(g.delay.Load()) }

// in is told of every item that arrives.
func (g *gauge) in(number uint64) {
	if g.on && number&63 == 0 && !g.marked.Load() {
		g.number, g.at = number, mono.Now()
		g.marked.Store(true)
	}
}

// out is told of every item that leaves.
func (g *gauge) out(number uint64) {
	if g.on && g.marked.Load() && number >= g.number {
		g.delay.Store(int64(mono.Now().Sub(g.at)))
		g.marked.Store(false)
	}
}
