//go:build linux

package boltstore_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/internal/leak"
)

// proof is what the durability tests do: a short version by default, the full
// one where the environment says so.
var proof = os.Getenv("PENSTOCK_FULL") != ""

func TestMain(m *testing.M) {
	if os.Getenv("PENSTOCK_KILL_CHILD") != "" {
		killChild()
		return
	}
	leak.Main(m)
}

// TestRecordedDisk builds these tests anew, with a database library whose writes
// and syncs go through a disk that records them and can fail, and runs those that
// need it: power cuts, faulty disks, every crash point of small systems. Nothing
// of the library is changed but the two calls that reach the file.
func TestRecordedDisk(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "recorded.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags=recordeddisk", "-modfile="+recording(t, dir), "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(tests, noSync string) (string, error) {
		cmd := exec.CommandContext(t.Context(), bin, "-test.run="+tests, "-test.v", "-test.timeout=60m")
		cmd.Env = append(os.Environ(), "PENSTOCK_NO_SYNC="+noSync)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("^TestDisk", "")
	if err != nil || !strings.Contains(out, "--- PASS: TestDiskPowerCuts") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	// The cuts must find what they are for: a store that does not sync, and a disk
	// that only says that it does.
	for _, noSync := range []string{"store", "disk"} {
		out, err := run("^TestDiskPowerCuts", noSync)
		_, ran := errors.AsType[*exec.ExitError](err)
		if !ran || strings.Contains(out, "--- PASS") || !strings.Contains(out, "=== RUN   TestDiskPowerCuts") {
			t.Errorf("the %s does not sync, and no power cut shows it: %v\n%s", noSync, err, out)
		}
	}
}

// recording makes a module file by which the library is a copy with the two calls
// replaced.
func recording(t *testing.T, dir string) (modfile string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}\n{{.GoMod}}", "go.etcd.io/bbolt", "github.com/penstock-go/penstock").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	lib, gomod := filepath.Join(dir, "bbolt"), lines[3]
	if err := os.CopyFS(lib, os.DirFS(lines[0])); err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	db := read(filepath.Join(lib, "db.go"))
	const call = "db.ops.writeAt = db.file.WriteAt"
	if n := strings.Count(db, call); n != 1 {
		t.Fatalf("the library sets its writer %d times, where once is expected: the recording must be adapted", n)
	}
	modfile = filepath.Join(dir, "recorded.mod")
	for path, text := range map[string]string{
		filepath.Join(lib, "db.go"):         strings.Replace(db, call, "db.ops.writeAt = diskWriter(db)", 1),
		filepath.Join(lib, "bolt_linux.go"): read(filepath.Join("testdata", "disk.go.txt")),
		modfile:                             read(gomod) + "\nreplace go.etcd.io/bbolt => " + lib + "\n",
		filepath.Join(dir, "recorded.sum"):  read(strings.TrimSuffix(gomod, "mod") + "sum"),
	} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // the library's files cannot be written
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return modfile
}
