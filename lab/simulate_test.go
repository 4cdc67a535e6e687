package lab_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/lab"
)

const small = `
name: small
about: A small retry storm, for tests.
run: {for: 20s, warmup: 2s, seeds: 6}
sources:
  users: {to: api, rate: 70/s, deadline: 1s, retry: {attempts: 4, backoff: 100ms}}
stages:
  api: {servers: 1, service: {law: exponential, mean: 10ms}}
events:
  - {at: 5s, for: 4s, stage: api, speed: 0.2}
variants:
  push: {}
  backpressure:
    stages: {api: {admission: {}}}
expect:
  - push.goodput[12s:20s] < 20% of push.offered
  - backpressure.goodput[12s:20s] > 90% of backpressure.first_offered
  - backpressure.recovery < 4s
`

func parse(t *testing.T, text string) *lab.Scenario {
	t.Helper()
	s, err := lab.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWorkers: the result does not depend on how many cores there are.
func TestWorkers(t *testing.T) {
	var first string
	for _, workers := range []int{1, 2, 5} {
		r := lab.Runner{Workers: workers}
		res, err := r.Run(t.Context(), parse(t, small), lab.Options{Early: true})
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(res.Summarize())
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(data)
		}
		if string(data) != first {
			t.Errorf("%d workers: %s\n1 worker: %s", workers, data, first)
		}
		if !res.Passed() {
			t.Errorf("%d workers: %s", workers, data)
		}
	}
}

// TestPaired: variants see the same arrivals, seed by seed.
func TestPaired(t *testing.T) {
	s := parse(t, small)
	for seed := uint64(1); seed <= 3; seed++ {
		var counts []float64
		for i := range s.Variants {
			m, err := lab.Simulate(t.Context(), &s.Variants[i].System, seed)
			if err != nil {
				t.Fatal(err)
			}
			counts = append(counts, m.Measure(lab.Probe{Metric: "first_offered", Window: lab.Window{From: 0, To: 20 * time.Second}}))
		}
		if counts[0] != counts[1] || counts[0] < 50 || counts[0] > 90 {
			t.Errorf("seed %d: %v", seed, counts)
		}
	}
}

