package pressure

import "strings"

// MaxKeyBytes bounds a callee's and a route's name in a [Book]. Longer ones are
// cut: they share an entry.
const MaxKeyBytes = 200

// A Book keeps one T for each callee and route, for at most a given number of
// them: beyond it, the one that was asked for least recently is forgotten. Make
// one with [NewBook]. It is for one goroutine at a time.
type Book[T any] struct {
	most    int
	entries map[place]*entry[T]
	recent  entry[T] // a ring: recent.next was asked for last, recent.prev least recently
}

type place struct{ callee, route string }

// clone keeps the names alone, and not the request line that they were cut from.
func (p place) clone() place { return place{strings.Clone(p.callee), strings.Clone(p.route)} }

type entry[T any] struct {
	place
	value      *T
	prev, next *entry[T]
}

// NewBook returns an empty book of at most so many entries. It panics if most
// is below 1.
func NewBook[T any](most int) *Book[T] {
	if most < 1 {
		panic("pressure: a book has room for one entry at least")
	}
	b := &Book[T]{most: most, entries: make(map[place]*entry[T])}
	b.recent.prev, b.recent.next = &b.recent, &b.recent
	return b
}

// Of returns what is kept for a callee and a route. What is not there yet is
// made by create. Holders of what has been forgotten may go on using it; nobody
// else will find it.
func (b *Book[T]) Of(callee, route string, create func() *T) *T {
	at := place{callee[:min(len(callee), MaxKeyBytes)], route[:min(len(route), MaxKeyBytes)]}
	if e := b.recent.next; e != &b.recent && e.place == at {
		return e.value
	}
	e, ok := b.entries[at]
	switch {
	case ok:
		e.prev.next, e.next.prev = e.next, e.prev
	case len(b.entries) < b.most:
		e = &entry[T]{place: at.clone(), value: create()}
		b.entries[e.place] = e
	default:
		e = b.recent.prev
		e.prev.next, e.next.prev = e.next, e.prev
		delete(b.entries, e.place)
		*e = entry[T]{place: at.clone(), value: create()}
		b.entries[e.place] = e
	}
	e.prev, e.next = &b.recent, b.recent.next
	e.prev.next, e.next.prev = e, e
	return e.value
}

// Len is the number of entries.
func (b *Book[T]) Len() int { return len(b.entries) }

// Each visits all entries, the one asked for last first, until visit reports
// false. It must not change the book.
func (b *Book[T]) Each(visit func(callee, route string, v *T) bool) {
	for e := b.recent.next; e != &b.recent; e = e.next {
		if !visit(e.callee, e.route, e.value) {
			return
		}
	}
}
