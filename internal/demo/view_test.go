package demo_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/internal/demo"
	"github.com/penstock-go/penstock/internal/golden"
)

// peak is a frame from the middle of an overload.
func peak() demo.Frame {
	var collapsed, held []float64
	for i := range 70 {
		share := 0.5
		if i >= 30 {
			share = 1
		}
		held = append(held, share)
		collapsed = append(collapsed, share*max(0, 1-float64(max(i-30, 0))/10))
	}
	return demo.Frame{
		Workers: 8, Service: "10ms", Capacity: 800, Deadline: 100 * time.Millisecond,
		Phases: []demo.Phase{{Load: 0.5, For: 10 * time.Second}, {Load: 3, For: 20 * time.Second}, {Load: 0.8, For: 10 * time.Second}},
		Phase:  2, Left: 16600 * time.Millisecond,
		Lanes: [2]demo.LaneFrame{
			{
				Name: "unprotected", URL: "http://127.0.0.1:41231",
				Offered: 2412.4, Good: 12, Late: 2380, Errors: 3, P99: 97100 * time.Microsecond,
				InService: 18234, Wasted: 9000, History: collapsed,
			},
			{
				Name: "protected", URL: "http://127.0.0.1:8080",
				Offered: 2412.4, Good: 788, Refused: 1620, P99: 21340 * time.Microsecond,
				InService: 10, History: held,
				Gateway: &demo.GatewayFrame{InFlight: 10, Waiting: 3, Limit: 10.25, Level: 0.93},
			},
		},
	}
}

func TestRender(t *testing.T) {
	before, after := peak(), peak()
	before.Phase, before.Left = 0, 40*time.Second
	after.Phase, after.Left = 4, 0
	for name, c := range map[string]struct {
		frame  demo.Frame
		width  int
		colour bool
	}{
		"80":     {peak(), 80, false},
		"64":     {peak(), demo.MinWidth, false},
		"200":    {peak(), 200, false},
		"colour": {peak(), 80, true},
		"before": {before, 80, false},
		"after":  {after, 80, false},
	} {
		golden.Check(t, "frame-"+name+".txt", strings.Join(demo.Render(c.frame, c.width, c.colour), "\n")+"\n")
	}
}

func TestLines(t *testing.T) {
	f := peak()
	golden.Check(t, "lines.txt", strings.Join([]string{
		demo.Line(f), demo.Short(f, 200), demo.Short(f, 30), demo.Rest(f, 200), demo.Rest(f, 40),
	}, "\n")+"\n")
}

// TestRenderFits: whatever the figures, each line fits, and both lanes are there.
func TestRenderFits(t *testing.T) { rapid.Check(t, renderFits) }

func FuzzRenderFits(f *testing.F) { f.Fuzz(rapid.MakeFuzz(renderFits)) }

func renderFits(t *rapid.T) {
	f := peak()
	rate := rapid.Float64Range(0, 1e12)
	f.Capacity = rapid.Float64Range(0.1, demo.MaxOffered).Draw(t, "capacity")
	f.Phase = rapid.IntRange(0, 4).Draw(t, "phase")
	f.Left = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "left"))
	for i := range f.Lanes {
		l := &f.Lanes[i]
		l.Offered, l.Good, l.Late = rate.Draw(t, "offered"), rate.Draw(t, "good"), rate.Draw(t, "late")
		l.Refused, l.Errors = rate.Draw(t, "refused"), rate.Draw(t, "errors")
		l.P99 = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "p99"))
		l.InService = rapid.IntRange(0, demo.MaxQueue).Draw(t, "in service")
		l.History = rapid.SliceOfN(rapid.Float64Range(0, 10), 0, demo.HistoryLength).Draw(t, "history")
	}
	width := rapid.IntRange(demo.MinWidth, 300).Draw(t, "width")
	lines := demo.Render(f, width, false)
	for _, line := range append(lines, demo.Short(f, width), demo.Rest(f, width)) {
		if n := utf8.RuneCountInString(line); n > width {
			t.Fatalf("%d columns of %d: %q", n, width, line)
		}
	}
	if len(lines) != 14 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines[3:] {
		if strings.Count(line, " | ") != 1 {
			t.Fatalf("the lanes are not side by side: %q", line)
		}
	}
}

func summary() demo.Summary {
	return demo.Summary{
		Workers: 8, Service: "10ms", Capacity: 800, DeadlineMS: 100,
		Addresses: demo.Addresses{Unprotected: "http://127.0.0.1:41231", Protected: "http://127.0.0.1:8080", Admin: "http://127.0.0.1:8081"},
		Phases: []demo.PhaseSummary{
			{
				Load: 0.5, Seconds: 10,
				Unprotected: demo.LaneSummary{Offered: 4000, Good: 4000, OfferedPerSecond: 400, GoodPerSecond: 400, OfCapacity: 0.5, P99MS: 12.9},
				Protected:   demo.LaneSummary{Offered: 4000, Good: 4000, OfferedPerSecond: 400, GoodPerSecond: 400, OfCapacity: 0.5, P99MS: 13.4},
			},
			{
				Load: 3, Seconds: 20,
				Unprotected: demo.LaneSummary{Offered: 48000, Late: 48000, OfferedPerSecond: 2400, LagP99MS: 0.4},
				Protected: demo.LaneSummary{
					Offered: 48000, Good: 15800, Refused: 32000, Late: 200,
					OfferedPerSecond: 2400, GoodPerSecond: 790, OfCapacity: 0.9875, P99MS: 21.25, LagP99MS: 0.5,
				},
			},
		},
		Left: demo.LanePair{Unprotected: 31000}, Wasted: demo.LanePair{Unprotected: 17000, Protected: 12},
		Refusal: "1kqz8h2v0c3xw",
	}
}

func TestSummary(t *testing.T) {
	busy := summary()
	busy.Interrupted, busy.Left, busy.Wasted = true, demo.LanePair{}, demo.LanePair{}
	busy.Phases[1].Unprotected.LagP99MS = 5.1
	for name, s := range map[string]demo.Summary{"summary": summary(), "summary-busy": busy, "summary-empty": {Interrupted: true}} {
		var b bytes.Buffer
		if err := s.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name+".txt", b.String())
	}
	data, err := json.MarshalIndent(summary(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "summary.json", string(data)+"\n")
}
