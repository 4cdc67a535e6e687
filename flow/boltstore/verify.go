package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"iter"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
)

// problemsMax bounds how many problems a report lists.
const problemsMax = 100

// A Report says what a file holds, and what is wrong with it.
type Report struct {
	Format   uint64         `json:"format"`
	Epoch    uint64         `json:"epoch"`
	Flows    []string       `json:"flows"`
	Items    map[string]int `json:"items"` // by state
	Records  int            `json:"records"`
	Bytes    int64          `json:"bytes"`
	Payloads int64          `json:"payload_bytes"`
	Problems []string       `json:"problems"` // none: the file is sound
}

func (r *Report) bad(format string, args ...any) {
	if len(r.Problems) < problemsMax {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify reads the whole file, which no server may have open, and the journal that
// a crash has left beside it. It checks the tree, every record, every payload, and
// that no stage holds more than its limit without its limit having been lowered. It
// changes nothing.
func Verify(path string) (r *Report, err error) {
	s := New(path, Options{LockWait: 100 * time.Millisecond})
	s.clear()
	s.active = nil
	r = &Report{Items: map[string]int{}, Problems: []string{}}
	// The library trusts the pages that it reads. Where they lead out of the file,
	// reading them is a fault.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			r.bad("tree: %v", p)
		}
	}()
	db, err := bolt.Open(path, 0o400, &bolt.Options{Timeout: s.opts.LockWait, ReadOnly: true})
	if err != nil {
		return nil, openError(path, err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	if err := headers(path, db.Info().PageSize); err != nil {
		r.bad("%v", err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		r.Bytes = tx.Size()
		// The library's check goes through the tree in a goroutine of its own, where
		// a fault would end the program: it gets a tree that can be walked.
		if err := walk(tx); err != nil {
			r.bad("tree: %v", err)
			return nil
		}
		for err := range tx.Check() {
			r.bad("tree: %v", err)
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			r.bad("the file is a database, but not a flow's")
			return nil
		}
		if r.Format = unkey(meta.Get(formatKey)); r.Format != Format && r.Format != formatBare {
			r.bad("the file has format %d, this program reads %d and %d", r.Format, formatBare, Format)
			return nil
		}
		var err error
		if r.Epoch, err = readEpoch(meta); err != nil {
			r.bad("%v", err)
		}
		for _, name := range [][]byte{flowsBucket, logBucket, chunkBucket} {
			if tx.Bucket(name) == nil {
				r.bad("the file lacks its part %q", name)
				return nil
			}
		}
		if err := s.attach(meta, r.Epoch); err != nil {
			r.bad("%v", err)
		}
		s.verify(tx, r)
		return nil
	})
	return r, err
}

// attach reads the journal, as Open would, without folding it.
func (s *Store) attach(meta *bolt.Bucket, epoch uint64) error {
	st, err := readState(meta)
	if err != nil {
		return err
	}
	st.epoch = epoch
	path := s.path + journalSuffix
	j, err := openJournal(s.files, path, false)
	if err != nil {
		return err
	}
	halves, err := replay(j, path, st)
	if j != nil {
		s.journal = j
		err = errors.Join(err, j.f.Close())
	}
	for _, h := range halves {
		s.sealed, s.active = s.active, h
	}
	return err
}

// headers checks both of the library's headers. It is content with one, so that a
// torn write of the other takes a commit back that was not yet promised; a header
// that is damaged later takes back one that was.
func headers(path string, pageSize int) error {
	const at, sum = 16, 56 // where in a page the header is, and where in it its checksum
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it is only read
	b := make([]byte, sum+8)
	for i := range 2 {
		if _, err := f.ReadAt(b, int64(i*pageSize+at)); err != nil {
			return err
		}
		h := fnv.New64a()
		_, _ = h.Write(b[:sum])
		if binary.NativeEndian.Uint64(b[sum:]) != h.Sum64() {
			return fmt.Errorf("header %d is damaged: the latest commit is lost, which is right only if the power failed during it", i)
		}
	}
	return nil
}

// walk touches every key and value. A size that cannot be is found before it is
// believed, and so are keys out of order: the library's check leaves a goroutine
// behind when it meets them.
func walk(tx *bolt.Tx) error {
	w := walker{most: tx.Size()}
	return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if err := w.touch(name, nil); err != nil {
			return err
		}
		in := walker{most: w.most}
		return b.ForEach(in.touch)
	})
}

// A walker goes through one bucket.
type walker struct {
	most int64 // bytes of a value
	last []byte
	any  bool
	sum  uint32
}

