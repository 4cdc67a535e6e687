package golden_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/internal/golden"
)

// recorder is a test that fails without failing ours. Fatalf panics with the
// recorder, as a real one would stop the goroutine.
type recorder struct {
	testing.TB

	failures []string
}

func (*recorder) Helper()             {}
func (*recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(f string, a ...any) {
	r.failures = append(r.failures, fmt.Sprintf(f, a...))
}

func (r *recorder) Fatalf(f string, a ...any) {
	r.Errorf(f, a...)
	panic(r)
}

// check runs golden.Check in a directory of its own and returns how it failed.
func check(t *testing.T, name, got string) string {
	t.Helper()
	r := &recorder{}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		golden.Check(r, name, got)
	}()
	return strings.Join(r.failures, "\n")
}

func setUpdate(t *testing.T, on string) {
	t.Helper()
	f := flag.Lookup("update")
	old := f.Value.String()
	if err := f.Value.Set(on); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Value.Set(old); err != nil {
			t.Error(err)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, step := range []struct {
		does      string
		update    string
		name, got string
		fails     string // part of the failure; empty: it passes
	}{
		{"missing file", "false", "a/plot.txt", "one\n", "there is no"},
		{"written by -update", "true", "a/plot.txt", "one\ntwo\n", ""},
		{"equal", "false", "a/plot.txt", "one\ntwo\n", ""},
		{"different", "false", "a/plot.txt", "one\n2\n", "-    2  two\n+    2  2\n"},
		{"still what it was", "false", "a/plot.txt", "one\ntwo\n", ""},
		{"rewritten", "true", "a/plot.txt", "3", ""},
		{"the last line feed counts", "false", "a/plot.txt", "3\n", "no line feed"},
		{"outside", "true", "../plot.txt", "x", "would leave testdata"},
	} {
		setUpdate(t, step.update)
		failure := check(t, step.name, step.got)
		if (failure == "") != (step.fails == "") || !strings.Contains(failure, step.fails) {
			t.Errorf("%s: failed with %q, want %q", step.does, failure, step.fails)
		}
	}
	if _, err := os.Stat("plot.txt"); !os.IsNotExist(err) {
		t.Errorf("a file was written outside testdata: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join("testdata", "a", "plot.txt")); err != nil || string(data) != "3" {
		t.Errorf("the file holds %q, %v", data, err)
	}
}

func TestCheckTakesBytes(t *testing.T) {
	t.Chdir(t.TempDir())
	setUpdate(t, "true")
	golden.Check(t, "bytes", []byte("x\n"))
	setUpdate(t, "false")
	golden.Check(t, "bytes", "x\n")
}
