package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	fineFile = `routes:
  - match: {path: /api/}
    to: [http://127.0.0.1:9000, http://127.0.0.1:9001]
  - match: {path: /}
    to: [http://127.0.0.1:9001]
`
	badFlowFile = `listen: 0.0.0.0:8082
tls: {cert: x.pem}
flows:
- name: Big
  stages:
  - {name: a, lease: 1m, wip: 0}
  - {name: a, wip: 1, conflate: mix, leese: 1m}
- name: x
  stages: [{name: a, wip: 1}]
- name: x
  stages: [{name: a, wip: 1}]
`
	badFile = `listen: 127.0.0.1
routes:
  - to: [http://127.0.0.1:9000]
    limitt: 5
    deadline: soon
`
)

// files writes files into a folder of their own, and makes it the current one.
func files(t *testing.T, contents map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestCheck(t *testing.T) {
	files(t, map[string]string{
		"fine.yaml":    fineFile,
		"observe.yaml": "listen: 127.0.0.1:80\nobserve: true\nroutes:\n  - to: [http://127.0.0.1:9000]\n",
		"bad.yaml":     badFile,
		"no.yaml":      "routes: [",
		"flow.yaml":    "flows: [{name: o, stages: [{name: a, wip: 3}, {name: b, wip: 1}]}]\n",
		"badflow.yaml": badFlowFile,
		"lab.yaml":     "name: x\nstages: {}\n",
		"what.yaml":    "rooms: []\n",
		"empty.yaml":   "",
		"large.yaml":   strings.Repeat("#\n", 1<<19+1),
	})
	const fine = "fine.yaml: ok: a gateway on 127.0.0.1:8080, 2 routes to 2 backends\n"
	for name, c := range map[string]struct {
		args  []string
		stdin string
		code  int
		want  []string // beginnings of the lines, in order
	}{
		"fine":      {[]string{"fine.yaml"}, "", 0, []string{fine}},
		"observe":   {[]string{"observe.yaml"}, "", 0, []string{"observe.yaml: ok: a gateway on 127.0.0.1:80, 1 route to 1 backend, observing\n"}},
		"stdin":     {[]string{"-"}, fineFile, 0, []string{"stdin: ok: "}},
		"bad":       {[]string{"bad.yaml"}, "", 2, []string{"bad.yaml:1:9: listen: ", "bad.yaml:4:5: routes[0].limitt: unknown key", "bad.yaml:5:15: routes[0].deadline: "}},
		"bad stdin": {[]string{"-"}, badFile, 2, []string{"stdin:1:9: listen: ", "stdin:4:5: ", "stdin:5:15: "}},
		"both":      {[]string{"no.yaml", "fine.yaml"}, "", 2, []string{"no.yaml:1:9: ", fine}},
		"flows":     {[]string{"flow.yaml"}, "", 0, []string{"flow.yaml: ok: a flow server on 127.0.0.1:8082, 1 flow with 2 stages\n"}},
		"bad flows": {[]string{"badflow.yaml"}, "", 2, []string{
			"badflow.yaml:1:9: listen: \"0.0.0.0:8082\": other machines can reach it, and without tokens they could do everything, allowed: a loopback address",
			"badflow.yaml:2:6: tls.key: missing, allowed: a file with its key",
			"badflow.yaml:4:9: flows[0].name: \"Big\" is no name, allowed: 1 to 64 lower-case letters",
			"badflow.yaml:6:31: flows[0].stages[0].wip: \"0\" is out of range, allowed: a whole number from 1 to",
			"badflow.yaml:7:12: flows[0].stages[1].name: \"a\" is the name of an earlier stage, too, allowed: a name of its own",
			"badflow.yaml:7:33: flows[0].stages[1].conflate: ",
			"badflow.yaml:7:38: flows[0].stages[1].leese: unknown key",
			"badflow.yaml:10:9: flows[2].name: \"x\" is the name of flows[1], allowed: a name of its own for each flow",
		}},
		"stages":      {[]string{"lab.yaml"}, "", 2, []string{"lab.yaml: a file of the kind stages is not supported by this version"}},
		"no kind":     {[]string{"what.yaml"}, "", 2, []string{"what.yaml:1:1: no kind of file that is known"}},
		"empty":       {[]string{"empty.yaml"}, "", 2, []string{"empty.yaml:1:1: "}},
		"large":       {[]string{"large.yaml"}, "", 2, []string{"large.yaml: the file is too large, allowed: 1MiB at most\n"}},
		"large stdin": {[]string{"-"}, strings.Repeat("#\n", 1<<19+1), 2, []string{"stdin: the file is too large"}},
		"missing":     {[]string{"missing.yaml"}, "", 2, []string{"missing.yaml: no such file"}},
		"folder":      {[]string{"."}, "", 2, []string{".: is a directory\n"}},
	} {
		code, stdout, stderr := runMain(t, c.stdin, append([]string{"check"}, c.args...)...)
		lines := strings.SplitAfter(strings.TrimSuffix(stdout, "\n")+"\n", "\n")
		lines = lines[:len(lines)-1]
		if code != c.code || len(lines) != len(c.want) {
			t.Errorf("%s: code %d, printed %q", name, code, stdout)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("%s: line %d is %q, want %q", name, i+1, lines[i], want)
			}
		}
		if (stderr == "") != (code == 0) {
			t.Errorf("%s: code %d, and on stderr %q", name, code, stderr)
		}
	}
}
