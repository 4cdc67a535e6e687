package pressure_test

import (
	"math"
	"testing"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

func TestPacer(t *testing.T) {
	p := pressure.NewPacer(pressure.PacerConfig{Least: 10, Most: 1000, Start: 100})
	at := func(ms int) mono.Time { return mono.Time(0).Add(time.Duration(ms) * time.Millisecond) }
	for i, step := range []struct {
		at      mono.Time
		level   float64
		changed bool
		rate    float64
	}{
		{at(0), 0.5, true, 120},
		{at(99), 0, false, 120}, // too soon to see what the last change did
		{at(100), 0.79, true, 140},
		{at(200), 0.8, true, 98},
		{at(150), 1, false, 98}, // time went backwards
		{at(300), math.NaN(), true, 68.6},
		{at(400), math.Inf(1), true, 48.02},
	} {
		changed := p.Observe(step.at, step.level)
		if changed != step.changed || math.Abs(p.PerSecond()-step.rate) > 1e-9 {
			t.Fatalf("step %d: %v, %v per second; want %v, %v", i, changed, p.PerSecond(), step.changed, step.rate)
		}
	}
	for i := range 100 {
		p.Observe(at(1000+100*i), 1)
	}
	if p.PerSecond() != 10 {
		t.Errorf("%v per second at full pressure, want Least", p.PerSecond())
	}
	for i := range 100 {
		p.Observe(at(20000+100*i), 0)
	}
	if p.PerSecond() != 1000 {
		t.Errorf("%v per second without pressure, want Most", p.PerSecond())
	}
}

// TestPacersShareEvenly: two that begin far apart come to the same rate.
func TestPacersShareEvenly(t *testing.T) {
	cfg := pressure.PacerConfig{Least: 1, Most: 1000}
	a := pressure.NewPacer(cfg)
	cfg.Start = 900
	b := pressure.NewPacer(cfg)
	for i := range 400 {
		now := mono.Time(0).Add(time.Duration(i) * pressure.PaceStep)
		level := (a.PerSecond() + b.PerSecond()) / 1000 // the callee does 800 at the target
		a.Observe(now, level)
		b.Observe(now, level)
	}
	if math.Abs(a.PerSecond()-b.PerSecond()) > 1 || a.PerSecond()+b.PerSecond() < 500 || a.PerSecond()+b.PerSecond() > 850 {
		t.Errorf("%v and %v per second", a.PerSecond(), b.PerSecond())
	}
}

func TestPacerRefusesBadBounds(t *testing.T) {
	for _, cfg := range []pressure.PacerConfig{{}, {Least: -1, Most: 1}, {Least: 2, Most: 1}, {Least: math.NaN(), Most: 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", cfg)
				}
			}()
			pressure.NewPacer(cfg)
		}()
	}
}
