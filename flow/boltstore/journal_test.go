package boltstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/storetest"
)

// A pair is a file and its journal, as bytes; nil is no file.
type pair struct{ file, journal []byte }

// taken reads a pair, as a crash leaves it now.
func taken(t *testing.T, path string) (p pair) {
	t.Helper()
	for name, to := range map[string]*[]byte{path: &p.file, path + ".journal": &p.journal} {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		*to = b
	}
	return p
}

// laid writes a pair.
func (p pair) laid(t *testing.T, path string) {
	t.Helper()
	for name, b := range map[string][]byte{path: p.file, path + ".journal": p.journal} {
		err := os.Remove(name)
		if b != nil {
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// alone opens a store that folds only when it must.
func alone(t *testing.T, path string) *boltstore.Store {
	t.Helper()
	s := unopened(path, boltstore.Options{Wall: fixedWall})
	boltstore.SetAlone(s)
	storetest.Read(t, s)
	return s
}

func commit(t *testing.T, s *boltstore.Store, cs ...flow.Change) {
	t.Helper()
	if err := s.Commit(t.Context(), cs); err != nil {
		t.Fatal(err)
	}
}

func closed(t *testing.T, s *boltstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// items are the items that are not ended in a file, opened and closed.
func items(t *testing.T, path string) (nos []uint64) {
	t.Helper()
	s := unopened(path, boltstore.Options{Wall: fixedWall})
	_, got := storetest.Read(t, s)
	closed(t, s)
	for _, it := range got.Items {
		if it.State != flow.Ended {
			nos = append(nos, it.No)
		}
	}
	return nos
}

// TestAtRestThereIsOneFile opens and closes, and looks.
func TestAtRestThereIsOneFile(t *testing.T) {
	path := filepath.Join(fastDir(t), "flow.db")
	for n := range uint64(3) {
		s := alone(t, path)
		if taken(t, path).journal == nil {
			t.Error("an open store has no journal")
		}
		commit(t, s, put(n+1, 10))
		closed(t, s)
		if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 {
			t.Errorf("%v is left, %v", left, err)
		}
	}
	if got := items(t, path); len(got) != 3 {
		t.Error(got)
	}
}

// TestWrongJournals puts files and journals together that do not belong together,
// or lack one: none is ever replayed into the wrong file, and the error says what
// can be done.
func TestWrongJournals(t *testing.T) {
	dir := fastDir(t)
	path, other := filepath.Join(dir, "flow.db"), filepath.Join(dir, "other.db")
	s := alone(t, path)
	early := taken(t, path) // a journal, nothing in it
	commit(t, s, put(1, 10))
	crashed := taken(t, path)
	var copied bytes.Buffer
	if _, err := s.Backup(&copied); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(2) { // fills both halves, and folds the first
		for range 12 {
			commit(t, s, put(100+n, 100_000))
			n += 10
		}
	}
	late := taken(t, path)
	closed(t, s)
	rest := taken(t, path)
	s = alone(t, path) // another life
	commit(t, s, put(2, 10))
	again := taken(t, path)
	closed(t, s)
	s = alone(t, other)
	blank := taken(t, other)
	commit(t, s, put(3, 10))
	foreign := taken(t, other)
	closed(t, s)
	for name, c := range map[string]struct {
		p    pair
		want string // of the error; empty: it opens
	}{
		"crashed":                               {crashed, ""},
		"crashed, nothing committed":            {early, ""},
		"at rest":                               {rest, ""},
		"a copy":                                {pair{copied.Bytes(), nil}, ""},
		"a copy of before, the journal of now":  {pair{copied.Bytes(), late.journal}, "of another time"},
		"a copy, the journal of that time":      {pair{copied.Bytes(), crashed.journal}, ""},
		"the journal is missing":                {pair{crashed.file, nil}, "is missing"},
		"an empty journal, given on purpose":    {pair{crashed.file, []byte{}}, ""},
		"another's journal":                     {pair{crashed.file, foreign.journal}, "is not the journal that this file had last"},
		"another's journal, beside one at rest": {pair{rest.file, foreign.journal}, "is not this file's journal"},
		"another life's journal":                {pair{rest.file, again.journal}, "is not this file's journal"},
		"an earlier life's journal":             {pair{again.file, late.journal}, "is not the journal that this file had last"},
		"another's, with nothing in it":         {pair{rest.file, blank.journal}, ""},
		"no journal at all":                     {pair{rest.file, bytes.Repeat([]byte{'x'}, 5000)}, "damaged"},
		"half of a header":                      {pair{crashed.file, crashed.journal[:100]}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.laid(t, path)
			r, err := boltstore.Verify(path)
			if err != nil {
				t.Fatal(err)
			}
			sound := len(r.Problems) == 0 || strings.Contains(strings.Join(r.Problems, ""), "not defined")
			s := unopened(path, boltstore.Options{Wall: fixedWall})
			_, _, _, err = s.Open(context.Background())
			switch {
			case c.want == "":
				if err != nil || !sound {
					t.Errorf("%v, %v", err, r.Problems)
				}
				closed(t, s)
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("%v, want %q", err, c.want)
			case !strings.Contains(strings.Join(r.Problems, "\n"), c.want):
				t.Errorf("verify says %v, want %q", r.Problems, c.want)
			}
			if err != nil {
				if now := taken(t, path); !bytes.Equal(now.journal, c.p.journal) {
					t.Error("the journal that was refused is not as it was")
				}
			}
		})
	}
}

// TestNoDamageOfAJournalIsOverlooked turns bytes of a journal that a crash left.
// Either it is found, or nothing is lost but the last commit, which is as it would
// be if it had been torn.
func TestNoDamageOfAJournalIsOverlooked(t *testing.T) {
	dir := fastDir(t)
	path, broken := filepath.Join(dir, "flow.db"), filepath.Join(dir, "broken.db")
	s := unopened(path, boltstore.Options{Wall: fixedWall})
	boltstore.SetHalf(s, 64<<10)
	boltstore.SetAlone(s)
	storetest.Read(t, s)
	def := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 100}}}.Normalize()
	commit(t, s, flow.Change{Op: flow.OpDefine, Definition: &def})
	want := storetest.Content{Payloads: map[uint64][]byte{}}
	want.Apply(flow.Change{Op: flow.OpDefine, Definition: &def})
	var before storetest.Content
	for no := range uint64(16) {
		before = want.Clone()
		c := put(no+1, 5000)
		commit(t, s, c)
		want.Apply(c)
	}
	p := taken(t, path)
	used := len(bytes.TrimRight(p.file, "\x00"))
	p.file = p.file[:min(len(p.file), used+16*4096)] // small, as it is written often
	closed(t, s)
	found, harmless, lost := 0, 0, 0
	for off := 0; off < len(p.journal); off += 1 + off%4096/64*60 { // more of a block's head, where notes begin
		p.journal[off] ^= 0x5a
		p.laid(t, broken)
		p.journal[off] ^= 0x5a
		r, err := boltstore.Verify(broken)
		if err != nil {
			t.Fatal(err)
		}
		s := unopened(broken, boltstore.Options{Wall: fixedWall})
		boltstore.SetHalf(s, 64<<10)
		_, _, _, err = s.Open(context.Background())
		if (err != nil) != (len(r.Problems) > 0) {
			t.Fatalf("byte %d: opening says %v, verifying %v", off, err, r.Problems)
		}
		if err != nil {
			found++
			continue
		}
		closed(t, s)
		_, got := storetest.Read(t, s)
		switch {
		case storetest.Diff(got, want) == "":
			harmless++
		case storetest.Diff(got, before) == "":
			lost++
		default:
			t.Errorf("byte %d was turned, and nobody noticed: %s", off, storetest.Diff(got, want))
		}
		closed(t, s)
	}
	t.Logf("%d turned bytes were found, %d changed nothing, %d lost the last commit", found, harmless, lost)
	if found < 50 || lost == 0 || harmless == 0 {
		t.Error("the damage was not of all kinds")
	}
}

