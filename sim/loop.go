// Package sim is a discrete-event simulator: a virtual clock, an event queue,
// and plants. It is single-threaded and deterministic, starts no goroutines and
// reads no clock. Whatever decides in it is the production core: [Admission]
// hosts an admission.Core as the live Controller does, with virtual time.
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
	now   mono.Time
	seq   uint64
	heap  []event // 4-ary: half the depth of a binary heap, and four children share a cache line pair
	fired uint64
}

type event struct {
	at      mono.Time
	seq     uint64
	arg     uint64
	handler Handler
}

const arity = 4

func (a *event) before(b *event) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// Now is the virtual instant.
func (l *Loop) Now() mono.Time { return l.now }

// Fired is how many events have fired.
func (l *Loop) Fired() uint64 { return l.fired }

// At schedules an event. An instant that has passed means now.
func (l *Loop) At(at mono.Time, h Handler, arg uint64) {
	l.seq++
	e := event{max(at, l.now), l.seq, arg, h}
	l.heap = append(l.heap, e)
	h4 := l.heap
	i := len(h4) - 1
	for i > 0 {
		parent := (i - 1) / arity
		if !e.before(&h4[parent]) {
			break
		}
		h4[i] = h4[parent]
		i = parent
	}
	h4[i] = e
}

// After schedules an event d from now. A negative d means now.
func (l *Loop) After(d time.Duration, h Handler, arg uint64) { l.At(l.now.Add(max(0, d)), h, arg) }

// Run fires all events at or before end, then sets Now to end.
func (l *Loop) Run(end mono.Time) {
	for len(l.heap) > 0 && l.heap[0].at <= end {
		e := l.pop()
		l.now = e.at
		l.fired++
		e.handler.Fire(e.at, e.arg)
	}
	l.now = max(l.now, end)
}

func (l *Loop) pop() event {
	h := l.heap
	top, n := h[0], len(h)-1
	e := h[n]
	h[n] = event{}
	h = h[:n]
	l.heap = h
	if n == 0 {
		return top
	}
	i := 0
	for {
		first := arity*i + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, n); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
	return top
}
