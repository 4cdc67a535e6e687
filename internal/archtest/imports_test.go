package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is the module's folder, seen from this package.
const root = "../.."

// A pkg is one package of the module with its parsed files, those for other
// systems included.
type pkg struct {
	path  string // relative to the module
	files []file
}

type file struct {
	name   string // relative to the module
	inTest bool
	syntax *ast.File // package clause, comments before it, and imports
}

// listed is what go list says of a package.
type listed struct {
	Dir, ImportPath, Name     string
	GoFiles, CgoFiles         []string
	IgnoredGoFiles            []string
	TestGoFiles, XTestGoFiles []string
}

// packages lists and parses the module. It says nothing of whether the packages
// compile: other tests do.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-find",
		"-json=Dir,ImportPath,Name,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Logf("%s", e.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		path, ok := relative(l.ImportPath)
		if !ok {
			t.Fatalf("go list names %s, which is not in %s", l.ImportPath, module)
		}
		all = append(all, pkg{path, l.parse(t)})
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// parse leaves out files of another package, such as generators that are run
// by name.
func (l listed) parse(t *testing.T) []file {
	t.Helper()
	var files []file
	for _, names := range [][]string{l.GoFiles, l.CgoFiles, l.IgnoredGoFiles, l.TestGoFiles, l.XTestGoFiles} {
		for _, name := range names {
			full := filepath.Join(l.Dir, name)
			syntax, err := parser.ParseFile(token.NewFileSet(), full, nil, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				t.Errorf("cannot be parsed: %v", err)
				continue
			}
			if strings.TrimSuffix(syntax.Name.Name, "_test") != l.Name {
				continue
			}
			path, _ := relative(l.ImportPath)
			files = append(files, file{
				name:   filepath.ToSlash(filepath.Join(path, name)),
				inTest: strings.HasSuffix(name, "_test.go"),
				syntax: syntax,
			})
		}
	}
	return files
}

func TestTable(t *testing.T) {
	for _, p := range packages(t) {
		if _, ok := locate(p.path); !ok {
			t.Errorf("%s is in no layer: add it to the table in internal/archtest/table_test.go and to ARCHITECTURE.md, "+
				"as low as its imports allow", p.path)
		}
	}
	for _, l := range leaves {
		if l.from != "tests" && levelOf(l.from) < 0 {
			t.Errorf("leaf %s is for %q, which is no layer", l.pkg, l.from)
		}
	}
	if levelOf(testsReach) < 0 {
		t.Errorf("tests reach up to %q, which is no layer", testsReach)
	}
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, spec := range f.syntax.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, message := range (use{p.path, path, f.inTest}).breaks() {
					t.Errorf("%s: %s", f.name, message)
				}
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		for _, message := range commentProblems(p) {
			t.Error(message)
		}
	}
}

// commentProblems wants one package comment, in the form that go doc shows: in
// a test file only where there are no others.
func commentProblems(p pkg) []string {
	onlyTests := true
	for _, f := range p.files {
		onlyTests = onlyTests && f.inTest
	}
	var with, problems []string
	for _, f := range p.files {
		if f.inTest != onlyTests || strings.TrimSpace(f.syntax.Doc.Text()) == "" {
			continue
		}
		with = append(with, f.name)
		start := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name != "main" && !strings.HasPrefix(f.syntax.Doc.Text(), start) {
			problems = append(problems, fmt.Sprintf("%s: the package comment must begin with %q", f.name, start))
		}
	}
	switch {
	case len(p.files) == 0:
	case len(with) == 0:
		problems = append(problems, p.path+" has no package comment: say what it is for, its source, and when not to use it")
	case len(with) > 1:
		problems = append(problems, fmt.Sprintf("%s has %d package comments (%s), and go doc would join them: keep one",
			p.path, len(with), strings.Join(with, ", ")))
	}
	return problems
}

func TestCommentProblems(t *testing.T) {
	for _, c := range []struct {
		name    string
		sources map[string]string
		want    string // part of the problem; empty: none
	}{
		{"one", map[string]string{"a.go": "// Package x is.\npackage x", "b.go": "package x"}, ""},
		{"none", map[string]string{"a.go": "package x"}, "no package comment"},
		{"detached", map[string]string{"a.go": "// Package x is.\n\npackage x"}, "no package comment"},
		{"a directive is none", map[string]string{"a.go": "//go:build linux\npackage x"}, "no package comment"},
		{"in a test", map[string]string{"a.go": "package x", "a_test.go": "// Package x is.\npackage x"}, "no package comment"},
		{"tests alone", map[string]string{"a_test.go": "// Package x is.\npackage x"}, ""},
		{"two", map[string]string{"a.go": "// Package x is.\npackage x", "b.go": "// Package x too.\npackage x"}, "2 package comments"},
		{"form", map[string]string{"a.go": "// X is.\npackage x"}, "must begin with"},
		{"program", map[string]string{"a.go": "// Penstock is a program.\npackage main"}, ""},
	} {
		p := pkg{path: "x"}
		for name, source := range c.sources {
			syntax, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			p.files = append(p.files, file{name, strings.HasSuffix(name, "_test.go"), syntax})
		}
		got := strings.Join(commentProblems(p), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
