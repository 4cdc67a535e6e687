package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReportOfRealRuns feeds what the go command writes, so that a change of
// its format shows.
func TestReportOfRealRuns(t *testing.T) {
	const head = "package x\n\nimport \"testing\"\n\n"
	for _, c := range []struct {
		name   string
		source string
		ok     bool
		want   string // times are written as 0s
	}{
		{
			"pass", head + "func TestA(t *testing.T) { t.Log(\"quiet\") }", true,
			"ok  \tx\t0s\n",
		},
		{
			"skip", head + "func TestA(t *testing.T) { t.Run(\"b\", func(t *testing.T) { t.Skip(\"needs a moon\") }) }\n" +
				"func TestC(t *testing.T) { t.SkipNow() }", true,
			"ok  \tx\t0s\n\n2 skipped:\n  x TestA/b: x_test.go:5: needs a moon\n  x TestC: (no reason given)\n",
		},
		{
			"fail", head + "func TestA(t *testing.T) { t.Log(\"quiet\") }\n" +
				"func TestB(t *testing.T) { t.Run(\"c\", func(t *testing.T) { t.Error(\"loud\") }) }", false,
			"--- FAIL: TestB (0s)\n--- FAIL: TestB/c (0s)\n    x_test.go:6: loud\nFAIL\nFAIL\tx\t0s\n",
		},
		{
			"no tests", "package x\n", true,
			"ok  \tx\t0s [no tests to run]\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := run(t, c.source)
			if ok != c.ok || got != c.want {
				t.Errorf("ok %v, want %v, got:\n%s\nwant:\n%s", ok, c.ok, got, c.want)
			}
		})
	}
}

// TestReportOfCrashes wants everything that helps to find the cause.
func TestReportOfCrashes(t *testing.T) {
	const head = "package x\n\nimport (\n\"os\"\n\"testing\"\n)\n\n"
	for _, c := range []struct {
		name, source string
		want         []string
	}{
		{"panic", head + "func TestA(t *testing.T) { t.Log(\"before\"); _ = os.Args; panic(\"boom\") }", []string{"before", "panic: boom", "FAIL\tx\t"}},
		{"exit", head + "func TestA(t *testing.T) { os.Exit(3) }", []string{"=== RUN   TestA", "FAIL\tx\t"}},
		{"build", head + "func TestA(t *testing.T) { undefined() }", []string{"undefined: undefined", "FAIL\tx [build failed]"}},
		{"syntax", "package x\n\nfunc {", []string{"x_test.go:3:6", "FAIL\tx [setup failed]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := run(t, c.source)
			if ok {
				t.Errorf("ok, in spite of:\n%s", got)
			}
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is missing in:\n%s", want, got)
				}
			}
		})
	}
}

func TestReportOfBrokenInput(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		ok             bool
	}{
		{"nothing", "", "", true},
		{"plain speech", "go: no such thing\n", "go: no such thing\n", true},
		{
			"cut off",
			`{"Action":"start","Package":"x"}` + "\n" + `{"Action":"output","Package":"x","Test":"TestA","Output":"so far\n"}` + "\n",
			"so far\nFAIL\tx\t[its log ends too early]\n", false,
		},
	} {
		var out strings.Builder
		ok, err := report(strings.NewReader(c.in), &out)
		if err != nil || ok != c.ok || out.String() != c.want {
			t.Errorf("%s: ok %v, %v, got %q, want %q", c.name, ok, err, out.String(), c.want)
		}
	}
}

var times = regexp.MustCompile(`\d+\.\d+s`)

// run tests a package x with one file and returns its report.
func run(t *testing.T, source string) (string, bool) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"go.mod": "module x\n\ngo 1.26\n", "x_test.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-count=1", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	log, err := cmd.Output() // a failing test's exit status is expected
	if len(log) == 0 {
		t.Fatalf("go test wrote nothing: %v", err)
	}
	var out strings.Builder
	ok, err := report(bytes.NewReader(log), &out)
	if err != nil {
		t.Fatal(err)
	}
	return times.ReplaceAllString(out.String(), "0s"), ok
}