// TestFormat2 opens a file of the format before: it is brought up to date.
func TestFormat2(t *testing.T) {
	path := filepath.Join(fastDir(t), "flow.db")
	want := sound(t, path)
	spoil(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("penstock"))
		return errors.Join(b.Delete([]byte("journal")), b.Put([]byte("format"), []byte{7: 2}))
	})
	if r := verified(t, path); r.Format != 2 {
		t.Errorf("%+v", r)
	}
	s := alone(t, path)
	closed(t, s)
	if r := verified(t, path); r.Format != boltstore.Format {
		t.Errorf("%+v", r)
	}
	s = unopened(path, boltstore.Options{Wall: fixedWall})
	if _, got := storetest.Read(t, s); storetest.Diff(got, want) != "" {
		t.Error(storetest.Diff(got, want))
	}
	closed(t, s)
}

// TestBackupBesideCommits copies again and again while commits go on, each of which
// puts an item in and ends one: each copy is sound by itself, has all that was
// committed before it was asked for, and 50 items without a gap.
func TestBackupBesideCommits(t *testing.T) {
	dir := fastDir(t)
	s := unopened(filepath.Join(dir, "flow.db"), boltstore.Options{Wall: fixedWall})
	storetest.Read(t, s)
	def := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 1 << 20}}}.Normalize()
	commit(t, s, flow.Change{Op: flow.OpDefine, Definition: &def})
	var in atomic.Uint64 // committed
	more := make(chan struct{}, 1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for no := uint64(1); ; no++ {
			cs := []flow.Change{put(no, 2000)}
			if no > 50 {
				cs = append(cs, finish(put(no-50, 0)))
			}
			if err := s.Commit(context.Background(), cs); err != nil {
				t.Error(err)
			}
			in.Store(no)
			select {
			case more <- struct{}{}:
			case <-stop:
				return
			}
		}
	})
	path := filepath.Join(dir, "copy.db")
	for range 10 {
		for range 100 {
			<-more
		}
		had := in.Load()
		var b bytes.Buffer
		if _, err := s.Backup(&b); err != nil {
			t.Fatal(err)
		}
		pair{b.Bytes(), nil}.laid(t, path)
		verified(t, path)
		got := items(t, path)
		last := got[len(got)-1]
		if last < had || len(got) != int(min(last, 50)) || got[0] != last-uint64(len(got))+1 {
			t.Errorf("after item %d a copy has %v", had, got)
		}
	}
	close(stop)
	wg.Wait()
	closed(t, s)
}

