package cli

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowserver"
)

// serveFlow starts a server on a file, with a flow of two stages.
func serveFlow(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "flow.db")
	e, err := engine.Open(t.Context(), boltstore.New(file, boltstore.Options{}), engine.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := flowOfFlags("orders", []string{"pack:2", "ship:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Define(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	fs := flowserver.New(e, flowserver.Tokens{})
	s := httptest.NewServer(fs)
	t.Setenv(flowServerEnv, s.URL)
	t.Cleanup(func() {
		fs.Close()
		s.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return file
}

// TestFlowByHand offers, pulls, acknowledges, and looks at a full line.
func TestFlowByHand(t *testing.T) {
	serveFlow(t)
	for _, step := range []struct {
		stdin string
		args  string
		code  int
		want  string // in the output
	}{
		{"a\nb\n", "flow offer orders --ids n", 0, "offered 2: 2 accepted"},
		{"a\nb\n", "flow pull orders nowhere", 1, "no such stage"},
		{"", "flow status orders", 0, "entrance full: offers are refused"},
		{"", "flow pull orders pack", 0, `"id":"n-1"`},
		{"", "flow ack orders 1.2.3", 1, "stale lease"},
		{"", "flow ack orders nonsense", 1, "is no lease"},
		{"", "flow work orders nowhere --exec cat", 2, `has no stage "nowhere"`},
		{"", "flow work orders pack", 2, "--exec is needed"},
		{"", "flow spillway orders", 0, "reason"},
		{"", "flow spillway orders x", 2, "--replay and --discard"},
		{"", "flow status nothing", 1, "no such flow"},
		{"", "flow serve --flow x", 2, "belong together"},
		{"", "flow serve --flow x --stage a:0", 2, "WIP of at least 1"},
		{"", "flow serve --listen 0.0.0.0:1", 2, "other machines can reach it"},
		{`{"idd":1}`, "flow offer orders --ndjson", 2, "standard input:1: json: unknown field"},
	} {
		code, out, errOut := runMain(t, step.stdin, strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(out+errOut, step.want) {
			t.Errorf("%s: code %d, %s%s; want %d, %q", step.args, code, out, errOut, step.code, step.want)
		}
	}
}

func TestFlowFile(t *testing.T) {
	_, err := parseFlowFile("flow.yaml", []byte("flows:\n- name: Big\n  stages:\n  - {name: a, wip: 0}\n  - {name: a, wip: 1, conflate: mix}\n"))
	if err == nil {
		t.Fatal("no problem is found")
	}
	for _, want := range []string{`flow.yaml:2:`, `"Big" is no name`, `flows[0].stages[0].wip: "0"`, `flows[0].stages[1].conflate`, "is the name of an earlier stage"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
	f, err := parseFlowFile("flow.yaml", []byte("flows: [{name: o, stages: [{name: a, wip: 3, lease: 1m}]}]"))
	if err != nil || f.flows[0].Stages[0].WIP != 3 || f.listen != "" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestFlowVerify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flow.db")
	s := boltstore.New(file, boltstore.Options{})
	if _, _, _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := runMain(t, "", "flow", "verify", file); code != 0 || !strings.Contains(out, "format 3, epoch 1") {
		t.Errorf("%d %s", code, out)
	}
	if err := os.WriteFile(file, []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := runMain(t, "", "flow", "verify", file); code != 1 || errOut == "" {
		t.Errorf("%d %s", code, errOut)
	}
}
