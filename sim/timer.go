package sim

import "github.com/penstock-go/penstock/mono"

// A Timer names an event that may be cancelled. The zero Timer names none.
type Timer struct {
	slot int32
	gen  uint32 // from 1
}

// timers is a 4-ary heap of events whose places are known, so that a cancelled
// one leaves at once: most timeouts never fire, and their number would otherwise
// be that of a deadline's worth of requests.
type timers struct {
	heap  []timerEntry
	slots []timerSlot
	free  int32 // first of the free list, plus one; 0 when empty
}

// A timerEntry has no pointers: moving it costs no write barrier.
type timerEntry struct {
	at   mono.Time
	seq  uint64
	slot int32
}

type timerSlot struct {
	handler Handler
	arg     uint64
	gen     uint32
	place   int32 // in the heap; in a free slot, the next one plus one
}

func (a *timerEntry) before(b *timerEntry) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (t *timers) set(at mono.Time, seq uint64, h Handler, arg uint64) Timer {
	i := t.free - 1
	if i >= 0 {
		t.free = t.slots[i].place
	} else {
		i = int32(len(t.slots))
		t.slots = append(t.slots, timerSlot{})
	}
	s := &t.slots[i]
	s.handler, s.arg = h, arg
	s.gen++
	t.heap = append(t.heap, timerEntry{})
	t.up(len(t.heap)-1, timerEntry{at, seq, i})
	return Timer{i, s.gen}
}

func (t *timers) cancel(name Timer) bool {
	if name.gen == 0 || int(name.slot) >= len(t.slots) || t.slots[name.slot].gen != name.gen {
		return false
	}
	t.remove(int(t.slots[name.slot].place))
	t.release(name.slot)
	return true
}

// pop removes the earliest event.
func (t *timers) pop() (Handler, uint64) {
	slot := t.heap[0].slot
	s := &t.slots[slot]
	h, arg := s.handler, s.arg
	t.remove(0)
	t.release(slot)
	return h, arg
}

func (t *timers) release(slot int32) {
	s := &t.slots[slot]
	s.handler = nil
	s.gen++ // the name is void; the next use counts on
	s.place, t.free = t.free, slot+1
}

func (t *timers) remove(i int) {
	n := len(t.heap) - 1
	e := t.heap[n]
	t.heap = t.heap[:n]
	if i == n {
		return
	}
	if i > 0 && e.before(&t.heap[(i-1)/arity]) {
		t.up(i, e)
		return
	}
	t.down(i, e)
}

// up puts e at i or above.
func (t *timers) up(i int, e timerEntry) {
	for i > 0 {
		parent := (i - 1) / arity
		if !e.before(&t.heap[parent]) {
			break
		}
		t.put(i, t.heap[parent])
		i = parent
	}
	t.put(i, e)
}

// down puts e at i or below.
func (t *timers) down(i int, e timerEntry) {
	h := t.heap
	for {
		first := arity*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&e) {
			break
		}
		t.put(i, h[least])
		i = least
	}
	t.put(i, e)
}

func (t *timers) put(i int, e timerEntry) {
	t.heap[i] = e
	t.slots[e.slot].place = int32(i)
}
