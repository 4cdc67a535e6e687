package fields

import (
	"sync"
	"sync/atomic"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// loadBytes holds the longest load.
const loadBytes = 192

// A Teller says in a server's answers how full it is, and writes nothing twice. It
// is safe for concurrent use; make one with [NewTeller].
type Teller struct {
	appendLoad func([]byte, pressure.Load) []byte
	last       atomic.Pointer[saying] // nil before the first

	finished, failed atomic.Uint64 // not in meter yet,
	countedAt        atomic.Int64  // the latest of them, a mono.Time

	mu    sync.Mutex
	meter pressure.Meter
}

// A saying is what was told last. It does not change.
type saying struct {
	signal pressure.Signal
	field  [1]string // says signal
	loadAt mono.Time // when the load was told last
}

// NewTeller returns a Teller that has told nothing. It writes loads with the
// function given.
func NewTeller(appendLoad func([]byte, pressure.Load) []byte) *Teller {
	return &Teller{appendLoad: appendLoad}
}

// Count adds one unit of work that has finished. It takes no lock: the counts are
// put together when a load is told.
func (t *Teller) Count(now mono.Time, failed bool) {
	t.countedAt.Store(int64(now))
	t.finished.Add(1)
	if failed {
		t.failed.Add(1)
	}
}

// Load is own with what was counted.
func (t *Teller) Load(now mono.Time, own pressure.Signal) pressure.Load {
	l := pressure.Load{Signal: own}
	t.mu.Lock()
	failed := t.failed.Swap(0) // first: each of them has been counted as finished
	if finished := t.finished.Swap(0); finished > 0 {
		t.meter.Add(mono.Time(t.countedAt.Load()), float64(finished), float64(failed))
	}
	l.RPS, l.EPS = t.meter.Rates(now)
	t.mu.Unlock()
	return l
}

// Tell is what an answer of now says: the server's own pressure merged with path,
// what the work's callees said, and, where it is due, the load, else nil. The load
// stays our own, as balancers choose among servers by it. Answers share the
// values: they must not be changed in place.
func (t *Teller) Tell(now mono.Time, own, path pressure.Signal) (said, load []string) {
	signal := pressure.Merge(own, path)
	last := t.last.Load()
	due := last == nil || now.Sub(last.loadAt).Abs() >= pressure.LoadEvery
	if !due && last.signal == signal {
		return last.field[:], nil
	}
	next := &saying{signal: signal, loadAt: now}
	if !due {
		next.loadAt = last.loadAt
	}
	if last != nil && last.signal == signal {
		next.field = last.field
	} else {
		var buf [64]byte
		next.field[0] = string(pressure.AppendHeader(buf[:0], signal))
	}
	// Where somebody else was faster, that is what was told last.
	if t.last.CompareAndSwap(last, next) && due {
		var buf [loadBytes]byte
		load = value(string(t.appendLoad(buf[:0], t.Load(now, own))))
	}
	return next.field[:], load
}