// TestMutate: a protection that is needed is noticed when it is gone, one that
// does nothing is not.
func TestMutate(t *testing.T) {
	s := parse(t, strings.Replace(small, "stages: {api: {admission: {}}}",
		"stages: {api: {admission: {}, machines: 1}}", 1))
	var r lab.Runner
	report, err := r.Test(t.Context(), []*lab.Scenario{s}, lab.TestOptions{Mutate: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, m := range report.Mutants {
		got[m.Path] = m.Killed
	}
	if len(got) != 2 || !got["stages.api.admission"] || got["stages.api.machines"] {
		t.Errorf("%+v", report.Mutants)
	}
	if report.Passed() {
		t.Error("the report passes with a mutant alive")
	}
}

// TestBounded: a queue that grows without end ends the run, and says so.
func TestBounded(t *testing.T) {
	s := parse(t, `
name: endless
about: More comes than goes, for ever.
run: {for: 1h, seeds: 2}
sources: {users: {to: api, rate: 5000/s}}
stages: {api: {service: 10ms}}
expect: [system.queue(api) < 10]
`)
	s.Variants[0].System.Plan.MaxCalls = 20_000 // the usual bound takes longer to reach
	var r lab.Runner
	res, err := r.Run(t.Context(), s, lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum := res.Summarize()
	if sum.Passed || len(sum.Stops) != 2 || !strings.Contains(sum.Stops[0].Why, "more than 20000 calls are open at once") {
		t.Errorf("%+v", sum.Stops)
	}
	if e := sum.Expectations[0].Explain; !strings.Contains(e, "nothing to measure in seed 1, which stopped at") {
		t.Error(e)
	}
}

// TestLibrary: every scenario of the library reads, and has what the library
// promises of each.
func TestLibrary(t *testing.T) {
	names := lab.Library()
	for _, name := range []string{
		"bucket-brigade", "cache-loss", "circuit-breaker", "circuit-breaker-widens", "cleanup-trap", "codel", "cost-less",
		"domino", "domino-three", "fail-fast", "hard-limits-break", "one-budget", "partial-results", "push-pull",
		"rate-vs-backpressure", "refresh-storm", "retry-storm", "shed-low-priority", "small-buffers", "spike-dos", "tcp",
		"throttle", "thundering-herd", "water-pipe",
	} {
		if !slices.Contains(names, name) {
			t.Errorf("there is no scenario %s", name)
		}
	}
	for _, name := range names {
		s, err := lab.Load(name)
		if err != nil {
			t.Error(err)
			continue
		}
		var variants []string
		for _, v := range s.Variants {
			variants = append(variants, v.Name)
		}
		all := " " + strings.Join(variants, " ") + " "
		if s.Name != name || s.Costs == "" || !strings.Contains(all, " push ") || !strings.Contains(all, " backpressure ") {
			t.Errorf("%s: name %s, variants%s, costs %q", name, s.Name, all, s.Costs)
		}
		for _, v := range variants {
			about := 0
			for _, e := range s.Expect {
				if strings.Contains(e.String(), v+".") {
					about++
				}
			}
			if about == 0 {
				t.Errorf("%s: nothing is expected of %s", name, v)
			}
		}
	}
}

// TestTrace: first attempts arrive at the instants that the file lists.
func TestTrace(t *testing.T) {
	s := parse(t, `
name: trace
about: Four requests, at known instants.
run: {for: 10s, seeds: 2}
sources: {users: {to: api, trace: [1s, 1s, 2500ms, 7s], criticality: sheddable}}
stages: {api: {service: 10ms, queue: none}}
`)
	m, err := lab.Simulate(t.Context(), &s.Variants[0].System, 1)
	if err != nil {
		t.Fatal(err)
	}
	at := func(metric string, from, to time.Duration) float64 {
		return m.Measure(lab.Probe{Metric: metric, Window: lab.Window{From: from, To: to}}) * (to - from).Seconds()
	}
	for _, row := range []struct {
		metric   string
		from, to time.Duration
		want     float64
	}{
		{"first_offered", 0, time.Second, 0},
		{"first_offered", time.Second, 2 * time.Second, 2},
		{"first_offered", 2 * time.Second, 10 * time.Second, 2},
		{"goodput", 0, 10 * time.Second, 3},
		{"refused_sheddable", time.Second, 2 * time.Second, 1},
		{"refused_critical", 0, 10 * time.Second, 0},
		{"refused_queue_full", 0, 10 * time.Second, 1},
	} {
		if got := at(row.metric, row.from, row.to); math.Abs(got-row.want) > 1e-9 {
			t.Errorf("%s from %v to %v: %v, want %v", row.metric, row.from, row.to, got, row.want)
		}
	}
}

func TestLoad(t *testing.T) {
	for name, want := range map[string]string{
		"retry-strom":  "there is no scenario \"retry-strom\" in the library",
		"./none.yaml":  "./none.yaml: no such file or directory",
		"testdata/a.x": "testdata/a.x: no such file or directory",
	} {
		if _, err := lab.Load(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryMetric: what an expectation may name has a value.
func TestEveryMetric(t *testing.T) {
	s := parse(t, `
name: everything
about: All kinds of parts, overloaded for a while.
run: {for: 20s, seeds: 2}
sources:
  users: {to: cache, rate: "spike:base=50/s,peak=300/s,at=5s,for=5s", deadline: 200ms, keys: 100, retry: {attempts: 2}}
  parcels: {to: works, rate: 5/s}
caches:
  cache: {to: api, capacity: 20, filled: true}
stages:
  api: {service: {law: exponential, mean: 10ms}, admission: {}}
lines:
  works: {stations: [{name: saw, service: 100ms}, {name: pack, service: 150ms}]}
bottlenecks:
  wire: {rate: 100/s, buffer: 20, flows: 2, rtt: 50ms}
reservoirs:
  lake: {capacity: 10, inflow: 1, outflow: 0.5}
`)
	m, err := lab.Simulate(t.Context(), &s.Variants[0].System, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range lab.Metrics {
		some := false
		for _, of := range []string{"", "users", "api", "cache", "works", "works/saw", "wire", "lake"} {
			v := m.Measure(lab.Probe{Metric: metric.Name, Of: of, Window: lab.Window{From: 0, To: 20 * time.Second}})
			some = some || !math.IsNaN(v)
		}
		if !some {
			t.Errorf("%s has no value anywhere", metric.Name)
		}
	}
}
