package pressure

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// LoadEvery is how often a server's answers carry its load: once in a controller's
// tick. A balancer weighs once in a second or so, and each field costs both sides
// two allocations and more.
const LoadEvery = 10 * time.Millisecond

// An Announcer remembers what a server's answers told last, so that nothing is
// written twice. The zero Announcer has told nothing. It is for one goroutine at a
// time.
type Announcer struct {
	signal Signal
	field  string // says signal
	loadAt mono.Time
	begun  bool // a load was told
}

// Pressure is s as a value of the field Penstock-Pressure. It allocates only where
// s is not what it was asked for last.
func (a *Announcer) Pressure(s Signal) string {
	if a.field == "" || a.signal != s {
		var buf [64]byte
		a.signal, a.field = s, string(AppendHeader(buf[:0], s))
	}
	return a.field
}

// LoadDue reports whether an answer of now is to carry the load; it then counts as
// told.
func (a *Announcer) LoadDue(now mono.Time) bool {
	if a.begun && now.Sub(a.loadAt).Abs() < LoadEvery {
		return false
	}
	a.loadAt, a.begun = now, true
	return true
}
