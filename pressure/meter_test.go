package pressure_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

func TestMeter(t *testing.T) {
	start := mono.Time(-1e18) // as in a synctest bubble
	var m pressure.Meter
	if rps, eps := m.Rates(start); rps != 0 || eps != 0 {
		t.Fatalf("of nothing: %v, %v", rps, eps)
	}
	// 200 per second, one in four fails, for 20 s.
	now := start
	for i := range 4000 {
		now = start.Add(time.Duration(i) * 5 * time.Millisecond)
		m.Count(now, i%4 == 0)
	}
	if rps, eps := m.Rates(now); math.Abs(rps-200) > 2 || math.Abs(eps-50) > 2 {
		t.Errorf("rates %v, %v; want about 200 and 50", rps, eps)
	}
	// It forgets with a time constant of 2 s, and asking changes nothing.
	before, _ := m.Rates(now)
	for range 2 {
		if rps, _ := m.Rates(now.Add(2 * time.Second)); math.Abs(rps-before/math.E) > 0.001 {
			t.Errorf("2 s later: %v; want %v", rps, before/math.E)
		}
	}
	// An instant in the past counts as the present.
	m.Count(now.Add(-time.Hour), false)
	if rps, _ := m.Rates(now); math.Abs(rps-before-0.5) > 0.001 {
		t.Errorf("one more: %v; want %v", rps, before+0.5)
	}
}

// The decayed counts are the sums that they stand for.
func meterProperty(t *rapid.T) {
	type event struct {
		at     mono.Time
		failed bool
	}
	var m pressure.Meter
	var seen []event
	now := mono.Time(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "start"))
	for range rapid.IntRange(1, 50).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "gap")))
		e := event{now, rapid.Bool().Draw(t, "failed")}
		seen = append(seen, e)
		m.Count(e.at, e.failed)
	}
	now = now.Add(time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "rest")))
	var rps, eps float64
	for _, e := range seen {
		weight := math.Exp(-now.Sub(e.at).Seconds()/2) / 2
		rps += weight
		if e.failed {
			eps += weight
		}
	}
	gotRPS, gotEPS := m.Rates(now)
	if math.Abs(gotRPS-rps) > 1e-6 || math.Abs(gotEPS-eps) > 1e-6 {
		t.Fatalf("rates %v, %v; want %v, %v", gotRPS, gotEPS, rps, eps)
	}
}

func TestMeterSums(t *testing.T) { rapid.Check(t, meterProperty) }
func FuzzMeterSums(f *testing.F) { f.Fuzz(rapid.MakeFuzz(meterProperty)) }
