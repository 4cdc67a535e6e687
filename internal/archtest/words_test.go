package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// notOurs reports whether git leaves an entry alone: what .gitignore names, and
// its own folder, which is a file in a linked working tree.
func notOurs(name string) bool {
	switch path.Base(name) {
	case ".git", "node_modules":
		return true
	}
	switch path.Ext(name) {
	case ".test", ".prof", ".out":
		return true
	}
	return name == "bin" || name == "dist"
}

// forbidden lists what no file may contain. Each needle is put together here,
// so that this file passes.
var forbidden = []struct {
	needle *regexp.Regexp
	why    string
}{
	{
		anyOf(`(?:^|[^\w.-])`, "/wo"+"rk/", "/ro"+"ot/", "/ho"+"me/[a-z]", "/tmp/ba"+"sh_jobs"),
		"names a path of one machine: use a path relative to the repository",
	},
	{
		anyOf("", "registry"+`\.npmjs\.org`, "registry"+`\.yarnpkg\.com`, "proxy"+`\.golang\.org`, "sum"+`\.golang\.org`, "deb"+`\.debian\.org`),
		"names a registry's host: leave the choice to the user's settings",
	},
	{
		anyOf("", `"reso`+`lved": "https?:`),
		"a lockfile names a registry's host: write it with omit-lockfile-registry-resolved=true in .npmrc",
	},
}

func anyOf(before string, needles ...string) *regexp.Regexp {
	return regexp.MustCompile(before + "(?:" + strings.Join(needles, "|") + ")")
}

// problems returns a message for each line of data that has what is forbidden.
func problems(name string, data []byte) []string {
	var out []string
	for _, f := range forbidden {
		for _, at := range f.needle.FindAllIndex(data, -1) {
			line := 1 + bytes.Count(data[:at[1]], []byte("\n"))
			out = append(out, fmt.Sprintf("%s:%d: %q %s", name, line, data[at[0]:at[1]], f.why))
		}
	}
	return out
}

func TestNoMachineInFiles(t *testing.T) {
	files := os.DirFS(root)
	seen := 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case notOurs(name) && d.IsDir():
			return fs.SkipDir
		case notOurs(name) || !d.Type().IsRegular():
			return nil
		}
		data, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another test's file, gone since it was listed
		}
		if err != nil {
			return err
		}
		seen++
		for _, p := range problems(name, data) {
			t.Error(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("only %d files were read", seen)
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]int{
		"open(\"/wo" + "rk/x\")":                              1,
		"/wo" + "rk/a\n/wo" + "rk/b":                          2,
		"see /ro" + "ot/go":                                   1,
		"/ho" + "me/me/penstock":                              1,
		"https://example.com/home/page":                       0,
		"a piece of work/s":                                   0,
		"./work/of":                                           0,
		"GOPROXY=https://proxy" + ".golang.org":               1,
		"the npm registry":                                    0,
		`"reso` + `lved": "https://npm.example/a/-/a-1.tgz",`: 1,
		`"resolved": true`:                                    0,
	} {
		if got := problems("f", []byte(text)); len(got) != want {
			t.Errorf("%q: got %q, want %d problems", text, got, want)
		}
	}
}
