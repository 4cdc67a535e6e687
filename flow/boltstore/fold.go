package boltstore

import (
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
)

// foldItems and foldBytes of payload are what one transaction folds, one item apart:
// the disk is busy with it while commits wait for theirs.
const (
	foldItems = 1024
	foldBytes = 512 << 10
)

// A folding brings the newest states of a half into the file.
type folding struct {
	s   *Store
	h   *half
	w   *work // the transaction at work, or nil
	all bool  // also what the other half knows better
	n   int   // items in it
	b   int   // bytes of payload in it
}

// fold brings what is sealed into the file, and frees its half. Where there is no
// room for it, all stays as it is, and it can be tried again.
func (s *Store) fold() error {
	s.bolt.Lock()
	defer s.bolt.Unlock()
	return s.foldSealed(false)
}

// foldSealed is fold for who has bolt. An item that has ended in the other half, or
// has a newer payload there, is left out, unless all are wanted: after a crash the
// other half is replayed whole, and in a busy flow that is most items.
func (s *Store) foldSealed(all bool) error {
	s.mu.RLock()
	h, err := s.sealed, s.broken
	s.mu.RUnlock()
	if h == nil || err != nil {
		return err
	}
	f := folding{s: s, h: h, all: all}
	// What has ended comes first: it makes room.
	for _, ends := range []bool{true, false} {
		if err := h.each(s.journal.token, func(p part) error { return f.part(p, ends) }); err != nil {
			return f.fail(err)
		}
	}
	if err := f.begin(); err != nil {
		return f.fail(err)
	}
	if err := putState(f.w.tx.Bucket(metaBucket), state{token: s.journal.token, folded: h.last}); err != nil {
		return f.fail(err)
	}
	if err := f.commit(); err != nil {
		return f.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed, s.short = nil, nil
	h.reset()
	return nil
}

// part puts a change into the file if it is the newest of its item.
func (f *folding) part(p part, ends bool) error {
	if p.kind == partDefinition {
		if !ends {
			return nil
		}
		return f.define(p.rec)
	}
	no, l, _, err := decodeLoc(p.rec, f.h.last)
	if err != nil {
		return err
	}
	at := f.h.newest[no]
	if l.ended != ends || at.rec != uint32(p.at) || !f.all && f.s.overtaken(no) {
		return nil
	}
	if err := f.begin(); err != nil {
		return err
	}
	it, err := decodeItem(p.rec, f.h.last, f.s.common)
	if err != nil {
		return err
	}
	f.s.put(f.w, &it, f.h.buf[at.pay:at.pay+at.size], at.has)
	f.n++
	f.b += int(at.size)
	if f.n < foldItems && f.b < foldBytes {
		return nil
	}
	return f.commit()
}

// overtaken reports whether the active half has all that counts of an item.
func (s *Store) overtaken(no uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.active == s.sealed {
		return false
	}
	p := s.active.newest[no]
	return p.has || p.ended
}

func (f *folding) define(b []byte) error {
	var d flow.Definition
	if err := json.Unmarshal(b, &d); err != nil {
		return fmt.Errorf("%w: a definition in the journal: %w", errCorrupt, err)
	}
	if err := f.begin(); err != nil {
		return err
	}
	f.w.defs = append(f.w.defs, d)
	return f.w.tx.Bucket(flowsBucket).Put([]byte(d.Name), seal(append(make([]byte, sealSize), b...)))
}

// begin begins a transaction, if none is at work.
func (f *folding) begin() error {
	if f.w != nil {
		return nil
	}
	tx, err := f.s.db.Begin(true)
	if err != nil {
		return err
	}
	f.w = &work{tx: tx, moved: map[uint64]loc{}, live: map[uint64]int64{}, usage: f.s.usage}
	f.w.usage.nextLog++
	f.s.log.reset()
	f.s.chunks = f.s.chunks[:0]
	return nil
}

// commit ends the transaction at work.
func (f *folding) commit() error {
	if err := f.s.write(f.w); err != nil {
		return err
	}
	if err := f.w.tx.Commit(); err != nil {
		return err
	}
	f.s.settle(f.w)
	f.w, f.n, f.b = nil, 0, 0
	return f.s.measure()
}

// measure takes down how large the file is, and what of it is free.
func (s *Store) measure() error {
	return s.db.View(func(tx *bolt.Tx) error {
		st := s.db.Stats()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.size = tx.Size()
		s.free = int64(st.FreePageN+st.PendingPageN) * int64(s.db.Info().PageSize)
		return nil
	})
}

// fail says what a failed fold means. Where the disk had no room, the transaction
// was not stored: the file's header was not yet written. Anything else may have
// left the header on the disk or not, and breaks the store.
func (f *folding) fail(err error) error {
	if f.w != nil {
		_ = f.w.tx.Rollback() // an error here says that the commit has rolled back already
	}
	if s := f.s; outOfRoom(err) && s.lastLog() == s.usage.nextLog {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.short = fmt.Errorf("%w: %w", flow.ErrStoreFull, err)
		return s.short
	}
	return f.s.fail(err)
}

// lastLog is the last entry that the file shows.
func (s *Store) lastLog() (last uint64) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		if k, _ := tx.Bucket(logBucket).Cursor().Last(); k != nil {
			last = unkey(k)
		}
		return nil
	})
	return last
}
