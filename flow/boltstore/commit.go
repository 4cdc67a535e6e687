package boltstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/penstock-go/penstock/flow"
)

const (
	// idleFold is how long nothing is committed until what the journal holds is
	// brought into the file all the same. A fold that had no room is tried again
	// as often.
	idleFold = time.Second
	// foldReserve is the room, on the disk and below MaxBytes, beyond what the
	// journal holds, that is kept for bringing that into the file: for the pages of
	// the tree, and for what the cleaner copies. Nothing new is taken in below it.
	foldReserve = 4 << 20
	// foldShare of a half is filled until the other one is folded: by then much of
	// it is overtaken.
	foldShare = 2
)

// Commit implements [flow.Store]. Changes must fit in half of the journal, 32 MiB.
func (s *Store) Commit(_ context.Context, changes []flow.Change) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	size, err := room(changes)
	if err != nil {
		return err
	}
	if int64(size) > s.journal.half {
		return fmt.Errorf("boltstore: a commit takes %d bytes, where at most %d are allowed", size, s.journal.half)
	}
	if err := s.admit(changes); err != nil {
		return err
	}
	if int64(s.active.end+size) > s.journal.half {
		if err := s.seal(); err != nil {
			return err
		}
	}
	return s.note(changes)
}

var errClosed = errors.New("boltstore: the store is closed")

// usable says why nothing can be committed, or nil.
func (s *Store) usable() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil || s.closing {
		return errClosed
	}
	return s.broken
}

// note writes a commit to the active half, which has room for it, and syncs it.
func (s *Store) note(changes []flow.Change) error {
	h := s.active
	if h.buf == nil {
		h.buf = onBlock(s.journal.half)
	}
	w := &s.writer
	w.s, w.h = s, h
	if fresh, err := w.changes(changes); err != nil || !fresh {
		return err
	}
	b := endNote(w.b, h.end, s.epoch, s.seq+1, s.journal.token)
	_, err := s.journal.f.WriteAt(b[h.end:], s.journal.offset(h.no)+int64(h.end))
	if err == nil && !s.noSync {
		err = s.journal.f.Sync()
	}
	if err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	h.end, h.last = len(b), s.seq
	maps.Copy(h.newest, w.fresh)
	if s.sealed != nil && int64(h.end) > s.journal.half/foldShare {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	return nil
}

// fail breaks the store: what the disk holds is known only by opening it anew.
// After a failed sync even a second one proves nothing.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: %w", flow.ErrStoreBroken, err)
	}
	return s.broken
}

// seal makes the other half the active one. The caller has commit.
func (s *Store) seal() error {
	if s.active.empty() {
		return nil
	}
	if err := s.fold(); err != nil { // waits where folding falls behind
		return err
	}
	s.mu.Lock()
	s.active, s.sealed = s.halves[1-s.active.no], s.active
	s.mu.Unlock()
	return nil
}

// flush brings all that was committed into the file. The caller has commit.
func (s *Store) flush() error {
	if err := s.seal(); err != nil {
		return err
	}
	return s.fold()
}

// admit refuses what is new while there might be no room to fold it, and what
// would make the file larger than it may be. What is in may move and end.
func (s *Store) admit(changes []flow.Change) error {
	fresh, bytes := false, int64(0)
	for i := range changes {
		fresh = fresh || changes[i].Op == flow.OpPut
		bytes += int64(len(changes[i].Payload))
	}
	if !fresh && (bytes == 0 || s.opts.MaxBytes <= 0) {
		return nil
	}
	if s.fits(bytes, fresh) == nil {
		return nil
	}
	if err := s.flush(); err != nil && !errors.Is(err, flow.ErrStoreFull) {
		return err
	}
	return s.fits(bytes, fresh) // what has ended has made room
}

// fits reports whether there is room for payloads of so many bytes.
func (s *Store) fits(bytes int64, fresh bool) error {
	s.mu.RLock()
	short, free, size := s.short, s.free, s.size
	held := int64(s.active.end)
	if s.sealed != nil {
		held += int64(s.sealed.end)
	}
	s.mu.RUnlock()
	need := bytes + held - free
	if fresh {
		need += foldReserve
	}
	if limit := s.opts.MaxBytes; limit > 0 && size+need > limit {
		return fmt.Errorf("%w: the file may have %d bytes", flow.ErrStoreFull, limit)
	}
	if !fresh {
		return nil
	}
	if short != nil {
		return short
	}
	disk, err := s.avail(s.path)
	if err != nil {
		return fmt.Errorf("%w: %w", flow.ErrStoreFull, err)
	}
	if need > disk {
		return fmt.Errorf("%w: the disk has %d bytes left", flow.ErrStoreFull, disk)
	}
	return nil
}

func (s *Store) lacksRoom() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.short != nil
}

// foldLoop folds what is sealed, and seals what lies idle.
func (s *Store) foldLoop(stop <-chan struct{}) {
	defer close(s.folded)
	timer := time.NewTimer(s.idle)
	defer timer.Stop()
	seen := uint64(0)
	for {
		idle := false
		select {
		case <-stop:
			return
		case <-s.kick:
		case <-timer.C:
			timer.Reset(s.idle)
			s.commit.Lock()
			idle = s.seq == seen
			if seen = s.seq; idle && s.usable() == nil {
				_ = s.seal() // an error is told to those who commit
			}
			s.commit.Unlock()
			if !idle && !s.lacksRoom() {
				continue
			}
		}
		_ = s.fold()
		if idle {
			s.release()
		}
	}
}

// release gives the memory of halves back that hold nothing.
func (s *Store) release() {
	s.commit.Lock()
	defer s.commit.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.halves {
		if h.empty() && h != s.sealed {
			h.buf = nil
		}
	}
}