// TestIdle lets a store lie idle: it folds what it holds.
func TestIdle(t *testing.T) {
	path := filepath.Join(fastDir(t), "flow.db")
	synctest.Test(t, func(t *testing.T) {
		s := unopened(path, boltstore.Options{Wall: fixedWall})
		storetest.Read(t, s)
		commit(t, s, put(1, 10))
		if boltstore.Unfolded(s) == 0 {
			t.Error("the journal is empty at once")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := boltstore.Unfolded(s); n != 0 {
			t.Errorf("%d bytes are not folded", n)
		}
		if p, err := s.Payload(t.Context(), 1); err != nil || len(p) != 10 {
			t.Error(p, err)
		}
		closed(t, s)
	})
}

// TestTooLarge commits more than a half takes: it is refused, and nothing else is.
func TestTooLarge(t *testing.T) {
	s := alone(t, filepath.Join(fastDir(t), "flow.db"))
	err := s.Commit(t.Context(), []flow.Change{put(1, smallHalf)})
	if err == nil || errors.Is(err, flow.ErrStoreBroken) || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
	commit(t, s, put(1, smallHalf/2))
	closed(t, s)
}

// TestAFullDisk fills the disk under a store: what is new is refused while there is
// still room to fold, what is in moves and ends, and when there is room again all
// goes on.
func TestAFullDisk(t *testing.T) {
	path := filepath.Join(fastDir(t), "flow.db")
	s := unopened(path, boltstore.Options{Wall: fixedWall})
	boltstore.SetAlone(s)
	left := int64(1 << 30)
	boltstore.SetAvailable(s, func(string) (int64, error) { return left, nil })
	storetest.Read(t, s)
	commit(t, s, put(1, 1000), put(2, 1000))
	left = 3 << 20
	for range 3 {
		if err := s.Commit(t.Context(), []flow.Change{put(3, 1000)}); !errors.Is(err, flow.ErrStoreFull) || errors.Is(err, flow.ErrStoreBroken) {
			t.Errorf("%v", err)
		}
	}
	moved := put(1, 5000)
	moved.Op, moved.Item.Hop = flow.OpMove, 2
	commit(t, s, moved, finish(put(2, 1000)))
	left = 1 << 30
	commit(t, s, put(3, 1000))
	boltstore.SetAvailable(s, func(string) (int64, error) { return 0, io.ErrUnexpectedEOF })
	if err := s.Commit(t.Context(), []flow.Change{put(4, 1)}); !errors.Is(err, flow.ErrStoreFull) {
		t.Errorf("the disk does not answer: %v", err)
	}
	closed(t, s)
	if got := items(t, path); len(got) != 2 {
		t.Error(got)
	}
}
