package arrival_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/sim/arrival"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{
		"1000/s": 1000, "90/m": 1.5, "1800/h": 0.5, "0.25/s": 0.25, "0/s": 0, "1000000000/s": 1e9,
	} {
		if got, err := arrival.ParseRate(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "/", "1000", "/s", "1000/", "1000/S", "-1/s", "+1/s", "NaN/s", "Inf/s", "0x10/s", "1_000/s",
		"2e3/s", "1e999/s", "1./s", ".5/s", "1.2.3/s", "10000000000/s", "1 /s", "1/s/s", "1/ms",
	} {
		if got, err := arrival.ParseRate(text); err == nil {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for text, canonical := range map[string]string{
		"6000/m":                                                   "100/s",
		"steps:100/s@5s,2000/s@10s,100/s@5s":                       "",
		"steps:100/s@5s,0/s@1500ms,100/s":                          "steps:100/s@5s,0/s@1.5s,100/s",
		"spike:base=100/s,peak=2000/s,at=5s,for=3s":                "steps:100/s@5s,2000/s@3s,100/s",
		"spike:for=3s,at=5s,peak=2000/s,base=0/s":                  "steps:0/s@5s,2000/s@3s,0/s",
		"onoff:rate=2000/s,on=2s,off=3s,low=100/s":                 "",
		"onoff:rate=2000/s,on=2s,off=3s":                           "onoff:rate=2000/s,on=2s,off=3s,low=0/s",
		"steps:10/s":                                               "10/s",
		"diurnal:low=20/s,high=200/s,every=24h":                    "diurnal:low=20/s,high=200/s,every=24h0m0s",
		"diurnal:every=1m,high=6000/m,low=0/s":                     "diurnal:low=0/s,high=100/s,every=1m0s",
		"steps:0.001/s@87600h":                                     "steps:0.001/s@87600h0m0s",
		"onoff:rate=0.000000001/s,on=1ns,off=1ns,low=1000000000/s": "onoff:rate=0.000000001/s,on=1ns,off=1ns,low=1000000000/s",
	} {
		if canonical == "" {
			canonical = text
		}
		p, err := arrival.ParseProfile(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if p.String() != canonical {
			t.Errorf("%s: printed as %s", text, p)
		}
	}
}

func TestParseProfileErrors(t *testing.T) {
	for text, wants := range map[string][]string{
		"":                                     {`"" is not a rate`, "100/s"},
		"fast":                                 {`"fast" is not a rate`},
		"0/s":                                  {"rate: 0 is not a rate above 0"},
		"-5/s":                                 {`"-5/s" is not a rate`},
		"ramp:1/s":                             {`"ramp" is not a kind of profile`, "steps:, spike:, onoff: and diurnal:"},
		"steps:":                               {"step 1", `"" is not a rate`},
		"steps:1/s,2/s@1s":                     {"step 1", "only the last step may leave it out"},
		"steps:1/s@0s":                         {`"0s" is not a time above 0`},
		"steps:1/s@-1s,x":                      {"step 1", `"-1s"`, "step 2", `"x"`},
		"steps:0/s@1s":                         {"every rate is 0"},
		"steps:1/s@87600h,":                    {"step 2"},
		"steps:1/s@50000h,1/s@50000h":          {"step 2 ends after more than"},
		"spike:base=1/s":                       {"peak is missing", "at is missing", "for is missing"},
		"spike:base=1/s,peak=0/s,at=1s,for=1s": {"peak: 0 is not a rate above 0"},
		"spike:base=1/s,peak=2/s,at=1s,for=1s,x=1":    {`"x" is not a key`, "base, peak, at, for"},
		"spike:base=1/s,base=2/s":                     {"base is given twice"},
		"onoff:rate=1/s,on,off=0s":                    {`"on" is not key=value`, "on is missing", `off: "0s"`},
		"onoff:rate=0/s,on=1s,off=1s":                 {"rate: 0 is not a rate above 0"},
		"diurnal:low=3/s,high=2/s,every=1h":           {"low: 3 per second is more than high"},
		"diurnal:low=1/s,high=2/s,every=95ns":         {"every: 95ns is not at least 96 ns"},
		"diurnal:low=1/s":                             {"high is missing", "every is missing"},
		"steps:" + strings.Repeat("1/s@1s,", 1000):    {"1001 steps", "1 to 1000"},
		strings.Repeat("9", 1+arrival.MaxText) + "/s": {"up to 65536"},
	} {
		_, err := arrival.ParseProfile(text)
		if err == nil {
			t.Errorf("%.60q: accepted", text)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%.60q: %q does not say %q", text, err, want)
			}
		}
	}
}

func TestConstructorsRejectWhatIsNoRate(t *testing.T) {
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1.1e9} {
		if _, err := arrival.Flat(bad); err == nil {
			t.Errorf("Flat(%v): accepted", bad)
		}
		if _, err := arrival.Spike(1, bad, time.Second, time.Second); err == nil {
			t.Errorf("Spike(peak %v): accepted", bad)
		}
		if _, err := arrival.OnOff(bad, 1, time.Second, time.Second); err == nil {
			t.Errorf("OnOff(%v): accepted", bad)
		}
		if _, err := arrival.Steps(arrival.Step{PerSecond: bad, For: time.Second}); err == nil {
			t.Errorf("Steps(%v): accepted", bad)
		}
		if bad == 0 {
			continue // a base and a pause may be 0
		}
		if _, err := arrival.Spike(bad, 1, time.Second, time.Second); err == nil {
			t.Errorf("Spike(base %v): accepted", bad)
		}
		if _, err := arrival.OnOff(1, bad, time.Second, time.Second); err == nil {
			t.Errorf("OnOff(low %v): accepted", bad)
		}
	}
	for _, bad := range []time.Duration{0, -1, arrival.MaxLength + 1, arrival.Endless} {
		if _, err := arrival.OnOff(1, 1, bad, time.Second); err == nil {
			t.Errorf("OnOff(on %v): accepted", bad)
		}
	}
	if _, err := arrival.Steps(); err == nil {
		t.Error("no steps: accepted")
	}
	endless := arrival.Step{PerSecond: 1, For: arrival.Endless}
	if _, err := arrival.Steps(endless, endless); err == nil {
		t.Error("an endless step before the last: accepted")
	}
}

func TestProfileQuestions(t *testing.T) {
	p := must(t, "steps:100/s@5s,2000/s@10s")
	for _, c := range []struct {
		at       time.Duration
		rate     float64
		expected float64
	}{
		{-1, 0, 0},
		{0, 100, 0},
		{5*time.Second - 1, 100, 500},
		{5 * time.Second, 2000, 500},
		{10 * time.Second, 2000, 10_500},
		{15 * time.Second, 0, 20_500},
		{time.Hour, 0, 20_500},
	} {
		if got := p.PerSecondAt(c.at); got != c.rate {
			t.Errorf("rate at %v: %v, want %v", c.at, got, c.rate)
		}
		if got := p.Expected(c.at); math.Abs(got-c.expected) > 1e-3 {
			t.Errorf("expected until %v: %v, want %v", c.at, got, c.expected)
		}
	}
	for text, want := range map[string]time.Duration{
		"steps:1/s@5s,2/s@7s": 12 * time.Second, "1/s": 0, "steps:1/s@5s,2/s": 0, "onoff:rate=1/s,on=1s,off=1s": 0,
	} {
		if got, ok := must(t, text).Length(); got != want || ok != (want > 0) {
			t.Errorf("%s lasts %v, %v, want %v", text, got, ok, want)
		}
	}
}

// roundTrip holds for every profile: its text reads back as the same text, and
// asks for the same arrivals.
func roundTrip(t *rapid.T) {
	p := profiles(t)
	q, err := arrival.ParseProfile(p.String())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "at"))
	if p.String() != q.String() || p.Expected(at) != q.Expected(at) || p.PerSecondAt(at) != q.PerSecondAt(at) {
		t.Fatalf("%v became %v", p, q)
	}
}

func TestRoundTrip(t *testing.T) { rapid.Check(t, roundTrip) }

func FuzzParseProfile(f *testing.F) {
	for _, seed := range []string{
		"1000/s", "steps:100/s@5s,2000/s@10s,100/s", "spike:base=1/s,peak=2/s,at=5s,for=3s",
		"onoff:rate=0.000000001/s,on=1ns,off=1ns,low=0/s", "steps:,@", "onoff:==,,",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := arrival.ParseProfile(text)
		if err != nil {
			return
		}
		q, err := arrival.ParseProfile(p.String())
		if err != nil || q.String() != p.String() {
			t.Fatalf("%q became %q, %v", text, p, err)
		}
		process := arrival.Constant(p)
		last := time.Duration(0)
		for range 20 {
			at, ok := process.Next()
			if !ok {
				break
			}
			if at < last || at >= arrival.MaxLength || p.PerSecondAt(at) == 0 && at > last {
				t.Fatalf("%q: arrival at %v after %v", text, at, last)
			}
			last = at
		}
	})
}
