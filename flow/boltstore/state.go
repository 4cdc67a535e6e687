package boltstore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// formatBare is the format before there was a journal.
const formatBare = 2

// A state is what a file says of its journal.
type state struct {
	made   bool // false in an empty file
	epoch  uint64
	token  token  // of the journal
	folded uint64 // the last commit that the file has of it
	rest   bool   // the file is whole without the journal
}

// readState reads it; in a file of the format before, there is none, and the file
// is whole.
func readState(meta *bolt.Bucket) (state, error) {
	v := meta.Get(stateKey)
	if v == nil {
		return state{made: true, rest: true}, nil
	}
	b, err := opened(v)
	if err == nil && len(b) != len(token{})+8+1 {
		err = errors.New("has a wrong size")
	}
	if err != nil {
		return state{}, fmt.Errorf("%w: the state of the journal %w", errCorrupt, err)
	}
	st := state{made: true}
	b = b[copy(st.token[:], b):]
	st.folded, st.rest = binary.BigEndian.Uint64(b), b[8] == 1
	return st, nil
}

func putState(meta *bolt.Bucket, st state) error {
	b := make([]byte, sealSize, sealSize+len(st.token)+8+1)
	b = append(b, st.token[:]...)
	b = binary.BigEndian.AppendUint64(b, st.folded)
	if st.rest {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return meta.Put(stateKey, seal(b))
}

// replay finds in a journal what its file lacks: at most two halves, the earlier
// first. It refuses to guess. A journal that has lost what was committed, or may be
// of another file, or of another time of this one, is an error.
func replay(j *journal, path string, st state) ([]*half, error) {
	switch {
	case j == nil && !st.rest:
		return nil, fmt.Errorf("boltstore: the server of this file did not end by itself, and %s with the latest commits is missing: put it back, or an empty file in its place to go on without them", path)
	case j == nil || j.half == 0:
		return nil, nil
	case j.token != st.token && !st.rest:
		return nil, fmt.Errorf("boltstore: %s is not the journal that this file had last: put that one back, or an empty file in its place to go on without it", path)
	}
	var halves []*half
	for i := range 2 {
		b, err := j.read(i)
		if err != nil {
			return nil, fmt.Errorf("boltstore: %s: %w", path, err)
		}
		all := notes(b, j.token)
		if j.token != st.token && len(all) > 0 {
			return nil, fmt.Errorf("boltstore: %s is not this file's journal: move it to its file, or away", path)
		}
		h, err := lacking(i, b, all, st)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: half %d: %w", errCorrupt, path, i, err)
		}
		if h != nil {
			halves = append(halves, h)
		}
	}
	slices.SortFunc(halves, func(a, b *half) int { return cmp.Compare(a.last, b.last) })
	want := st.folded + 1
	for _, h := range halves {
		if h.first != want {
			return nil, fmt.Errorf("%w: %s has commit %d where %d must be: it is damaged, or the file is of another time", errCorrupt, path, h.first, want)
		}
		want = h.last + 1
	}
	return halves, nil
}

// lacking is what of a half the file lacks, or nil. Each commit is durable before
// the next is written. So only the last can be torn: where one is missing, and a
// later one is there, what was committed is lost.
func lacking(no int, b []byte, all []note, st state) (*half, error) {
	h := &half{no: no, buf: b, newest: map[uint64]place{}}
	for _, n := range all {
		switch {
		case n.epoch > st.epoch:
			return nil, fmt.Errorf("commit %d is of epoch %d, and the file of %d: an earlier copy of the file has been put beside it", n.seq, n.epoch, st.epoch)
		case n.epoch < st.epoch || n.seq <= st.folded:
			continue
		case n.off != h.end || h.end > 0 && n.seq != h.last+1:
			return nil, fmt.Errorf("commit %d at %d follows on none: it is damaged, or the file is of another time", n.seq, n.off)
		}
		if h.end == 0 {
			h.first = n.seq
		}
		if err := h.take(n); err != nil {
			return nil, err
		}
	}
	if h.empty() {
		return nil, nil //nolint:nilnil // nothing is no error
	}
	return h, nil
}
