package arena_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/internal/golden"
	"github.com/penstock-go/penstock/lab/arena"
)

// results are made up: two limiters that meet ours on one plant.
func results() *arena.Results {
	plant := arena.Plants()[2].Name
	res := &arena.Results{
		Format: arena.Format, Date: "2026-11-22", Command: "make arena", Go: "go1.26",
		Limiters: []arena.Limiter{
			{Name: "penstock", Kind: arena.Ours, Config: "none"},
			{Name: "other", Kind: arena.Peer, Module: "example.org/other v1", Config: "its defaults"},
			{Name: "knows", Kind: arena.Told, Config: "8"},
			{Name: "blind", Kind: arena.Peer, Config: "needs a processor", Unjudged: "there is none"},
			{Name: "none", Kind: arena.Baseline, Config: "nothing"},
		},
		Curves: []arena.Curve{{Plant: plant, Limiter: "other", Step: 0.5, Good: []float64{1, 2.5}}},
	}
	for seed := range uint64(2) {
		for _, r := range []arena.Run{
			{Limiter: "penstock", Good: 960, Refused: 980, P50: 20, P99: 60, Settle: 1},
			{Limiter: "other", Good: 990 - 200*int(seed), Refused: 950, P50: 15, P99: 40, Settle: 0.2},
			{Limiter: "knows", Good: 955, Refused: 900, P50: 10, P99: 30, Settle: 0},
			{Limiter: "none", Settle: -1},
		} {
			r.Plant, r.Phase, r.Seed, r.Offered, r.Attainable = plant, "steady", seed, 2000, 1000
			res.Runs = append(res.Runs, r)
		}
	}
	return res
}

func board(t *testing.T) *arena.Scoreboard {
	t.Helper()
	virtual := &arena.Results{
		Format:   arena.Format,
		Limiters: []arena.Limiter{{Name: arena.OracleName, Kind: arena.Baseline}, {Name: arena.VirtualName, Kind: arena.Ours}},
	}
	for _, name := range []string{arena.OracleName, arena.VirtualName} {
		virtual.Runs = append(virtual.Runs, arena.Run{
			Plant: arena.Plants()[2].Name, Phase: "steady", Limiter: name,
			Offered: 2000, Good: 1000, Refused: 1000, Attainable: 1000, P50: 10, P99: 50,
		})
	}
	return arena.NewScoreboard(arena.Plants()[2:3], virtual, results())
}

func TestResultsAreReadAsWritten(t *testing.T) {
	want := results()
	var b bytes.Buffer
	if err := want.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := arena.Read(&b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestReadNamesProblems(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*arena.Results)
		want   []string
	}{
		"format":   {func(r *arena.Results) { r.Format = "x" }, []string{`format: "x"`, arena.Format}},
		"stranger": {func(r *arena.Results) { r.Runs[1].Limiter = "who" }, []string{`runs[1].limiter: there is no "who"`}},
		"two": {func(r *arena.Results) { r.Limiters[1].Name, r.Limiters[0].Kind = "penstock", "great" }, []string{
			`limiters[1].name: "penstock"`, `limiters[0].kind: "great", allowed: ours, peer, told, baseline`,
		}},
		"too many good": {func(r *arena.Results) { r.Runs[0].Good = 2000 }, []string{"runs[0]: 2000 good and 980 refused of 2000"}},
		"latency":       {func(r *arena.Results) { r.Runs[0].P50 = 61 }, []string{"runs[0]: p50 of 61 ms, p99 of 60 ms"}},
		"curve":         {func(r *arena.Results) { r.Curves[0].Step = 0 }, []string{"curves[0]"}},
	} {
		r := results()
		c.change(r)
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
		_, err := arena.Read(&b)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", name, err, want)
			}
		}
	}
	for text, want := range map[string]string{
		"{\n\"format\": ,\n}":                "line 2",
		`{"fromat": ""}`:                     "fromat",
		strings.Repeat(" ", arena.MaxFile+1): "longer than",
	} {
		if _, err := arena.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v does not say %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := results().Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		res, err := arena.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		s := arena.NewScoreboard(arena.Plants()[2:3], &arena.Results{Limiters: []arena.Limiter{{Name: arena.OracleName}}}, res)
		if err := errors.Join(s.WriteText(&bytes.Buffer{}), s.WriteHTML(&bytes.Buffer{})); err != nil {
			t.Error(err)
		}
	})
}

// TestScoreboard: the merge, the losses and the text.
func TestScoreboard(t *testing.T) {
	s := board(t)
	var b bytes.Buffer
	if err := s.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "scoreboard.txt", b.String())
	var got []string
	for _, l := range s.Losses {
		got = append(got, l.Measure+" to "+l.Limiter)
	}
	// other's mean is lower than ours, so its latency does not count; what knows
	// does not refuse is late.
	want := []string{"p99, ms to knows", "settles, s to knows"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("losses: %q, want %q", got, want)
	}
}

