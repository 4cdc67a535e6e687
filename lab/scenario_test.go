package lab_test

import (
	"os"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/internal/golden"
	"github.com/penstock-go/penstock/lab"
)

const storm = `
name: retry-storm
about: A 10 s slow-down tips a healthy service into permanent collapse.
run: {for: 120s, warmup: 10s, seeds: 20}
sources:
  users: {to: api, arrivals: poisson, rate: 700/s, deadline: 1s, retry: {attempts: 4, backoff: 100ms, jitter: full}}
stages:
  api: {servers: 10, service: {law: exponential, mean: 10ms}}
events:
  - {at: 30s, for: 10s, stage: api, speed: 0.3}
variants:
  push: {}
  backpressure:
    stages: {api: {admission: {}}}
    sources: {users: {retry: {budget: 10%}}}
expect:
  - push.goodput[90s:120s] < 5% of push.offered
  - backpressure.goodput[90s:120s] > 98% of backpressure.first_offered
  - backpressure.recovery < 2s
`

func TestParse(t *testing.T) {
	s, err := lab.Parse("storm.yaml", []byte(storm))
	if err != nil {
		t.Fatal(err)
	}
	push, back := s.Variants[0].System.Plan, s.Variants[1].System.Plan
	if len(s.Variants) != 2 || s.Reference() != "push" || len(s.Expect) != 3 {
		t.Fatalf("%+v", s)
	}
	if push.Sources[0].Retry.Budget != nil || push.Stages[0].Admit != nil {
		t.Errorf("push has the other's protection: %+v", push)
	}
	if b := back.Sources[0].Retry; b.Budget == nil || *b.Budget != 0.1 || b.Attempts != 4 {
		t.Errorf("the retries do not merge: %+v", b)
	}
	if back.Stages[0].Admit == nil || back.Stages[0].Machine.Servers != 10 {
		t.Errorf("the stages do not merge: %+v", back.Stages[0])
	}
	if got := strings.Join(s.Differences("backpressure"), " "); got != "sources.users.retry.budget stages.api.admission" {
		t.Errorf("differences: %s", got)
	}
	m, err := s.Mutant("backpressure", "stages.api.admission")
	if err != nil || m.Plan.Stages[0].Admit != nil || m.Plan.Sources[0].Retry.Budget == nil {
		t.Errorf("mutant: %+v, %v", m.Plan, err)
	}
}

// TestMerge: mappings merge, lists replace, null removes.
func TestMerge(t *testing.T) {
	s, err := lab.Parse("merge.yaml", []byte(`
name: merge
about: x
run: {for: 10s}
sources:
  a: {to: api, rate: 1/s}
  b: {to: api, rate: 2/s}
stages:
  api: {queue: 50, service: 1ms, calls: [{to: db}, {to: db, share: 50%}]}
  db: {servers: 2}
events: [{at: 1s, stage: api, speed: 0.5}]
variants:
  push: {stages: {api: {codel: {}}}}
  other:
    sources: {b: null, c: {to: api, rate: 3/s}}
    stages: {api: {queue: null, service: {law: exponential, mean: 2ms}, calls: [{to: db, times: 3}]}}
    events: null
`))
	if err != nil {
		t.Fatal(err)
	}
	p := s.Variants[1].System.Plan
	if len(p.Sources) != 2 || p.Sources[0].Name != "a" || p.Sources[1].Name != "c" {
		t.Errorf("sources: %+v", p.Sources)
	}
	if st := p.Stages[0]; st.Machine.Queue != 0 || len(st.Calls) != 1 || st.Calls[0].Times != 3 || st.Machine.CoDel != nil {
		t.Errorf("stage: %+v", st)
	}
	if len(p.Events) != 0 {
		t.Errorf("events: %+v", p.Events)
	}
	want := "sources.b sources.c stages.api.queue stages.api.service stages.api.calls stages.api.codel events"
	if got := strings.Join(s.Differences("other"), " "); got != want {
		t.Errorf("differences: %s", got)
	}
	for _, path := range s.Differences("other") {
		m, err := s.Mutant("other", path)
		if path == "stages.api.codel" && (err != nil || m.Plan.Stages[0].Machine.CoDel == nil) ||
			path == "events" && len(m.Plan.Events) != 1 || path == "sources.b" && len(m.Plan.Sources) != 3 {
			t.Errorf("%s: %+v, %v", path, m.Plan, err)
		}
	}
}

// TestProblems shows what a file is told that has everything wrong.
func TestProblems(t *testing.T) {
	for _, name := range []string{"shape", "names", "cycle", "values", "expect"} {
		text, err := os.ReadFile("testdata/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		_, err = lab.Parse(name+".yaml", text)
		if err == nil {
			t.Errorf("%s: no problem", name)
			continue
		}
		golden.Check(t, name+".txt", err.Error()+"\n")
	}
}
