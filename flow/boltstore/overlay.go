package boltstore

import (
	"encoding/json"
	"fmt"

	"github.com/penstock-go/penstock/flow"
)

// A half is one of the journal's halves in memory: the bytes as they are on the
// disk, and where in them the newest state of each item is.
type half struct {
	no     int    // which
	buf    []byte // of the half's size; nil until it is used
	end    int    // of the last note
	first  uint64 // number of the first note, where a restart has found it
	last   uint64 // and of the last
	newest map[uint64]place
}

// A place says where in a half an item's newest record and payload are.
type place struct {
	hop   uint32
	rec   uint32
	pay   uint32
	size  uint32 // of the payload
	has   bool   // the payload is in this half
	ended bool
}

func (h *half) empty() bool { return h.end == 0 }

// reset makes room for new notes.
func (h *half) reset() {
	h.end = 0
	clear(h.newest)
}

// each yields the parts of all notes, in order.
func (h *half) each(t token, yield func(p part) error) error {
	for off := 0; off < h.end; {
		n, ok := readNote(h.buf, off, t)
		if !ok {
			return fmt.Errorf("%w: the journal has no commit at %d of half %d", errCorrupt, off, h.no)
		}
		if err := n.parts(yield); err != nil {
			return err
		}
		off = n.end
	}
	return nil
}

// placeOf is where an item of a part is, given where it was in the same half.
func placeOf(p part, it uint32, ended bool, before place) place {
	at := place{hop: it, rec: uint32(p.at), ended: ended}
	switch {
	case ended:
	case p.kind == partPayload:
		at.pay, at.size, at.has = uint32(p.payAt), uint32(len(p.payload)), true
	default:
		at.pay, at.size, at.has = before.pay, before.size, before.has
	}
	return at
}

// take adds a note to what is newest, as a restart finds it.
func (h *half) take(n note) error {
	h.end, h.last = n.end, n.seq
	return n.parts(func(p part) error {
		if p.kind == partDefinition {
			return nil
		}
		no, l, _, err := decodeLoc(p.rec, n.seq)
		if err != nil {
			return err
		}
		if old, ok := h.newest[no]; !ok || l.hop > old.hop {
			h.newest[no] = placeOf(p, l.hop, l.ended, old)
		}
		return nil
	})
}

// changeOverhead is more than what a change takes in the journal beside its texts
// and its payload.
const changeOverhead = 256

// room bounds what changes take in the journal.
func room(changes []flow.Change) (bytes int, err error) {
	bytes = noteHead + block
	for i := range changes {
		c := &changes[i]
		bytes += changeOverhead + len(c.Payload) + texts(&c.Item)
		if c.Absorbed != nil {
			bytes += changeOverhead + texts(c.Absorbed)
		}
		if c.Op == flow.OpDefine {
			b, err := json.Marshal(c.Definition)
			if err != nil {
				return 0, fmt.Errorf("boltstore: flow %q: %w", c.Definition.Name, err)
			}
			bytes += len(b)
		}
	}
	return bytes, nil
}

func texts(it *flow.Item) int {
	return len(it.Flow) + len(it.ID) + len(it.Stage) + len(it.Key) + len(it.Reason)
}

// A writer puts a commit's changes after the last note of a half.
type writer struct {
	s     *Store
	h     *half
	b     []byte
	fresh map[uint64]place // what will be newest
	rec   []byte
}

// changes encodes what is new of changes, and reports whether anything is.
func (w *writer) changes(cs []flow.Change) (bool, error) {
	clear(w.fresh)
	off := w.h.end
	w.b = append(w.h.buf[:off], make([]byte, noteHead)...)
	w.s.mu.RLock()
	defer w.s.mu.RUnlock()
	for i := range cs {
		c := &cs[i]
		switch c.Op {
		case flow.OpNone:
			continue
		case flow.OpDefine:
			b, err := json.Marshal(c.Definition)
			if err != nil {
				return false, fmt.Errorf("boltstore: flow %q: %w", c.Definition.Name, err)
			}
			w.b = append(w.b, partDefinition)
			w.b = appendString(w.b, string(b))
			continue
		case flow.OpMerge:
			w.put(c.Absorbed, nil, false)
		default:
		}
		w.put(&c.Item, c.Payload, c.HasPayload || c.Op == flow.OpPut)
	}
	return len(w.b) > off+noteHead, nil
}

// put encodes an item's new state, unless it is not new; the caller has the lock.
func (w *writer) put(it *flow.Item, payload []byte, replace bool) {
	before, known := w.fresh[it.No]
	if !known {
		before, known = w.h.newest[it.No]
	}
	if known && it.Hop <= before.hop {
		return
	}
	if !known {
		if hop, ok := w.s.hop(it.No); ok && it.Hop <= hop {
			return
		}
	}
	ended := it.State == flow.Ended
	p := part{kind: partItem}
	if replace && !ended {
		p.kind, p.payload = partPayload, payload
	}
	w.rec = appendRecord(w.rec[:0], it, loc{})
	w.b = append(w.b, p.kind)
	w.b = appendSize(w.b, len(w.rec))
	p.at = len(w.b)
	w.b = append(w.b, w.rec...)
	if p.kind == partPayload {
		w.b = appendSize(w.b, len(payload))
		p.payAt = len(w.b)
		w.b = append(w.b, payload...)
	}
	w.fresh[it.No] = placeOf(p, it.Hop, ended, before)
}
