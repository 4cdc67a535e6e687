package lab_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/penstock-go/penstock/lab"
)

// fake measures what a function says.
type fake struct {
	value func(p lab.Probe) float64
	stop  string
}

func (f fake) Measure(p lab.Probe) float64 { return f.value(p) }
func (f fake) Stopped() string             { return f.stop }

func scenario(t *testing.T, expect ...string) *lab.Scenario {
	t.Helper()
	var text strings.Builder
	text.WriteString("name: x\nabout: x\nrun: {for: 60s, warmup: 10s, seeds: 40}\nsources: {users: {to: api, rate: 1/s}}\n" +
		"stages: {api: {}}\nvariants: {push: {}, other: {stages: {api: {admission: {}}}}}\nexpect:\n")
	for _, e := range expect {
		text.WriteString("  - " + e + "\n")
	}
	s, err := lab.Parse("x.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// isOther tells the variants apart: one has admission.
func isOther(s *lab.System) bool { return s.Plan.Stages[0].Admit != nil }

// noise is the same for a seed, between -1 and 1, with mean nearly 0.
func noise(seed uint64) float64 { return math.Sin(float64(seed) * 2.399963) }

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		expect string
		want   lab.Verdict
		say    string
	}{
		{"push.goodput > 99/s", lab.Holds, "push.goodput is 100/s (99.6/s to 100.3/s)"},
		{"push.goodput < 99/s", lab.Broken, "missed by 0.997/s; worst seed 19 has 101/s"},
		{"push.goodput > 99.95/s", lab.Unsure, "undecided"},
		// Compared seed by seed, the noise that both share is gone.
		{"other.goodput > 100% of push.goodput", lab.Holds, "other.goodput is 100.2/s"},
		{"push.goodput < 99.5% of other.goodput", lab.Broken, "(99.5% of other.goodput)"},
		{"push.deaths <= 2", lab.Holds, "bound <= 2: holds by 0"},
		{"push.deaths < 2", lab.Broken, "missed by 0"},
		{"push.deaths > 2", lab.Broken, ""},
		{"push.p99 < 1s", lab.Broken, "nothing to measure in seed 1, which ran out of room"},
		{"goodput > 99/s", lab.Holds, "other.goodput"},
		{"deaths > 2", lab.Broken, "push.deaths"},
		{"push.goodput > 99/s and push.deaths < 2", lab.Broken, "push.deaths"},
	} {
		s := scenario(t, c.expect)
		r := lab.Runner{Simulate: func(_ context.Context, s *lab.System, seed uint64) (lab.Measured, error) {
			return fake{stop: "ran out of room", value: func(p lab.Probe) float64 {
				switch {
				case p.Metric == "deaths" && isOther(s):
					return 3
				case p.Metric == "deaths":
					return 2
				case p.Metric == "p99":
					return math.NaN()
				case isOther(s):
					return 100.2 + noise(seed) + 0.01*noise(seed*7)
				}
				return 100 + noise(seed)
			}}, nil
		}}
		res, err := r.Run(t.Context(), s, lab.Options{Seeds: 20})
		if err != nil {
			t.Fatal(err)
		}
		if j := res.Judgements[0]; j.Verdict != c.want || !strings.Contains(j.Explain(), c.say) {
			t.Errorf("%s: %v: %s", c.expect, j.Verdict, j.Explain())
		}
	}
}

// TestEarly: replications stop when the verdict is certain, and only then.
func TestEarly(t *testing.T) {
	for _, c := range []struct {
		expect string
		seeds  int
		want   lab.Verdict
	}{
		{"push.goodput > 90/s", 5, lab.Holds},
		{"push.goodput < 90/s", 5, lab.Broken},
		{"push.goodput > 99.5/s", 33, lab.Holds},
		{"push.goodput > 100/s", 40, lab.Unsure},
	} {
		s := scenario(t, c.expect)
		r := lab.Runner{Simulate: func(_ context.Context, _ *lab.System, seed uint64) (lab.Measured, error) {
			return fake{value: func(lab.Probe) float64 { return 100 + noise(seed) }}, nil
		}}
		res, err := r.Run(t.Context(), s, lab.Options{Early: true})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(res.Replications); n != c.seeds || res.Judgements[0].Verdict != c.want {
			t.Errorf("%s: %v after %d seeds", c.expect, res.Judgements[0].Verdict, n)
		}
	}
}

func TestLooks(t *testing.T) {
	for most, want := range map[int]string{1: "[1]", 5: "[5]", 6: "[5 6]", 20: "[5 7 10 15 20]", 40: "[5 7 10 15 22 33 40]"} {
		if got := fmt.Sprint(lab.Looks(most)); got != want {
			t.Errorf("%d: %s, want %s", most, got, want)
		}
	}
}

// TestFailure: what keeps a replication from ending ends the run.
func TestFailure(t *testing.T) {
	s := scenario(t, "push.goodput > 0")
	boom := errors.New("boom")
	r := lab.Runner{Simulate: func(_ context.Context, _ *lab.System, seed uint64) (lab.Measured, error) {
		if seed == 3 {
			return nil, boom
		}
		return fake{value: func(lab.Probe) float64 { return 1 }}, nil
	}}
	if _, err := r.Run(t.Context(), s, lab.Options{}); !errors.Is(err, boom) {
		t.Error(err)
	}
	report, err := r.Test(t.Context(), []*lab.Scenario{s}, lab.TestOptions{})
	if err != nil || len(report.Failures) != 1 || report.Passed() {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestCancel: a run ends when its context does.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var runs atomic.Int64
	r := lab.Runner{Simulate: func(ctx context.Context, _ *lab.System, _ uint64) (lab.Measured, error) {
		runs.Add(1)
		cancel(enough)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}
	if _, err := r.Run(ctx, scenario(t, "push.goodput > 0"), lab.Options{}); !errors.Is(err, enough) {
		t.Error(err)
	}
	if n := runs.Load(); n > 8 {
		t.Errorf("%d runs began", n)
	}
}

// TestProgress: it counts up to what was run, and says what is left.
func TestProgress(t *testing.T) {
	var last lab.Progress
	calls := 0
	r := lab.Runner{
		Progress: func(p lab.Progress) {
			calls++
			if p.Done != calls || p.Most < p.Done || p.Done >= 4 && p.Left < 0 {
				t.Errorf("%+v at call %d", p, calls)
			}
			last = p
		},
		Simulate: func(context.Context, *lab.System, uint64) (lab.Measured, error) {
			return fake{value: func(lab.Probe) float64 { return 1 }}, nil
		},
	}
	if _, err := r.Run(t.Context(), scenario(t, "push.goodput > 0"), lab.Options{}); err != nil {
		t.Fatal(err)
	}
	if last.Done != 80 || last.Most != 80 || last.Left != 0 {
		t.Errorf("%+v", last)
	}
}
