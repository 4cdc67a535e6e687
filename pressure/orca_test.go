package pressure_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pressure"
)

func TestAppendLoad(t *testing.T) {
	for _, row := range []struct {
		load pressure.Load
		want string
	}{
		{pressure.Load{}, "TEXT application_utilization=0.0,rps_fractional=0.0,eps=0.0"},
		{
			pressure.Load{Signal: pressure.Signal{Level: 0.8, Price: 300, Delay: 1500 * us, Retry: ms}, RPS: 812.25, EPS: 2},
			"TEXT application_utilization=0.8,rps_fractional=812.25,eps=2.0,named_metrics.penstock_price=300,named_metrics.penstock_delay_ms=1.5",
		},
		{
			pressure.Load{Signal: pressure.Signal{Level: math.NaN()}, RPS: math.Inf(1), EPS: math.NaN()},
			"TEXT application_utilization=0.0,rps_fractional=1000000000.0,eps=0.0",
		},
		{pressure.Load{Signal: pressure.Signal{Level: 2}, RPS: -1, EPS: math.Inf(-1)}, "TEXT application_utilization=1.0,rps_fractional=0.0,eps=0.0"},
	} {
		if got := string(pressure.AppendLoad([]byte("x"), row.load)); got != "x"+row.want {
			t.Errorf("%+v:\n got %q\nwant %q", row.load, got, "x"+row.want)
		}
	}
}

