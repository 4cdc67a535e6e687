package boltstore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/penstock-go/penstock/flow"
)

// Open implements [flow.Store]. What a journal of a crash holds is folded first.
func (s *Store) Open(context.Context) (uint64, []flow.Definition, iter.Seq2[flow.Item, error], error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	if s.db != nil {
		return 0, nil, nil, errors.New("boltstore: the store is open already")
	}
	if err := s.create(); err != nil {
		return 0, nil, nil, openError(s.path, err)
	}
	db, err := bolt.Open(s.path, 0o600, s.boltOptions(false))
	if err != nil {
		return 0, nil, nil, openError(s.path, err)
	}
	defs, err := s.begin(db)
	if err != nil {
		if s.journal != nil {
			err = errors.Join(err, s.journal.f.Close())
		}
		s.db, s.journal = nil, nil
		return 0, nil, nil, errors.Join(err, db.Close())
	}
	s.stop, s.folded = make(chan struct{}), make(chan struct{})
	go s.foldLoop(s.stop)
	return s.epoch, defs, s.items(db), nil
}

func openError(path string, err error) error {
	if errors.Is(err, bolterrors.ErrTimeout) {
		return fmt.Errorf("boltstore: %s is in use by another process", path)
	}
	return fmt.Errorf("boltstore: %s: %w", path, err)
}

// begin builds the index, folds what a crash has left in the journal, and raises
// the epoch.
func (s *Store) begin(db *bolt.DB) (defs []flow.Definition, err error) {
	s.bolt.Lock()
	s.clear()
	var st state
	err = db.View(func(tx *bolt.Tx) error {
		if st, err = s.load(tx); err != nil || !st.made {
			return err
		}
		return s.scan(tx)
	})
	s.bolt.Unlock()
	if err != nil {
		return nil, err
	}
	s.db, s.broken, s.short, s.closing = db, nil, nil, false
	if err := s.recover(st); err != nil {
		return nil, err
	}
	s.epoch = st.epoch + 1
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{flowsBucket, logBucket, chunkBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		err := errors.Join(meta.Put(formatKey, key(Format)), putEpoch(meta, s.epoch), putState(meta, state{token: s.journal.token, folded: s.seq}))
		if err != nil {
			return err
		}
		defs, err = definitions(tx)
		return err
	})
	for _, d := range defs {
		s.ended[d.Name] = &ended{max: d.RememberMax}
	}
	return defs, errors.Join(err, s.measure())
}

// clear forgets what was read of the file.
func (s *Store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index, s.sizes, s.ended, s.usage = map[uint64]loc{}, map[uint64]*usage{}, map[string]*ended{}, counts{}
	s.cache = cache{max: s.opts.CacheBytes}
	s.common = names{}
	s.writer.fresh = map[uint64]place{}
	for i := range s.halves {
		s.halves[i] = &half{no: i, newest: map[uint64]place{}}
	}
	s.active, s.sealed = s.halves[0], nil
}

// load checks the format, and reads the definitions' bounds and the state.
func (s *Store) load(tx *bolt.Tx) (state, error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return state{}, errors.New("boltstore: the file is a database, but not a flow's")
		}
		return state{rest: true}, nil
	}
	if v := unkey(meta.Get(formatKey)); v != Format && v != formatBare {
		return state{}, fmt.Errorf("boltstore: the file has format %d, this program reads %d and %d", v, formatBare, Format)
	}
	st, err := readState(meta)
	if err != nil {
		return state{}, err
	}
	if st.epoch, err = readEpoch(meta); err != nil {
		return state{}, err
	}
	defs, err := definitions(tx)
	for _, d := range defs {
		s.ended[d.Name] = &ended{max: d.RememberMax}
	}
	return st, err
}

// recover finds the file's journal and folds what it holds, or makes one.
func (s *Store) recover(st state) error {
	path := s.path + journalSuffix
	j, err := openJournal(s.files, path, true)
	if err != nil {
		return err
	}
	halves, err := replay(j, path, st)
	if err != nil {
		if j != nil {
			err = errors.Join(err, j.f.Close())
		}
		return err
	}
	if j != nil && j.half == 0 {
		if err := errors.Join(j.f.Close(), s.files.Remove(path)); err != nil {
			return err
		}
		j = nil
	}
	if j == nil {
		if j, err = makeJournal(s.files, path, s.half); err != nil {
			return fmt.Errorf("boltstore: %s: %w", path, err)
		}
	}
	s.journal, s.seq = j, st.folded
	for _, h := range halves {
		s.sealed = h
		if err := s.fold(); err != nil {
			return fmt.Errorf("boltstore: what %s holds cannot be brought into its file: %w", path, err)
		}
		s.seq = h.last
	}
	j.f.Direct()
	return nil
}

// Close implements [flow.Store]. It brings all that was committed into the file,
// and removes the journal. If there is no room for that, both stay, and nothing
// is lost.
func (s *Store) Close() error {
	s.commit.Lock()
	s.mu.Lock()
	was := s.db == nil || s.closing
	s.closing = true // nothing is committed any more
	s.mu.Unlock()
	s.commit.Unlock()
	if was {
		return nil
	}
	close(s.stop)
	<-s.folded // it takes commit
	s.commit.Lock()
	defer s.commit.Unlock()
	err := s.rest()
	if errors.Is(err, flow.ErrStoreBroken) {
		err = nil // it was said so already; the next Open finds out
	}
	s.bolt.Lock()
	defer s.bolt.Unlock()
	s.mu.Lock()
	db := s.db
	s.db = nil
	s.mu.Unlock()
	return errors.Join(err, s.journal.f.Close(), db.Close())
}

// rest makes the file all there is.
func (s *Store) rest() error {
	if err := s.flush(); err != nil {
		return err
	}
	s.bolt.Lock()
	defer s.bolt.Unlock()
	if err := s.mark(true); err != nil {
		return err
	}
	path := s.path + journalSuffix
	return errors.Join(s.files.Remove(path), s.files.SyncDir(path))
}

// mark notes whether the file is whole without its journal. The caller has bolt.
func (s *Store) mark(rest bool) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		st, err := readState(meta)
		if err != nil {
			return err
		}
		st.rest = rest
		return putState(meta, st)
	})
	if err != nil && !outOfRoom(err) {
		err = s.fail(err)
	}
	return err
}
