//go:build unix

package spillfile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/demand/spillfile"
)

// The disk of the child process holds less than the store may take, so that it is
// full before the store is.
const diskBytes = 256 << 10

// TestDiskIsFull spills in a process whose disk is full soon. The errors are the
// kernel's own, through the real file layer.
func TestDiskIsFull(t *testing.T) {
	switch how := os.Getenv("SPILLFILE_FULL"); how {
	case "":
	case "space":
		fillDisk(t, os.Getenv("SPILLFILE_DIR"), syscall.ENOSPC)
		return
	default:
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: diskBytes, Max: diskBytes}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		fillDisk(t, os.Getenv("SPILLFILE_DIR"), syscall.EFBIG)
		return
	}
	child := func(t *testing.T, how string, before ...string) {
		dir := t.TempDir()
		args := append(before, os.Args[0], "-test.run=^TestDiskIsFull$", "-test.v")
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "SPILLFILE_FULL="+how, "SPILLFILE_DIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestDiskIsFull") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	t.Run("no space left", func(t *testing.T) {
		// A file system of its own, in a name space of its own.
		mount := []string{
			"unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
			`mount -t tmpfs -o size=` + strconv.Itoa(diskBytes) + ` none "$SPILLFILE_DIR"; exec "$@"`, "sh",
		}
		try := exec.CommandContext(t.Context(), mount[0], append(mount[1:], "true")...)
		try.Env = append(os.Environ(), "SPILLFILE_DIR="+t.TempDir())
		if out, err := try.CombinedOutput(); err != nil {
			t.Skipf("needs Linux, with user name spaces allowed: %v %s", err, out)
		}
		child(t, "space", mount...)
	})
	t.Run("file too large", func(t *testing.T) { child(t, "size") })
}

// fillDisk runs a stream that spills below dir until the disk fails.
func fillDisk(t *testing.T, dir string, want error) {
	const items, window = 2000, 4 // 2 MB: eight times what fits the disk
	item := strings.Repeat("x", 1000)
	started := make(chan struct{})
	made := 0
	source := demand.Func(func(context.Context) (string, error) {
		if made == window+1 {
			close(started)
		}
		made++
		return item + string(rune('a'+made%26)), nil
	}).Take(items).Named("source")
	s := source.Async(demand.Window(window), demand.Spill(func() (demand.Store[string], error) {
		return spillfile.Open(dir, demand.Text{}, spillfile.Config{Bytes: 64 << 20})
	})).Named("buffer")
	var got []string
	err := s.Each(t.Context(), func(v string) error {
		if len(got) == 0 {
			<-started // let it spill
		}
		got = append(got, v)
		return nil
	})
	// What came is the beginning, in order and whole; what did not come is said.
	for i, v := range got {
		if v != item+string(rune('a'+(i+1)%26)) {
			t.Fatalf("item %d is %.20q...%q", i, v, v[len(v)-1:])
		}
	}
	stage, ok := errors.AsType[*demand.StageError](err)
	if !ok || stage.Stage != "buffer" || !errors.Is(err, want) {
		t.Errorf("%d of %d items came, and the error is %v; want %v in stage buffer", len(got), items, err, want)
	}
	if len(got) >= items {
		t.Errorf("all %d items came: the disk was not full", len(got))
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