func TestPageNeedsNothing(t *testing.T) {
	s := board(t)
	s.Limiters[1].Config = "<script>alert(1)</script>"
	s.Tables[0].Rows[1].Limiter = "<b>bold"
	var b bytes.Buffer
	if err := s.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script>alert", "<b>bold", "src=", "http://", "https://", "@import", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"&lt;b&gt;bold", "example.org/other v1", "Not judged: there is none", s.Tables[0].Plant} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

// TestPlants: each has a name of its own, and phases inside its time.
func TestPlants(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range arena.Plants() {
		if seen[p.Name] || p.About == "" || len(p.Phases) == 0 {
			t.Errorf("%q: no name of its own, nothing about it, or no phases", p.Name)
		}
		seen[p.Name] = true
		for _, phase := range p.Phases {
			if phase.From >= phase.To || phase.To > p.Trial.Length() || phase.Since > phase.From {
				t.Errorf("%s: %+v of %v", p.Name, phase, p.Trial.Length())
			}
		}
	}
}

// TestPhasesAreOfOneRun: what is judged in a phase is what happens in the whole
// trial, though later phases are not run.
func TestPhasesAreOfOneRun(t *testing.T) {
	p := arena.Plant{Name: "short", Trial: arena.Plants()[0].Trial}
	p.Trial.Load = []limittest.Load{{For: 3 * time.Second, Of: 1.5}, {For: 2 * time.Second, Of: 0.5}}
	p.Trial.Events = []limittest.Event{{At: time.Second, Speed: 0.5}, {At: 4 * time.Second, Speed: 1}}
	p.Phases = []arena.Phase{
		{Name: "a", From: time.Second, To: 2 * time.Second},
		{Name: "b", From: 2 * time.Second, To: 5 * time.Second},
	}
	law := arena.Laws()[0]
	runs, _ := p.Virtual(law, 7)
	whole := p.Trial
	whole.New, whole.Seed = law.New, 7
	r := whole.Run()
	for i, phase := range p.Phases {
		c := r.Between(phase.From, phase.To)
		if runs[i].Good != c.Good || runs[i].Offered != c.Offered || runs[i].Refused != c.Refused || runs[i].Good == 0 {
			t.Errorf("%s: %+v, in the whole %+v", phase.Name, runs[i], c)
		}
	}
}

// TestSettle judges a run that is made up: good from an instant on.
func TestSettle(t *testing.T) {
	p := arena.Plants()[2] // 2x, constant: 800 per second can be answered
	for from, want := range map[time.Duration]float64{0: 0, 700 * time.Millisecond: 0.7, 9900 * time.Millisecond: -1} {
		var out arena.Outcome
		for at := time.Duration(0); at < p.Trial.Length(); at += limittest.WindowLength {
			c := limittest.Counts{Offered: 160}
			if at >= from {
				c.Good = 80
			}
			out.Windows = append(out.Windows, c)
		}
		run := p.Judge("x", 0, out)[0]
		// A half second counts once it is 80 % full.
		if got := run.Settle; (got < 0) != (want < 0) || got < want-0.101 || got > want+0.001 {
			t.Errorf("good from %v on: settles after %v s, want %v", from, got, want)
		}
		if from == 0 && (run.Score() < 0.95 || run.Score() > 1.05) {
			t.Errorf("all that 8 workers can do is %.3f of what is attainable", run.Score())
		}
	}
}

func TestRunVirtual(t *testing.T) {
	plants := arena.Plants()[:1]
	calls := 0
	res, err := arena.RunVirtual(t.Context(), plants, 2, func(done, of int) {
		if calls++; done != calls || of != 2 {
			t.Errorf("call %d: %d of %d", calls, done, of)
		}
	})
	if err != nil || calls != 2 {
		t.Fatalf("%d calls, %v", calls, err)
	}
	if want := 2 * (1 + len(arena.Laws())); len(res.Runs) != want {
		t.Errorf("%d runs, want %d", len(res.Runs), want)
	}
	for _, r := range res.Runs {
		if s := r.Score(); s < 0.97 || s > 1.03 {
			t.Errorf("half the load: %s keeps %.3f", r.Limiter, s)
		}
	}
	again, err := arena.RunVirtual(t.Context(), plants, 2, nil)
	if err != nil || fmt.Sprint(again.Runs) != fmt.Sprint(res.Runs) {
		t.Errorf("the second time it is another: %v", err)
	}
}

func TestRunVirtualStops(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := arena.RunVirtual(ctx, arena.Plants(), 1, nil); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	for _, seeds := range []int{0, arena.MaxSeeds + 1} {
		if _, err := arena.RunVirtual(t.Context(), nil, seeds, nil); err == nil {
			t.Errorf("%d seeds are fine", seeds)
		}
	}
}
