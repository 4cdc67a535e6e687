package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
)

// hop is an item's latest hop that is committed; the caller has mu.
func (s *Store) hop(no uint64) (uint32, bool) {
	for _, h := range [...]*half{s.active, s.sealed} {
		if h != nil {
			if p, ok := h.newest[no]; ok {
				return p.hop, true
			}
		}
	}
	l, ok := s.index[no]
	return l.hop, ok
}

// held is an item's payload if the journal has it, or that it has ended there; the
// caller has mu.
func (s *Store) held(no uint64) (payload []byte, has, ended bool) {
	for _, h := range [...]*half{s.active, s.sealed} {
		if h == nil {
			continue
		}
		if p, ok := h.newest[no]; ok && (p.has || p.ended) {
			return h.buf[p.pay : p.pay+p.size], p.has, p.ended
		}
	}
	return nil, false, false
}

// Payload implements [flow.Store].
func (s *Store) Payload(_ context.Context, no uint64) (payload []byte, err error) {
	for range 10 { // the cleaner may move it while we look
		s.mu.RLock()
		p, has, ended := s.held(no)
		l, ok := s.index[no]
		chunk := s.cache.chunks[l.chunk]
		if has {
			payload = append(make([]byte, 0, len(p)), p...) // the half is used again
		}
		db := s.db
		s.mu.RUnlock()
		switch {
		case has:
			return payload, nil
		case ended || !ok || l.ended || db == nil:
			return nil, fmt.Errorf("%w: number %d", flow.ErrUnknownItem, no)
		case chunk != nil:
			p, err := frame(chunk, l, no)
			return append(make([]byte, 0, len(p)), p...), err
		}
		err = db.View(func(tx *bolt.Tx) error {
			p, err := frame(tx.Bucket(chunkBucket).Get(key(l.chunk)), l, no)
			payload = append(make([]byte, 0, len(p)), p...)
			return err
		})
		if err == nil {
			return payload, nil
		}
	}
	return nil, err
}

// Backup writes a copy of the file, with all that was committed before. Commits go
// on meanwhile.
func (s *Store) Backup(w io.Writer) (n int64, err error) {
	tx, err := s.snapshot()
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	return tx.WriteTo(w)
}

// snapshot is the file with all that was committed, and says so of itself.
func (s *Store) snapshot() (*bolt.Tx, error) {
	s.commit.Lock()
	err := s.usable()
	if err == nil {
		err = s.seal()
	}
	s.bolt.Lock() // before anything can be committed that overtakes what is sealed
	s.commit.Unlock()
	defer s.bolt.Unlock()
	if err != nil {
		return nil, err
	}
	if err := s.foldSealed(true); err != nil {
		return nil, err
	}
	if err := s.mark(true); err != nil {
		return nil, err
	}
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, err
	}
	if err := s.mark(false); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}
