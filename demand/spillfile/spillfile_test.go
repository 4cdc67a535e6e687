package spillfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/demand/spillfile"
	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func open(t interface{ Fatal(...any) }, dir string, bytes int64) *spillfile.Store[string] {
	s, err := spillfile.Open(dir, demand.Text{}, spillfile.Config{Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// order compares a store with a list, in any order of Put and Get.
func order(dir string) func(t *rapid.T) {
	return func(t *rapid.T) {
		s := open(t, dir, 64<<10)
		defer func() { _ = s.Close() }()
		var list []string
		bytes := 0
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			if len(list) > 0 && rapid.IntRange(0, 2).Draw(t, "step") == 0 {
				v, err := s.Get()
				if err != nil || v != list[0] {
					t.Fatalf("got %.20q, %v; want %.20q", v, err, list[0])
				}
				bytes -= len(v)
				list = list[1:]
			} else {
				v := strings.Repeat("x", rapid.IntRange(0, 3000).Draw(t, "size")) + string(rune('a'+len(list)%26))
				ok, err := s.Put(v)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					list = append(list, v)
					bytes += len(v)
				}
			}
			if s.Len() != len(list) || bytes > 64<<10 {
				t.Fatalf("%d items of %d bytes, want %d", s.Len(), bytes, len(list))
			}
		}
	}
}

func TestOrder(t *testing.T) { rapid.Check(t, order(t.TempDir())) }

func FuzzOrder(f *testing.F) {
	dir := f.TempDir()
	f.Fuzz(rapid.MakeFuzz(order(dir)))
}

func TestFullAndEmptiedAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 64<<10)
	v := strings.Repeat("x", 1000)
	for range 10 {
		n := 0
		for ok := true; ok; n++ {
			var err error
			if ok, err = s.Put(v); err != nil {
				t.Fatal(err)
			}
		}
		if n < 50 {
			t.Fatalf("full after %d records", n)
		}
		for s.Len() > 0 {
			if _, err := s.Get(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Get(); err == nil {
			t.Fatal("an item from an empty store")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCorrupt flips each byte of a file in turn, and cuts it at each.
func TestCorrupt(t *testing.T) {
	for _, cut := range []bool{false, true} {
		for at := range 3 * (8 + 2) {
			dir := t.TempDir()
			s := open(t, dir, 64<<10)
			damage(t, s, dir, at, cut)
			var got []string
			var err error
			for err == nil && s.Len() > 0 {
				var v string
				if v, err = s.Get(); err == nil {
					got = append(got, v)
				}
			}
			if !errors.Is(err, spillfile.ErrCorrupt) || !slices.Equal(got, []string{"aa", "bb", "cc"}[:min(len(got), 3)]) || len(got) >= 3 {
				t.Errorf("byte %d, cut %v: got %v, %v", at, cut, got, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// damage fills the store so that its first segment is on disk and closed, with
// three short records at its beginning, and spoils one byte there.
func damage(t *testing.T, s *spillfile.Store[string], dir string, at int, cut bool) {
	t.Helper()
	for _, v := range []string{"aa", "bb", "cc"} {
		put(t, s, v)
	}
	fill := strings.Repeat("x", 8100) // a segment's size: the next one begins
	put(t, s, fill)
	put(t, s, fill)
	files, _ := filepath.Glob(filepath.Join(dir, "*", "000001"))
	data, err := os.ReadFile(files[0])
	if err != nil || len(data) < 30 {
		t.Fatal(len(data), err)
	}
	if cut {
		err = os.Truncate(files[0], int64(at))
	} else {
		data[at] ^= 0x41
		err = os.WriteFile(files[0], data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s *spillfile.Store[string], v string) {
	t.Helper()
	if ok, err := s.Put(v); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

func TestDiskGone(t *testing.T) {
	if _, err := spillfile.Open(filepath.Join(t.TempDir(), "none"), demand.Text{}, spillfile.Config{}); err == nil {
		t.Error("opened below a folder that is not there")
	}
	if _, err := spillfile.Open(t.TempDir(), demand.Text{}, spillfile.Config{Bytes: 1}); err == nil {
		t.Error("opened with room for one byte")
	}
	dir := t.TempDir()
	s := open(t, dir, 64<<10)
	defer func() { _ = s.Close() }()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put("a"); err == nil {
		t.Error("put into a folder that is gone")
	}
	if s.Len() != 0 {
		t.Error("counted what was not kept")
	}
}

// TestStream spills most of a stream whose consumer is slower than its source.
func TestStream(t *testing.T) {
	var m demand.Monitor
	source := make([]string, 20000)
	for i := range source {
		source[i] = strings.Repeat("y", i%50)
	}
	gate := make(chan struct{})
	s := demand.Slice(source).Tap(func(string) {}).Async(demand.Window(10), demand.Spill(func() (demand.Store[string], error) {
		return spillfile.Open(t.TempDir(), demand.Text{}, spillfile.Config{})
	}))
	n := 0
	go func() {
		for { // until all that does not fit has spilled
			stages := m.Snapshot().Stages
			if len(stages) == 2 && stages[1].Over {
				close(gate)
				return
			}
			runtime.Gosched()
		}
	}()
	err := s.Each(m.Watch(t.Context()), func(v string) error {
		<-gate
		if v != source[n] {
			t.Fatalf("item %d is %q", n, v)
		}
		n++
		return nil
	})
	if err != nil || n != len(source) {
		t.Fatal(n, err)
	}
	if drops := m.Snapshot().Stages[0].Drops; drops.Spilled < 19000 {
		t.Errorf("%+v", drops)
	}
}
