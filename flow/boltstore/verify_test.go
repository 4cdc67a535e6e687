package boltstore_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/storetest"
)

// sound writes a file with two definitions, three items in stage a of f, and one
// that has ended, and returns what it holds.
func sound(t *testing.T, path string) storetest.Content {
	t.Helper()
	s := unopened(path, boltstore.Options{Wall: fixedWall})
	storetest.Read(t, s)
	f := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: 4}}}.Normalize()
	g := flow.Definition{Name: "g", Stages: []flow.Stage{{Name: "a", WIP: 4}}}.Normalize()
	want := storetest.Content{Payloads: map[uint64][]byte{}}
	for _, cs := range [][]flow.Change{
		{{Op: flow.OpDefine, Definition: &f}, {Op: flow.OpDefine, Definition: &g}},
		{put(1, 5000), put(2, 10), put(4, 0)},
		{put(3, 30_000)},
		{finish(put(4, 0)), next(put(2, 10))},
	} {
		if err := s.Commit(t.Context(), cs); err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			want.Apply(c)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return want
}

// spoil changes a file behind the store's back.
func spoil(t *testing.T, path string, change func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = errors.Join(db.Update(change), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestVerifyNamesDamage spoils each kind of record, and demands that the report
// names what is wrong.
func TestVerifyNamesDamage(t *testing.T) {
	first := func(tx *bolt.Tx, bucket string) (b *bolt.Bucket, k, v []byte) {
		b = tx.Bucket([]byte(bucket))
		k, v = b.Cursor().First()
		return b, append([]byte(nil), k...), append([]byte(nil), v...)
	}
	sealed := func(v []byte) []byte {
		binary.LittleEndian.PutUint32(v, crc32.Checksum(v[4:], crc32.MakeTable(crc32.Castagnoli)))
		return v
	}
	// edit changes the first value of a bucket.
	edit := func(bucket string, f func(v []byte) []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, k, v := first(tx, bucket)
			return b.Put(k, f(v))
		}
	}
	remove := func(bucket string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, k, _ := first(tx, bucket)
			return b.Delete(k)
		}
	}
	for _, c := range []struct {
		name, want string
		spoil      func(tx *bolt.Tx) error
	}{
		{"log entry flipped", "has a wrong checksum", edit("log", func(v []byte) []byte { v[9] ^= 1; return v })},
		{"log entry cut", "ends early", edit("log", func(v []byte) []byte { return sealed(v[:len(v)-3]) })},
		{"log entry empty", "has a wrong checksum", edit("log", func([]byte) []byte { return []byte{} })},
		{"state unknown", "a record in log entry", edit("log", func(v []byte) []byte { v[4+1+2] = 99; return sealed(v) })},
		{"payload flipped", `item "1": boltstore: the file is damaged: the payload of item 1`, edit("chunks", func(v []byte) []byte { v[100] ^= 1; return v })},
		{"payload of another", "the payload of item 1", edit("chunks", func(v []byte) []byte { v[0] = 9; return v })},
		{"chunk cut", "too short for the payload of item", edit("chunks", func(v []byte) []byte { return v[:1000] })},
		{"chunk gone", "is missing", remove("chunks")},
		{"definition flipped", "the definition of flow", edit("flows", func(v []byte) []byte { v[9] ^= 1; return v })},
		{"definition no JSON", "invalid character", edit("flows", func(v []byte) []byte { v[4] = 'x'; return sealed(v) })},
		{"definition empty", "the definition of flow", edit("flows", func([]byte) []byte { return nil })},
		{"definition gone", "which are not defined", remove("flows")},
		{"format", "has format 9", func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("penstock")).Put([]byte("format"), binary.BigEndian.AppendUint64(nil, 9))
		}},
		{"epoch flipped", "the epoch has a wrong checksum", func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("penstock")).Put([]byte("epoch"), make([]byte, 12))
		}},
		{"not a flow's", "not a flow's", func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("penstock")) }},
		{"log gone", `lacks its part "log"`, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("log")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(fastDir(t), "flow.db")
			sound(t, path)
			spoil(t, path, c.spoil)
			named(t, path, c.want)
		})
	}
}

func named(t *testing.T, path, want string) {
	t.Helper()
	r, err := boltstore.Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(r.Problems, "\n"), want) {
		t.Errorf("%q, want one with %q", r.Problems, want)
	}
}

// TestVerifyNamesBrokenPromises writes what the core would never let be written.
func TestVerifyNamesBrokenPromises(t *testing.T) {
	big := put(5, 1)
	big.Item.Charge = 2
	for want, extra := range map[string]flow.Change{
		`has item "1" twice`:                      {Op: flow.OpPut, Item: flow.Item{No: 9, Hop: 1, Flow: "f", ID: "1", Stage: "a"}, HasPayload: true},
		"stage a of flow f holds 5":               big,
		`in stage "z" of flow "f", which are not`: {Op: flow.OpPut, Item: flow.Item{No: 9, Hop: 1, Flow: "f", ID: "9", Stage: "z"}, HasPayload: true},
	} {
		path := filepath.Join(fastDir(t), "flow.db")
		sound(t, path)
		s := unopened(path, boltstore.Options{Wall: fixedWall})
		storetest.Read(t, s)
		if err := errors.Join(s.Commit(t.Context(), []flow.Change{extra}), s.Close()); err != nil {
			t.Fatal(err)
		}
		named(t, path, want)
	}
}

// TestNoDamageIsOverlooked turns bytes all over the file, one at a time. Either it
// is found, or the file holds what it held.
func TestNoDamageIsOverlooked(t *testing.T) {
	dir := fastDir(t)
	path, broken := filepath.Join(dir, "flow.db"), filepath.Join(dir, "broken.db")
	want := sound(t, path)
	verified(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(data)
	for used > 0 && data[used-1] == 0 {
		used--
	}
	data = data[:min(len(data), used+16*4096)] // small, as it is written often
	found, harmless := 0, 0
	for off := 0; off < used; off += 1 + off%4096/64*3 { // more of a page's head, which is the tree's
		data[off] ^= 0x5a
		if err := os.WriteFile(broken, data, 0o600); err != nil {
			t.Fatal(err)
		}
		data[off] ^= 0x5a
		if r, err := boltstore.Verify(broken); err != nil || len(r.Problems) > 0 {
			found++
			continue
		}
		harmless++
		s := unopened(broken, boltstore.Options{Wall: fixedWall})
		if epoch, got := storetest.Read(t, s); storetest.Diff(got, want) != "" || epoch != 2 {
			t.Errorf("byte %d was turned, and nobody noticed: epoch %d, %s", off, epoch, storetest.Diff(got, want))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d turned bytes were found, %d changed nothing", found, harmless)
	if found < harmless/4 {
		t.Error("hardly any damage was found")
	}
}
