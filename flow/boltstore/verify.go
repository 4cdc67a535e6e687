package boltstore

import (
	"fmt"
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
func Verify(path string) (*Report, error) {
	s := New(path, Options{LockWait: 100 * time.Millisecond})
	db, err := bolt.Open(path, 0o400, &bolt.Options{Timeout: s.opts.LockWait, ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return nil, openError(path, err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	r := &Report{Items: map[string]int{}, Problems: []string{}}
	err = db.View(func(tx *bolt.Tx) error {
		r.Bytes = tx.Size()
		for err := range tx.Check() {
			r.bad("tree: %v", err)
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			r.bad("the file is a database, but not a flow's")
			return nil
		}
		r.Format, r.Epoch = unkey(meta.Get(formatKey)), unkey(meta.Get(epochKey))
		if r.Format != Format {
			r.bad("the file has format %d, this program reads %d", r.Format, Format)
			return nil
		}
		s.verify(tx, r)
		return nil
	})
	return r, err
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
