package arena

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit/limittest"
	lab "github.com/penstock-go/penstock/lab/arena"
)

var (
	outFile = flag.String("out", "", "run the whole arena, and write its results to this file")
	seeds   = flag.Int("seeds", 3, "with -out: replications of each run")
	only    = flag.String("only", "", "with -out: the limiters whose name matches this regular expression")
)

// TestArena runs everybody on everything: see "make arena".
func TestArena(t *testing.T) {
	if *outFile == "" {
		t.Skip("needs 10 to 20 minutes and a file to write to (-out): make arena")
	}
	wanted := regexp.MustCompile(*only)
	res := &lab.Results{
		Format: lab.Format, Date: time.Now().UTC().Format(time.DateOnly), Command: "make arena", Go: runtime.Version(),
	}
	versions := moduleVersions(t)
	var all []*entry
	for _, c := range Competitors() {
		if !wanted.MatchString(c.Name) {
			continue
		}
		if c.Module != "" {
			c.Module += " " + versions[c.Module]
		}
		res.Limiters = append(res.Limiters, c.Limiter)
		if c.New == nil {
			continue
		}
		for _, p := range lab.Plants() {
			all = append(all, &entry{competitor: c, plant: p})
		}
	}
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			for _, e := range all {
				t.Run(e.competitor.Name+" on "+e.plant.Name, func(t *testing.T) {
					t.Parallel()
					e.run(t, seed)
				})
			}
		})
		write(t, res, all) // what there is so far: the next seed takes minutes
	}
}

func write(t *testing.T, res *lab.Results, all []*entry) {
	t.Helper()
	res.Runs, res.Curves = nil, nil
	for _, e := range all {
		res.Runs = append(res.Runs, e.runs...)
		if e.plant.Curve {
			res.Curves = append(res.Curves, e.plant.MeanCurve(e.competitor.Name, e.windows))
		}
	}
	var b bytes.Buffer
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*outFile, b.Bytes(), 0o644); err != nil { //nolint:gosec // for everybody to read
		t.Fatal(err)
	}
}

// An entry is one competitor on one plant.
type entry struct {
	competitor Competitor
	plant      lab.Plant
	runs       []lab.Run
	windows    [][]limittest.Counts // of each seed, for the curve
}

func (e *entry) run(t *testing.T, seed uint64) {
	out := Run(t, e.competitor, e.plant, seed)
	e.runs = append(e.runs, e.plant.Judge(e.competitor.Name, seed, out)...)
	if e.plant.Curve {
		e.windows = append(e.windows, out.Windows)
	}
}

var requirement = regexp.MustCompile(`(?m)^\s+(\S+) (v\S+)`)

// moduleVersions reads go.mod: test binaries do not know what they are made of.
func moduleVersions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, m := range requirement.FindAllStringSubmatch(string(text), -1) {
		versions[m[1]] = m[2]
	}
	return versions
}

// TestEverybodyPlays: each competitor is on a small plant for a moment, loses no
// request, and answers all that an idle server can answer.
func TestEverybodyPlays(t *testing.T) {
	idle, flood := lab.Plants()[0], lab.Plants()[2]
	for _, p := range []*lab.Plant{&idle, &flood} {
		p.Trial.Load = []limittest.Load{{For: 2 * time.Second, Of: p.Trial.Load[0].Of}}
	}
	for _, c := range Competitors() {
		if c.New == nil {
			if c.Unjudged == "" {
				t.Errorf("%s does not play, and does not say why", c.Name)
			}
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			for _, p := range []lab.Plant{idle, flood} {
				var sum limittest.Counts
				out := Run(t, c, p, 1)
				for _, w := range out.Windows {
					sum.Add(w)
				}
				if sum.Offered == 0 || sum.Offered != sum.Good+sum.Late+sum.Refused || len(out.Good) != sum.Good {
					t.Errorf("%s: %d offered, %d good (%d answers), %d late, %d refused",
						p.Name, sum.Offered, sum.Good, len(out.Good), sum.Late, sum.Refused)
				}
				for _, a := range out.Good {
					if a.Took > p.Trial.Deadline || a.Took < 10*time.Millisecond {
						t.Fatalf("%s: an answer after %v", p.Name, a.Took)
					}
				}
				if p.Name == idle.Name && sum.Good < sum.Offered/10 || sum.Good == 0 {
					t.Errorf("%s: %d good of %d", p.Name, sum.Good, sum.Offered)
				}
			}
		})
	}
}

// TestLiveIsVirtual: our law keeps, as real code, what it keeps in virtual time,
// and a server that slows down or stalls does so in both.
func TestLiveIsVirtual(t *testing.T) {
	for _, p := range lab.Plants() {
		switch p.Name {
		case "2x, exponential", "4x slower at 2x, exponential", "lull, then 2x, exponential", "90 s of timeouts at 0.8x, exponential":
		default:
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			virtual, _ := p.Virtual(lab.Laws()[0], 3)
			live := p.Judge("penstock", 3, Run(t, ours()[0], p, 3))
			for i, v := range virtual {
				a, b := v.Score(), live[i].Score()
				t.Logf("%s: %.3f in virtual time, %.3f live", v.Phase, a, b)
				if a < 0.6 || b < a-0.05 || b > a+0.05 {
					t.Errorf("%s: %.3f in virtual time, %.3f live", v.Phase, a, b)
				}
				if v.Offered != live[i].Offered {
					t.Errorf("%s: %d and %d offered", v.Phase, v.Offered, live[i].Offered)
				}
			}
		})
	}
}
