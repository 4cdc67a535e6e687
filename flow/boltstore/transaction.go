package boltstore

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
)

const (
	// chunkSize is where a chunk is full: enough payloads in one that the tree of
	// chunks is small, few enough that rewriting its last leaf is cheap.
	chunkSize = 16 << 10
	// logSlack and chunkSlack are how much garbage is left alone.
	logSlack   = 1 << 14
	chunkSlack = 16 << 20
	// cleanings bounds how many log entries and chunks one transaction cleans.
	cleanings = 8
)

// A chunk is one that the transaction at work writes.
type chunk struct {
	key   uint64
	bytes []byte
}

// A work is a transaction on its way: what the index will be once it is durable.
type work struct {
	tx    *bolt.Tx
	moved map[uint64]loc
	order []uint64 // keys of moved, as they came
	ends  []flow.Item
	live  map[uint64]int64 // change of each chunk's live bytes
	defs  []flow.Definition
	usage counts
	gone  []uint64 // items forgotten
}

// write completes a transaction: it cleans, and writes the chunks and the entry.
func (s *Store) write(w *work) error {
	if err := s.cleanLog(w); err != nil {
		return err
	}
	if err := s.cleanChunks(w); err != nil {
		return err
	}
	chunks := w.tx.Bucket(chunkBucket)
	chunks.FillPercent = 1
	for _, c := range s.chunks {
		if w.live[c.key] <= 0 {
			continue // what was put there has ended in the same commit
		}
		if err := chunks.Put(key(c.key), c.bytes); err != nil {
			return err
		}
		w.usage.chunkSize += int64(len(c.bytes))
	}
	if err := s.dropChunks(w); err != nil {
		return err
	}
	if s.log.n == 0 {
		w.usage.nextLog--
		return nil
	}
	log := w.tx.Bucket(logBucket)
	log.FillPercent = 1
	w.usage.records += s.log.n
	return log.Put(key(w.usage.nextLog), seal(s.log.b))
}

// find is the index as it will be.
func (s *Store) find(w *work, no uint64) (loc, bool) {
	if l, ok := w.moved[no]; ok {
		return l, true
	}
	l, ok := s.index[no] // only folds write it, and this is the one at work
	return l, ok
}

// put records an item's new state, unless it is not new.
func (s *Store) put(w *work, it *flow.Item, payload []byte, replace bool) {
	old, known := s.find(w, it.No)
	if known && it.Hop <= old.hop {
		return
	}
	l := old
	l.log, l.hop, l.ended = w.usage.nextLog, it.Hop, it.State == flow.Ended
	if known && !old.ended && (l.ended || replace) {
		w.release(old)
	}
	if l.ended {
		l.chunk, l.off, l.size = 0, 0, 0
	}
	if replace && !l.ended {
		s.place(w, it.No, payload, &l)
	}
	s.rec = appendRecord(s.rec[:0], it, l)
	s.log.add(s.rec)
	w.moved[it.No] = l
	w.order = append(w.order, it.No)
	if l.ended {
		w.ends = append(w.ends, *it)
	}
}

func (w *work) release(l loc) {
	w.live[l.chunk] -= l.framed()
	w.usage.chunkLive -= l.framed()
}

// place puts a payload into the chunk at work.
func (s *Store) place(w *work, no uint64, payload []byte, l *loc) {
	n := len(s.chunks)
	if n == 0 || len(s.chunks[n-1].bytes)+frameHeader+len(payload) > chunkSize {
		w.usage.nextChunk++
		s.chunks = append(s.chunks, chunk{w.usage.nextChunk, make([]byte, 0, max(chunkSize, frameHeader+len(payload)))})
		n++
	}
	c := &s.chunks[n-1]
	l.chunk, l.off, l.size = c.key, uint32(len(c.bytes)), uint32(len(payload))
	c.bytes = appendFrame(c.bytes, no, payload)
	w.live[c.key] += l.framed()
	w.usage.chunkLive += l.framed()
}

// dropChunks deletes chunks in which nothing is current any more.
func (s *Store) dropChunks(w *work) error {
	b := w.tx.Bucket(chunkBucket)
	for k, d := range w.live {
		u := s.sizes[k]
		if u == nil || u.live+d > 0 {
			continue
		}
		if err := b.Delete(key(k)); err != nil {
			return err
		}
		w.usage.chunkSize -= u.size
	}
	return nil
}

