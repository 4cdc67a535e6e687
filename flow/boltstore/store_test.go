package boltstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/storetest"
)

func fixedWall() flow.Wall { return 1e18 }

// smallHalf is the half of a small journal, quick to make and often full.
const smallHalf = 512 << 10

// unopened is a store with a small journal.
func unopened(path string, opts boltstore.Options) *boltstore.Store {
	s := boltstore.New(path, opts)
	boltstore.SetHalf(s, smallHalf)
	return s
}

func place(t *testing.T) storetest.Place {
	path := filepath.Join(t.TempDir(), "flow.db")
	return func() flow.Store { return unopened(path, boltstore.Options{Wall: fixedWall}) }
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		path := filepath.Join(fastDir(t), "flow.db")
		return func() flow.Store { return unopened(path, boltstore.Options{Wall: fixedWall}) }
	})
}

// fastDir is a folder in memory where there is one: what a test says of many
// files must not wait for a disk.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "penstock") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func put(no uint64, size int) flow.Change {
	return flow.Change{Op: flow.OpPut, Payload: make([]byte, size), HasPayload: true, Item: flow.Item{
		No: no, Hop: 1, Flow: "f", ID: strconv.FormatUint(no, 10), Stage: "a", Cost: 1, Charge: 1, Size: int32(size),
	}}
}

func next(c flow.Change) flow.Change {
	c.Item.Hop++
	c.Op, c.HasPayload = flow.OpMove, false
	return c
}

func finish(c flow.Change) flow.Change {
	c.Item.Hop++
	c.Op, c.Item.State, c.Item.Due = flow.OpFinish, flow.Ended, 1e18+1
	return c
}

// TestTheFileStaysSmall sends far more through a store than its file may hold,
// past items that stay, and opens what is left.
func TestTheFileStaysSmall(t *testing.T) {
	path := filepath.Join(fastDir(t), "flow.db")
	s := unopened(path, boltstore.Options{Wall: fixedWall})
	storetest.Read(t, s)
	def := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 1000}}, RememberMax: 100}.Normalize()
	want := storetest.Content{Payloads: map[uint64][]byte{}}
	commit := func(cs ...flow.Change) {
		t.Helper()
		if err := s.Commit(t.Context(), cs); err != nil {
			t.Fatal(err)
		}
	}
	commit(flow.Change{Op: flow.OpDefine, Definition: &def})
	no := uint64(0)
	stay := map[uint64]flow.Change{}
	for range 600 {
		var in, move, out []flow.Change
		for i := range 100 {
			no++
			c := put(no, 2000)
			in = append(in, c)
			if i == 0 && no < 40_000 {
				stay[no] = c
				continue
			}
			move = append(move, next(c))
			out = append(out, finish(next(c)))
		}
		commit(in...)
		commit(move...)
		commit(out...)
	}
	for _, c := range stay {
		want.Apply(c)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 64<<20 {
		t.Errorf("120 MB have passed, 0.8 MB have stayed, and the file has %d MB", info.Size()>>20)
	}
	s = unopened(path, boltstore.Options{Wall: fixedWall})
	_, got := storetest.Read(t, s)
	ended := 0
	kept := got.Items[:0]
	for _, it := range got.Items {
		if it.State == flow.Ended {
			ended++
		} else {
			kept = append(kept, it)
		}
	}
	got.Items, got.Defs = kept, nil
	if diff := storetest.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verified(t, path)
}

func verified(t *testing.T, path string) *boltstore.Report {
	t.Helper()
	r, err := boltstore.Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) > 0 {
		t.Fatalf("%s", strings.Join(r.Problems, "\n"))
	}
	return r
}

// TestAFullFile fills a bounded file: what was not stored is said so, what is
// ended makes room, and nothing is lost.
func TestAFullFile(t *testing.T) {
	path := filepath.Join(fastDir(t), "flow.db")
	s := unopened(path, boltstore.Options{Wall: fixedWall, MaxBytes: 32 << 20})
	storetest.Read(t, s)
	var in []flow.Change
	var err error
	for no := uint64(1); ; no++ {
		c := put(no, 100_000)
		if err = s.Commit(t.Context(), []flow.Change{c}); err != nil {
			break
		}
		in = append(in, c)
	}
	if !errors.Is(err, flow.ErrStoreFull) || errors.Is(err, flow.ErrStoreBroken) || len(in) < 100 {
		t.Fatalf("after %d: %v", len(in), err)
	}
	for _, c := range in[:50] {
		if err := s.Commit(t.Context(), []flow.Change{finish(c)}); err != nil {
			t.Fatalf("nothing can end in a full store: %v", err)
		}
	}
	if err := s.Commit(t.Context(), []flow.Change{put(1000, 100_000)}); err != nil {
		t.Fatalf("there is room again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = unopened(path, boltstore.Options{Wall: fixedWall})
	_, got := storetest.Read(t, s)
	if n := len(got.Payloads); n != len(in)-50+1 {
		t.Errorf("%d items, want %d", n, len(in)-50+1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBackup(t *testing.T) {
	open := place(t)
	s := open().(*boltstore.Store)
	storetest.Read(t, s)
	if err := s.Commit(t.Context(), []flow.Change{put(1, 10)}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(f); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	c := unopened(path, boltstore.Options{Wall: fixedWall})
	if _, got := storetest.Read(t, c); len(got.Items) != 1 {
		t.Errorf("%+v", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := bolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("x"))
		return err
	}), db.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{other: "not a flow's", text: "invalid database", filepath.Join(dir, "no", "dir"): "no such file"} {
		s := unopened(path, boltstore.Options{})
		if _, _, _, err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	open := place(t)
	s := open()
	storetest.Read(t, s)
	if _, _, _, err := open().Open(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHistoriesPastTheCleaner is the conformance suite's history with commits so
// large that the log and the chunks are cleaned meanwhile.
func TestHistoriesPastTheCleaner(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := fastDir(t)
		s := unopened(filepath.Join(dir, "flow.db"), boltstore.Options{Wall: fixedWall})
		boltstore.SetSlack(s, 4, 4096)
		want := storetest.Content{Payloads: map[uint64][]byte{}}
		storetest.Read(rt, s)
		d := storetest.Draw{T: rt}
		for range 40 {
			cs := d.Changes(&want)
			if err := s.Commit(t.Context(), cs); err != nil {
				rt.Fatal(err)
			}
			for _, c := range cs {
				want.Apply(c)
			}
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		s = unopened(filepath.Join(dir, "flow.db"), boltstore.Options{Wall: fixedWall})
		if _, got := storetest.Read(rt, s); storetest.Diff(got, want) != "" {
			rt.Fatal(storetest.Diff(got, want))
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}
