package boltstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"os"
	"runtime"
	"runtime/debug"
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

// Verify reads the whole file, which no server may have open, and checks the
// tree, every record, every payload, and that no stage holds more than its limit
// without its limit having been lowered. It changes nothing.
func Verify(path string) (r *Report, err error) {
	s := New(path, Options{LockWait: 100 * time.Millisecond})
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
		if r.Format = unkey(meta.Get(formatKey)); r.Format != Format {
			r.bad("the file has format %d, this program reads %d", r.Format, Format)
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
		s.verify(tx, r)
		return nil
	})
	return r, err
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
// believed.
func walk(tx *bolt.Tx) error {
	sum := uint32(0)
	touch := func(k, v []byte) error {
		if len(k) > bolt.MaxKeySize || int64(len(v)) > tx.Size() {
			return fmt.Errorf("a key of %d bytes with a value of %d, in a file of %d", len(k), len(v), tx.Size())
		}
		sum = crc32.Update(crc32.Update(sum, castagnoli, k), castagnoli, v)
		return nil
	}
	err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if err := touch(name, nil); err != nil {
			return err
		}
		return b.ForEach(touch)
	})
	runtime.KeepAlive(sum)
	return err
}

func (s *Store) verify(tx *bolt.Tx, r *Report) {
	defs, err := definitions(tx)
	if err != nil {
		r.bad("%v", err)
		return
	}
	stages := map[[2]string]int{} // what each stage holds
	for _, d := range defs {
		r.Flows = append(r.Flows, d.Name)
		for _, st := range d.Stages {
			stages[[2]string{d.Name, st.Name}] = 0
		}
	}
	s.index, s.sizes, s.ended = map[uint64]loc{}, map[uint64]*usage{}, map[string]*ended{}
	if err := s.scan(tx); err != nil {
		r.bad("%v", err)
		return
	}
	r.Records, r.Payloads = s.usage.records, s.usage.chunkLive
	ids := map[[2]string]uint64{}
	chunks := tx.Bucket(chunkBucket)
	for it, err := range s.items(tx.DB()) {
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
		l := s.index[it.No]
		if _, err := frame(chunks.Get(key(l.chunk)), l, it.No); err != nil {
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