// cleanLog takes entries from the log's head, and copies what is current in them.
func (s *Store) cleanLog(w *work) error {
	log := w.tx.Bucket(logBucket)
	now := s.opts.Wall()
	for range cleanings {
		if w.usage.records+s.log.n <= 2*len(s.index)+s.logSlack {
			return nil
		}
		k, v := log.Cursor().First()
		if k == nil {
			return nil
		}
		at := unkey(k)
		err := records(at, v, func(rec []byte) error {
			w.usage.records--
			no, l, due, err := decodeLoc(rec, at)
			if err != nil {
				return err
			}
			cur, ok := s.find(w, no)
			if !ok || cur != l { // one entry may have two records of an item
				return nil
			}
			if l.ended && due <= now {
				w.gone = append(w.gone, no)
				return nil
			}
			cur.log = w.usage.nextLog
			w.moved[no] = cur
			w.order = append(w.order, no)
			s.log.add(rec)
			return nil
		})
		if err != nil {
			return err
		}
		if err := log.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// cleanChunks takes chunks from the head, and copies what is current in them.
func (s *Store) cleanChunks(w *work) error {
	chunks, log := w.tx.Bucket(chunkBucket), w.tx.Bucket(logBucket)
	if w.usage.chunkSize <= 2*w.usage.chunkLive+s.chunkSlack {
		return nil
	}
	c := chunks.Cursor()
	k, v := c.First()
	for n := 0; k != nil && n < cleanings; n++ {
		at := unkey(k)
		err := frames(v, func(no uint64, off uint32, payload []byte) error {
			cur, ok := s.find(w, no)
			if !ok || cur.ended || cur.chunk != at || cur.off != off {
				return nil
			}
			rec, err := s.record(w, log, no, cur)
			if err != nil {
				return err
			}
			it, err := decodeItem(rec, cur.log, names{})
			if err != nil {
				return err
			}
			w.release(cur)
			s.place(w, no, payload, &cur)
			cur.log = w.usage.nextLog
			s.rec = appendRecord(s.rec[:0], &it, cur)
			s.log.add(s.rec)
			w.moved[no] = cur
			w.order = append(w.order, no)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w: chunk %d", err, at)
		}
		w.live[at] += 0 // even where nothing of it was current it is looked at, and dropped
		k, v = c.Next()
	}
	return nil
}

// record finds an item's current record, which may be in the entry at work. The
// last one counts.
func (s *Store) record(w *work, log *bolt.Bucket, no uint64, l loc) (found []byte, err error) {
	look := func(rec []byte) error {
		if n, _, _, _ := decodeHead(rec, l.log); n == no {
			found = rec
		}
		return nil
	}
	if l.log == w.usage.nextLog {
		r := reader{b: s.log.b[sealSize:]}
		for len(r.b) > 0 {
			_ = look(r.bytes(r.uint()))
		}
		found = append([]byte(nil), found...) // the entry may move as it grows
	} else {
		err = records(l.log, log.Get(key(l.log)), look)
	}
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: log entry %d lacks item %d", errCorrupt, l.log, no)
	}
	return found, err
}

// settle makes the index what the file is now.
func (s *Store) settle(w *work) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage = w.usage
	for _, no := range w.order {
		s.index[no] = w.moved[no]
	}
	for _, no := range w.gone {
		delete(s.index, no)
	}
	for _, c := range s.chunks {
		if w.live[c.key] > 0 {
			s.sizes[c.key] = &usage{size: int64(len(c.bytes))}
			s.cache.add(c.key, c.bytes)
		}
	}
	clear(s.chunks) // they are the cache's now
	for k, d := range w.live {
		if u := s.sizes[k]; u != nil {
			if u.live += d; u.live <= 0 {
				delete(s.sizes, k)
				s.cache.drop(k)
			}
		}
	}
	for _, d := range w.defs {
		if e := s.ended[d.Name]; e != nil {
			e.max = d.RememberMax
		} else {
			s.ended[d.Name] = &ended{max: d.RememberMax}
		}
	}
	for _, it := range w.ends {
		s.bound(it.Flow, it.No)
	}
}
