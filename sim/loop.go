// Package sim is a discrete-event simulator: a virtual clock, an event queue,
// and plants. It is single-threaded and deterministic, starts no goroutines and
// reads no clock. Whatever decides in it is the production core: [Admission]
// hosts an admission.Core as the live Controller does, with virtual time.
//
// A [Plan] composes a [World] from sources, stages and what lies between them,
// and a [Report] says what happened in it. The plants can be used alone, too: a
// [Loop] and a [Server] make a queue.
package sim

import (
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A Handler is told when an event that it scheduled is due. arg is what it
// passed to [Loop.At]: one handler serves many events without a closure for
// each.
type Handler interface {
	Fire(now mono.Time, arg uint64)
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(now mono.Time, arg uint64)

// Fire calls f.
func (f HandlerFunc) Fire(now mono.Time, arg uint64) { f(now, arg) }

// A Loop fires events in order of instant, and those of one instant in the
// order in which they were scheduled. The zero Loop is ready to use and starts
// at instant zero. It allocates only while its queue grows.
type Loop struct {
	now    mono.Time
	seq    uint64
	heap   []event // 4-ary: half the depth of a binary heap, and four children share a cache line pair
	hole   bool    // heap[0] has fired, and its place is free: mostly the next event takes it
	timers timers
	fired  uint64
}

// An event is moved field by field: as a whole it would be read back in wider
// pieces than it was just written in, for which the processor must wait.
type event struct {
	at      mono.Time
	seq     uint64
	arg     uint64
	handler Handler
}

const arity = 4

func (e *event) before(at mono.Time, seq uint64) bool { return e.at < at || e.at == at && e.seq < seq }

func (e *event) set(at mono.Time, seq, arg uint64, h Handler) {
	e.at = at
	e.seq = seq
	e.arg = arg
	e.handler = h
}

// Now is the virtual instant.
func (l *Loop) Now() mono.Time { return l.now }

// Fired is how many events have fired.
func (l *Loop) Fired() uint64 { return l.fired }

// Pending is how many events are scheduled.
func (l *Loop) Pending() int {
	n := len(l.heap) + len(l.timers.heap)
	if l.hole {
		n--
	}
	return n
}

// At schedules an event that will fire. An instant that has passed means now.
func (l *Loop) At(at mono.Time, h Handler, arg uint64) {
	l.seq++
	l.place(max(at, l.now), l.seq, arg, h)
}

// place puts an event into the free place at the root or below, or if there is
// none, at the end or above.
func (l *Loop) place(at mono.Time, seq, arg uint64, h Handler) {
	if !l.hole {
		l.grow(at, seq, arg, h)
		return
	}
	l.hole = false
	heap := l.heap
	i := 0
	for {
		first := arity*i + 1
		if first >= len(heap) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(heap)); c++ {
			if heap[c].before(heap[least].at, heap[least].seq) {
				least = c
			}
		}
		p := &heap[least]
		if !p.before(at, seq) {
			break
		}
		heap[i].set(p.at, p.seq, p.arg, p.handler)
		i = least
	}
	heap[i].set(at, seq, arg, h)
}

// grow puts an event at the end, or above.
func (l *Loop) grow(at mono.Time, seq, arg uint64, h Handler) {
	i := len(l.heap)
	if i < cap(l.heap) {
		l.heap = l.heap[:i+1]
	} else {
		l.heap = append(l.heap, event{})
	}
	heap := l.heap
	for i > 0 {
		parent := (i - 1) / arity
		p := &heap[parent]
		if p.before(at, seq) {
			break
		}
		heap[i].set(p.at, p.seq, p.arg, p.handler)
		i = parent
	}
	heap[i].set(at, seq, arg, h)
}

// fill closes the free place at the root with the event at the end.
func (l *Loop) fill() {
	n := len(l.heap) - 1
	last := &l.heap[n]
	at, seq, arg, h := last.at, last.seq, last.arg, last.handler
	last.handler = nil
	l.heap = l.heap[:n]
	if n == 0 {
		l.hole = false
		return
	}
	l.place(at, seq, arg, h)
}

// After schedules an event d from now. A negative d means now.
func (l *Loop) After(d time.Duration, h Handler, arg uint64) { l.At(l.now.Add(max(0, d)), h, arg) }

// Set schedules an event that may be cancelled. It costs more than [Loop.At]
// does. An instant that has passed means now.
func (l *Loop) Set(at mono.Time, h Handler, arg uint64) Timer {
	l.seq++
	return l.timers.set(max(at, l.now), l.seq, h, arg)
}

// Cancel takes back an event. It reports false if the event has fired or was
// cancelled; the zero Timer is no event.
func (l *Loop) Cancel(t Timer) bool { return l.timers.cancel(t) }

// Run fires all events at or before end, then sets Now to end.
func (l *Loop) Run(end mono.Time) {
	for l.step(end) {
	}
	l.now = max(l.now, end)
}

// step fires the next event if it is due by end.
func (l *Loop) step(end mono.Time) bool {
	if l.hole {
		l.fill()
	}
	if len(l.timers.heap) > 0 && l.timerFirst() {
		return l.fireTimer(end)
	}
	if len(l.heap) == 0 {
		return false
	}
	e := &l.heap[0]
	at := e.at
	if at > end {
		return false
	}
	l.now = at
	l.fired++
	l.hole = true
	e.handler.Fire(at, e.arg)
	return true
}

// timerFirst reports whether the next event is one that might have been
// cancelled.
func (l *Loop) timerFirst() bool {
	t := &l.timers.heap[0]
	return len(l.heap) == 0 || !l.heap[0].before(t.at, t.seq)
}

func (l *Loop) fireTimer(end mono.Time) bool {
	at := l.timers.heap[0].at
	if at > end {
		return false
	}
	l.now = at
	l.fired++
	h, arg := l.timers.pop()
	h.Fire(at, arg)
	return true
}