func TestParseLoad(t *testing.T) {
	full := pressure.Load{Signal: pressure.Signal{Level: 0.8, Price: 300, Delay: 1500 * us}, RPS: 812.25, EPS: 2}
	for _, row := range []struct {
		field string
		want  pressure.Load
		ok    bool
	}{
		{"TEXT application_utilization=0.8,rps_fractional=812.25,eps=2,named_metrics.penstock_price=300,named_metrics.penstock_delay_ms=1.5", full, true},
		{"TEXT application_utilization:0.8, rps_fractional : 812.25, eps=2e0, named_metrics.penstock_price:300, named_metrics.penstock_delay_ms:1.5", full, true},
		{`JSON {"application_utilization": 0.8, "rps_fractional": 812.25, "eps": 2, "named_metrics": {"penstock_price": 300, "penstock_delay_ms": 1.5}}`, full, true},
		{`JSON {"applicationUtilization": "0.8", "rpsFractional": 812.25, "eps": "2", "namedMetrics": {"penstock_price": 300, "penstock_delay_ms": 1.5, "foo": 1}}`, full, true},
		{"TEXT application_utilization=1.7,cpu_utilization=banana", pressure.Load{Signal: pressure.Signal{Level: 1}}, true},
		{"TEXT application_utilization=-1,eps=-5,rps_fractional=1e300", pressure.Load{RPS: 1e9}, true},
		{"TEXT named_metrics.penstock_price=99999,named_metrics.penstock_delay_ms=1e300", pressure.Load{Signal: pressure.Signal{Price: 1024, Delay: time.Hour}}, true},
		{`JSON {"application_utilization": 0.5, "eps": null, "other": [1, {"x": 2}]}`, pressure.Load{Signal: pressure.Signal{Level: 0.5}}, true},

		{"", pressure.Load{}, false},
		{"TEXT", pressure.Load{}, false},
		{"TEXT ", pressure.Load{}, false},
		{"TEXT cpu_utilization=0.3", pressure.Load{}, false}, // says nothing of how full it is
		{"TEXT eps=1", pressure.Load{}, false},
		{"TEXT application_utilization", pressure.Load{}, false},
		{"TEXT application_utilization=", pressure.Load{}, false},
		{"TEXT application_utilization=0.5,", pressure.Load{}, false},
		{"TEXT application_utilization=0.5,application_utilization=0.6", pressure.Load{}, false},
		{"TEXT application_utilization=nan", pressure.Load{}, false},
		{"TEXT application_utilization=inf", pressure.Load{}, false},
		{"TEXT application_utilization=1e999", pressure.Load{}, false},
		{"TEXT application_utilization=0x1p-2", pressure.Load{}, false},
		{"TEXT application_utilization=1_0", pressure.Load{}, false},
		{"TEXT application_utilization=0." + strings.Repeat("1", 40), pressure.Load{}, false},
		{"text application_utilization=0.5", pressure.Load{}, false},
		{"application_utilization=0.5", pressure.Load{}, false},
		{"TEXT " + strings.Repeat("a=1,", 64) + "application_utilization=0.5", pressure.Load{}, false},
		{"TEXT application_utilization=0.5,a=" + strings.Repeat("1", 4096), pressure.Load{}, false},
		{"JSON", pressure.Load{}, false},
		{"JSON {", pressure.Load{}, false},
		{"JSON []", pressure.Load{}, false},
		{"JSON null", pressure.Load{}, false},
		{`JSON {"application_utilization": 0.5} x`, pressure.Load{}, false},
		{`JSON {"application_utilization": "NaN"}`, pressure.Load{}, false},
		{`JSON {"application_utilization": "Infinity"}`, pressure.Load{}, false},
		{`JSON {"application_utilization": true}`, pressure.Load{}, false},
		{`JSON {"application_utilization": 0.5, "applicationUtilization": 0.6}`, pressure.Load{}, false},
		{`JSON {"application_utilization": 0.5, "application_utilization": 0.6}`, pressure.Load{}, false},
		{`JSON {"application_utilization": 0.5, "named_metrics": 3}`, pressure.Load{}, false},
		{"JSON " + strings.Repeat("[", 4000), pressure.Load{}, false},
		{"BIN CZqZmZmZmbk/", pressure.Load{}, false},
	} {
		if got, ok := pressure.ParseLoad(row.field); got != row.want || ok != row.ok {
			t.Errorf("%.120q: got %+v, %v; want %+v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

func drawLoad(t *rapid.T) pressure.Load {
	return pressure.Load{
		Signal: drawSignal(t),
		RPS:    rapid.Float64().Draw(t, "rps"),
		EPS:    rapid.Float64().Draw(t, "eps"),
	}
}

// The TEXT form is read back within its precision, and the same report in JSON
// reads the same.
func loadRoundTrip(t *rapid.T) {
	l := drawLoad(t)
	field := string(pressure.AppendLoad(nil, l))
	got, ok := pressure.ParseLoad(field)
	want := l.Clamp()
	if !ok || math.Abs(got.Level-want.Level) > 0.00051 || got.Price != want.Price || got.Retry != 0 ||
		want.Delay-got.Delay < 0 || want.Delay-got.Delay >= us ||
		math.Abs(got.RPS-min(max(l.RPS, 0), pressure.MaxPerSecond)) > 0.001 ||
		math.Abs(got.EPS-min(max(l.EPS, 0), pressure.MaxPerSecond)) > 0.001 {
		t.Fatalf("%+v sent as %q, read as %+v, %v", l, field, got, ok)
	}
	report, err := json.Marshal(map[string]any{
		"applicationUtilization": got.Level,
		"rps_fractional":         got.RPS,
		"eps":                    fmt.Sprint(got.EPS),
		"named_metrics":          map[string]any{"penstock_price": got.Price, "penstock_delay_ms": got.Delay.Seconds() * 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	if again, ok := pressure.ParseLoad("JSON " + string(report)); !ok || again != got {
		t.Fatalf("%s read as %+v, %v; want %+v", report, again, ok, got)
	}
}

func TestLoadRoundTrip(t *testing.T) { rapid.Check(t, loadRoundTrip) }
func FuzzLoadRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(loadRoundTrip)) }

func FuzzParseLoad(f *testing.F) {
	for _, field := range []string{
		"TEXT application_utilization=0.8,rps_fractional=812.25,eps=2,named_metrics.penstock_price=300",
		`JSON {"applicationUtilization": "0.8", "namedMetrics": {"penstock_delay_ms": 1.5}}`,
		"BIN CZqZmZmZmbk/",
	} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		l, ok := pressure.ParseLoad(field)
		inRange := l.Signal == l.Clamp() && l.Retry == 0 &&
			l.RPS >= 0 && l.RPS <= pressure.MaxPerSecond && l.EPS >= 0 && l.EPS <= pressure.MaxPerSecond
		if !inRange || !ok && l != (pressure.Load{}) {
			t.Fatalf("%q: got %+v, %v", field, l, ok)
		}
	})
}
