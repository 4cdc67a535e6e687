package cli

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/internal/golden"
)

const labFile = `name: tiny
about: A service at twice its load. It is quick to run.
run: {for: 10s, warmup: 2s, seeds: 5}
sources: {users: {to: api, rate: 200/s, deadline: 500ms}}
stages: {api: {service: {law: exponential, mean: 10ms}}}
variants:
  push: {}
  backpressure: {stages: {api: {admission: {}}}}
expect:
  - push.goodput[5s:10s] < 10% of push.offered
  - backpressure.goodput[5s:10s] > 60/s
`

func writeLab(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tiny.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLabRun(t *testing.T) {
	report := filepath.Join(t.TempDir(), "r.html")
	code, stdout, stderr := runMain(t, "", "lab", "run", writeLab(t, labFile), "--report", report)
	if code != 0 || stderr != "" {
		t.Fatalf("code %d: %s", code, stderr)
	}
	for _, want := range []string{"tiny", "backpressure", "ok    push.goodput[5s:10s] < 10% of push.offered", "5 seeds"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if page, err := os.ReadFile(report); err != nil || !strings.HasPrefix(string(page), "<!doctype html>") {
		t.Errorf("%.20s, %v", page, err)
	}
}

func TestLabRunJSON(t *testing.T) {
	code, stdout, stderr := runMain(t, "", "lab", "run", writeLab(t, labFile), "--json", "--variant", "push", "--seeds", "2")
	var got struct {
		Variants []string
		Seeds    int
		Expect   []any `json:"expectations"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || len(got.Variants) != 1 || got.Seeds != 2 || len(got.Expect) != 1 {
		t.Errorf("code %d, %v, %+v: %s", code, err, got, stderr)
	}
}

// TestLabTest: a worse policy turns it red, with a message that says by how much.
func TestLabTest(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "lab.xml")
	code, stdout, stderr := runMain(t, "", "lab", "test", writeLab(t, labFile), "--mutate", "--junit", junit)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "backpressure without stages.api.admission: noticed") {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
	data, err := os.ReadFile(junit)
	if err != nil || xml.Unmarshal(data, new(struct{})) != nil {
		t.Errorf("%v: %s", err, data)
	}
	worse := strings.Replace(labFile, "admission: {}", "queue: 5000", 1)
	code, stdout, stderr = runMain(t, "", "lab", "test", writeLab(t, worse))
	if code != exitFailed || !strings.Contains(stdout, "missed by") || !strings.Contains(stdout, "worst seed") || !strings.Contains(stderr, "1 of 2 expectations hold") {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
	code, stdout, _ = runMain(t, "", "lab", "run", writeLab(t, worse))
	if code != exitFailed || !strings.Contains(stdout, "FAIL") {
		t.Errorf("code %d: %s", code, stdout)
	}
}

func TestLabList(t *testing.T) {
	code, stdout, _ := runMain(t, "", "lab", "list")
	if code != 0 || !strings.Contains(stdout, "retry-storm") || strings.Count(stdout, "\n") < 18 {
		t.Errorf("code %d: %s", code, stdout)
	}
	code, stdout, _ = runMain(t, "", "lab", "list", "--json")
	var list []struct{ Name, About string }
	if err := json.Unmarshal([]byte(stdout), &list); code != 0 || err != nil || len(list) < 18 {
		t.Errorf("code %d, %v", code, err)
	}
}

func TestLabLittle(t *testing.T) {
	code, stdout, _ := runMain(t, "", "lab", "little", "--rate", "200/s", "--time", "50ms", "--inflight", "14")
	if code != 0 || !strings.Contains(stdout, "10 in flight") || !strings.Contains(stdout, "gap 4") {
		t.Errorf("code %d: %s", code, stdout)
	}
	code, stdout, _ = runMain(t, "", "lab", "little", "--rate", "200/s", "--time", "50ms", "--json")
	if code != 0 || !strings.Contains(stdout, `"l": 10`) {
		t.Errorf("code %d: %s", code, stdout)
	}
}

func TestLabSchema(t *testing.T) {
	code, stdout, _ := runMain(t, "", "lab", "schema")
	var schema map[string]any
	if err := json.Unmarshal([]byte(stdout), &schema); code != 0 || err != nil || schema["title"] == "" {
		t.Errorf("code %d, %v", code, err)
	}
}

func TestLabUsage(t *testing.T) {
	bad := writeLab(t, "name: x\nstages: {api: {server: 1}}\n")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no scenario":   {[]string{"run"}, []string{"accepts 1 arg(s)"}},
		"not there":     {[]string{"run", "retry-strom"}, []string{"there is no scenario", "retry-storm"}},
		"no file":       {[]string{"test", "./none.yaml", "./nor.yaml"}, []string{"./none.yaml: no such file", "./nor.yaml: no such file"}},
		"bad file":      {[]string{"run", bad}, []string{"tiny.yaml:2:16: stages.api.server: unknown key, did you mean servers?", "about: missing"}},
		"no variant":    {[]string{"run", "retry-storm", "--variant", "pull"}, []string{`no "pull", allowed: push or backpressure`}},
		"seeds":         {[]string{"test", "retry-storm", "--seeds", "-1"}, []string{"-1 is not a number from 1 to 1000"}},
		"little":        {[]string{"little", "--inflight", "-1"}, []string{"--rate", "--time", "--inflight"}},
		"no subcommand": {[]string{"simulate"}, []string{`unknown command "simulate"`}},
	} {
		code, stdout, stderr := runMain(t, "", append([]string{"lab"}, c.args...)...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%s: code %d, printed %q, %s", name, code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q does not say %q", name, stderr, want)
			}
		}
	}
}

func TestLabHelp(t *testing.T) {
	for _, sub := range []string{"list", "run", "test", "little", "schema", "arena"} {
		code, stdout, stderr := runMain(t, "", "lab", sub, "--help")
		if code != 0 || stderr != "" {
			t.Errorf("%s: code %d, %q", sub, code, stderr)
		}
		golden.Check(t, "help-lab-"+sub+".txt", stdout)
	}
}

// arenaFile holds one run of a limiter of somebody else's.
const arenaFile = `{"format": "penstock-arena/1", "date": "2026-11-22", "command": "by hand", "go": "go1.26",
 "limiters": [{"name": "other", "kind": "peer", "config": "its defaults"}],
 "runs": [{"plant": "0.5x, constant", "phase": "steady", "limiter": "other", "seed": 0, "offered": 2400, "good": 1200,
  "refused": 1200, "attainable": 2400, "p50_ms": 10, "p99_ms": 20, "settle_s": -1}], "curves": []}`

func TestLabArena(t *testing.T) {
	dir := t.TempDir()
	from, page := filepath.Join(dir, "results.json"), filepath.Join(dir, "a.html")
	if err := os.WriteFile(from, []byte(arenaFile), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runMain(t, "", "lab", "arena", "--from", from, "--html", page, "--plant", "^0.5x, constant$", "--seeds", "1")
	if code != 0 || stderr != "" {
		t.Fatalf("code %d: %s", code, stderr)
	}
	for _, want := range []string{"0.5x, constant", "penstock, virtual", "oracle", "other", "0.500", "50.0%", "never", "by hand"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if html, err := os.ReadFile(page); err != nil || !strings.HasPrefix(string(html), "<!doctype html>") {
		t.Errorf("%.20s, %v", html, err)
	}
	code, stdout, _ = runMain(t, "", "lab", "arena", "--json", "--plant", "^0.5x, constant$", "--seeds", "1")
	var board struct {
		Source string
		Tables []struct{ Rows []any }
	}
	if err := json.Unmarshal([]byte(stdout), &board); code != 0 || err != nil || board.Source != "" || len(board.Tables) != 1 || len(board.Tables[0].Rows) < 4 {
		t.Errorf("without results: code %d, %v, %+v", code, err, board)
	}
}

func TestLabArenaUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(strings.Replace(arenaFile, "penstock-arena/1", "x", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no such plant":  {[]string{"--plant", "nuclear"}, []string{"--plant", `"nuclear"`, "2x, constant"}},
		"no expression":  {[]string{"--plant", "("}, []string{"--plant", "missing closing"}},
		"no seeds":       {[]string{"--seeds", "0"}, []string{"--seeds", "from 1 to 1000"}},
		"no such file":   {[]string{"--from", bad + "x"}, []string{"--from", "no such file"}},
		"another format": {[]string{"--from", bad}, []string{"bad.json", `format: "x"`}},
		"no such law":    {[]string{"--numbers", "--law", "fixed"}, []string{`"fixed"`, "delay, aimd"}},
		"an argument":    {[]string{"x"}, []string{"unknown command"}},
	} {
		code, stdout, stderr := runMain(t, "", append([]string{"lab", "arena"}, c.args...)...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%s: code %d, printed %q", name, code, stdout)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q does not say %q", name, stderr, want)
			}
		}
	}
}

// Each law is held to the numbers by itself.
func TestLabArenaLaws(t *testing.T) {
	seen := map[string]string{}
	for _, law := range []string{"auto", "delay", "aimd", "vegas", "gradient2"} {
		code, stdout, stderr := runMain(t, "", "lab", "arena", "--numbers", "--law", law, "--plant", "^queue, 8 workers, 2x, exponential$", "--seeds", "1")
		if code != 0 || !strings.Contains(stdout, "of 1 lines") {
			t.Fatalf("%s: code %d\n%s%s", law, code, stdout, stderr)
		}
		if other, ok := seen[stdout]; ok {
			t.Errorf("%s and %s come to the same:\n%s", law, other, stdout)
		}
		seen[stdout] = law
	}
}
