package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/internal/golden"
	"github.com/penstock-go/penstock/lab"
)

// fixed is a result whose numbers do not depend on the simulator.
func fixed(t *testing.T, expect ...string) *lab.Result {
	t.Helper()
	s := scenario(t, expect...)
	s.About = "A system that is not there, whose numbers are made up: they do not change when the simulator does."
	s.Costs = "Nothing & <nobody>."
	r := lab.Runner{Simulate: func(_ context.Context, s *lab.System, seed uint64) (lab.Measured, error) {
		f := fake{value: func(p lab.Probe) float64 {
			v := map[string]float64{
				"first_offered": 700, "offered": 2800, "amplification": 4, "goodput": 12, "late": 2500, "wasted": 988,
				"p50": 0.0042, "p99": 0.75, "delay": 26.5, "utilisation": 0.925, "recovery": 80, "limit": math.NaN(), "queue": 166_000,
			}
			if isOther(s) {
				v = map[string]float64{
					"first_offered": 700, "offered": 712, "amplification": 1.02, "goodput": 697, "refused": 3, "p50": 0.0041,
					"p99": 0.047, "delay": 0.0045, "utilisation": 0.7, "limit": 31.5, "queue": 4, "level": 0.27,
				}
			}
			return v[p.Metric] * (1 + 0.01*noise(seed))
		}}
		if !isOther(s) && seed > 6 {
			f.stop = "stopped at 45s: more than 1000 calls are open at once"
		}
		return f, nil
	}}
	res, err := r.Run(t.Context(), s, lab.Options{Seeds: 8})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

var fixedExpect = []string{
	"push.goodput < 5% of push.offered", "other.goodput > 98% of other.first_offered and other.p99 < 40ms", "other.limit(api) < 40",
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := fixed(t, fixedExpect...).Summarize().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "table.txt", b.String())
}

func TestSummaryJSON(t *testing.T) {
	data, err := json.MarshalIndent(fixed(t, fixedExpect...).Summarize(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "summary.json", string(data)+"\n")
}

func TestJUnit(t *testing.T) {
	report := &lab.Report{
		Scenarios: []lab.Summary{fixed(t, fixedExpect...).Summarize()},
		Mutants: []lab.MutantSummary{
			{Scenario: "x", Variant: "other", Path: "stages.api.admission", Killed: true, Why: "other.goodput is 0/s"},
			{Scenario: "x", Variant: "other", Path: "sources.users.retry.budget", Why: "every expectation holds without it"},
		},
		Failures: []lab.ScenarioFailed{{Name: "y", Why: "it cannot run"}},
	}
	var b bytes.Buffer
	if err := report.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "junit.xml", b.String())
	if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
		t.Error(err)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "test.txt", text.String())
	if report.Passed() {
		t.Error("it passed")
	}
}

// TestHTML: one page that asks for nothing, with everything escaped.
func TestHTML(t *testing.T) {
	var b strings.Builder
	if err := fixed(t, fixedExpect...).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, banned := range []string{"http://", "https://", "src=", "<link", "@import", "url(", "<nobody>", "NaN", "%!", "Inf"} {
		if strings.Contains(page, banned) {
			t.Errorf("the page has %q", banned)
		}
	}
	for _, want := range []string{
		"Nothing &amp; &lt;nobody&gt;.", "1 of 3 expectations does not hold", "push.goodput &lt; 5% of push.offered",
		"asked for", "stopped at 45s", "stage api", `class="line v0"`, `class="line v2"`, `class="narrow"`, "What it costs",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestLittle(t *testing.T) {
	var b strings.Builder
	for _, l := range []lab.Little{
		lab.NewLittle(200, 50e6, -1), lab.NewLittle(200, 50e6, 10.2), lab.NewLittle(200, 50e6, 14), lab.NewLittle(200, 50e6, 4),
	} {
		if err := l.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "little.txt", b.String())
}

func TestJSONSchema(t *testing.T) {
	schema, err := lab.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "schema.json", schema)
}

// TestDocs: docs/lab.md describes every key and every metric, as the code has
// them. With -update it is rewritten.
func TestDocs(t *testing.T) {
	const file = "../docs/lab.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	for _, part := range lab.Reference() {
		begin, end := "<!-- "+part.Name+": begin, made from the code -->\n", "<!-- "+part.Name+": end -->\n"
		before, rest, ok := strings.Cut(doc, begin)
		inside, after, closed := strings.Cut(rest, end)
		switch {
		case !ok || !closed:
			t.Errorf("%s has no part %s", file, part.Name)
		case inside != part.Text && flag.Lookup("update").Value.String() == "true":
			doc = before + begin + part.Text + end + after
		case inside != part.Text:
			t.Errorf("%s, %s: it should say:\n%s", file, part.Name, part.Text)
		}
	}
	if doc != string(data) {
		if err := os.WriteFile(file, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocsExamples: what docs/lab.md shows as a scenario is one.
func TestDocsExamples(t *testing.T) {
	data, err := os.ReadFile("../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, block := range strings.Split(string(data), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if !strings.HasPrefix(text, "name:") {
			continue
		}
		examples++
		s, err := lab.Parse("docs/lab.md", []byte(text))
		if err != nil {
			t.Error(err)
			continue
		}
		if raced {
			continue
		}
		var r lab.Runner
		report, err := r.Test(t.Context(), []*lab.Scenario{s}, lab.TestOptions{Mutate: true})
		if err != nil {
			t.Fatal(err)
		}
		if !report.Passed() {
			var b strings.Builder
			_ = report.WriteText(&b)
			t.Error(b.String())
		}
	}
	if examples == 0 {
		t.Error("there is no example")
	}
}
