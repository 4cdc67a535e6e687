// Package golden compares what a test got with a file under testdata.
//
// A golden file is reviewed as any other change: rewrite it with
//
//	go test ./the/package -update
//
// (make golden does so for every package that uses this one) and read the diff.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// Check fails the test if testdata/name does not hold exactly got, and shows
// the difference line by line. With -update it writes the file instead. name
// may have slashes; it must stay inside testdata.
func Check[T ~string | ~[]byte](t testing.TB, name string, got T) {
	t.Helper()
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		t.Fatalf("golden: %q would leave testdata", name)
	}
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		rewrite(t, file, []byte(got))
		return
	}
	want, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Fatalf("golden: there is no %s; if this is right, write it with -update:\n%s", file, got)
	}
	if err != nil {
		t.Fatalf("golden: %v", err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs (- is the file, + is what the test got; -update rewrites it):\n%s",
			file, diff(string(want), string(got)))
	}
}

// rewrite leaves a file alone that is right already, so that its time stamp
// says when it changed.
func rewrite(t testing.TB, file string, got []byte) {
	t.Helper()
	if want, err := os.ReadFile(file); err == nil && string(want) == string(got) {
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatalf("golden: %v", err)
	}
	if err := os.WriteFile(file, got, 0o644); err != nil {
		t.Fatalf("golden: %v", err)
	}
	t.Logf("golden: wrote %s", file)
}