func (w *walker) touch(k, v []byte) error {
	if len(k) > bolt.MaxKeySize || int64(len(v)) > w.most {
		return fmt.Errorf("a key of %d bytes with a value of %d, in a file of %d", len(k), len(v), w.most)
	}
	if w.any && bytes.Compare(w.last, k) >= 0 {
		return fmt.Errorf("key %x follows on %x", k, w.last)
	}
	w.last, w.any = k, true
	w.sum = crc32.Update(crc32.Update(w.sum, castagnoli, k), castagnoli, v)
	return nil
}

func (s *Store) verify(tx *bolt.Tx, r *Report) {
	byName, err := s.definitions(tx)
	if err != nil {
		r.bad("%v", err)
		return
	}
	stages := map[[2]string]int{} // what each stage holds
	defs := slices.SortedFunc(maps.Values(byName), func(a, b flow.Definition) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range defs {
		r.Flows = append(r.Flows, d.Name)
		for _, st := range d.Stages {
			stages[[2]string{d.Name, st.Name}] = 0
		}
	}
	if err := s.scan(tx); err != nil {
		r.bad("%v", err)
		return
	}
	r.Records, r.Payloads = s.usage.records, s.usage.chunkLive
	ids := map[[2]string]uint64{}
	for it, err := range s.latest(tx) {
		if err != nil {
			r.bad("%v", err)
			return
		}
		r.Items[it.State.String()]++
		if it.State == flow.Ended {
			continue
		}
		if other, ok := ids[[2]string{it.Flow, it.ID}]; ok {
			r.bad("flow %s has item %q twice, as %d and %d", it.Flow, it.ID, other, it.No)
		}
		ids[[2]string{it.Flow, it.ID}] = it.No
		at := [2]string{it.Flow, it.Stage}
		if _, ok := stages[at]; !ok {
			r.bad("item %q is in stage %q of flow %q, which are not defined", it.ID, it.Stage, it.Flow)
		}
		stages[at] += int(it.Charge)
		if err := s.payloadThere(tx, it.No); err != nil {
			r.bad("item %q: %v", it.ID, err)
		}
	}
	for _, d := range defs {
		for _, st := range d.Stages {
			if n := stages[[2]string{d.Name, st.Name}]; n > st.WIP {
				r.bad("stage %s of flow %s holds %d, and its limit is %d: that is right only if it was lowered lately", st.Name, d.Name, n, st.WIP)
			}
		}
	}
}

// definitions are those of the file and the journal, the newest of each name.
func (s *Store) definitions(tx *bolt.Tx) (map[string]flow.Definition, error) {
	defs, err := definitions(tx)
	byName := map[string]flow.Definition{}
	for _, d := range defs {
		byName[d.Name] = d
	}
	for h := range s.unfolded() {
		err = errors.Join(err, h.each(s.journal.token, func(p part) error {
			if p.kind != partDefinition {
				return nil
			}
			var d flow.Definition
			if err := json.Unmarshal(p.rec, &d); err != nil {
				return fmt.Errorf("%w: a definition in the journal: %w", errCorrupt, err)
			}
			byName[d.Name] = d
			return nil
		}))
	}
	return byName, err
}

// unfolded yields the halves that the journal holds, the earlier first.
func (s *Store) unfolded() iter.Seq[*half] {
	return func(yield func(*half) bool) {
		for _, h := range [...]*half{s.sealed, s.active} {
			if h != nil && !yield(h) {
				return
			}
		}
	}
}

// latest yields the items as they are after the journal.
func (s *Store) latest(tx *bolt.Tx) iter.Seq2[flow.Item, error] {
	return func(yield func(flow.Item, error) bool) {
		for it, err := range s.items(tx.DB()) {
			if err == nil {
				if hop, ok := s.hop(it.No); ok && hop > it.Hop {
					continue // the journal knows better
				}
			}
			if !yield(it, err) {
				return
			}
		}
		stop := errors.New("stop")
		for h := range s.unfolded() {
			err := h.each(s.journal.token, func(p part) error {
				if p.kind == partDefinition {
					return nil
				}
				it, err := decodeItem(p.rec, h.last, names{})
				if err != nil {
					return err
				}
				if l, ok := s.index[it.No]; ok && l.hop >= it.Hop {
					return nil // folded already
				}
				if hop, _ := s.hop(it.No); hop == it.Hop && !yield(it, nil) {
					return stop
				}
				return nil
			})
			if errors.Is(err, stop) {
				return
			}
			if err != nil && !yield(flow.Item{}, err) {
				return
			}
		}
	}
}

// payloadThere checks an item's payload.
func (s *Store) payloadThere(tx *bolt.Tx, no uint64) error {
	if _, has, _ := s.held(no); has {
		return nil // the journal's checksums cover it
	}
	l, ok := s.index[no]
	if !ok {
		return fmt.Errorf("%w: the payload of item %d is missing", errCorrupt, no)
	}
	_, err := frame(tx.Bucket(chunkBucket).Get(key(l.chunk)), l, no)
	return err
}
