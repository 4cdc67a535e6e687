package config_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/config"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in     string
		want   time.Duration
		format string
		err    string
	}{
		{in: "250ms", want: 250 * time.Millisecond, format: "250ms"},
		{in: "1.5s", want: 1500 * time.Millisecond, format: "1.5s"},
		{in: "60s", want: time.Minute, format: "1m"},
		{in: "90m", want: 90 * time.Minute, format: "1h30m"},
		{in: "1h0m5s", want: time.Hour + 5*time.Second, format: "1h0m5s"},
		{in: "120m", want: 2 * time.Hour, format: "2h"},
		{in: "10m", want: 10 * time.Minute, format: "10m"},
		{in: "0", want: 0, format: "0s"},
		{in: "-5us", want: -5 * time.Microsecond, format: "-5µs"},
		{in: "5", err: `config: "5" has no unit, allowed: a duration such as 250ms or 1m30s`},
		{in: "1d", err: `config: "1d" is no duration, allowed: a duration such as 250ms or 1m30s`},
		{in: "", err: `config: "" is no duration, allowed: a duration such as 250ms or 1m30s`},
		{in: "3000000h", err: `config: "3000000h" is no duration, allowed: a duration such as 250ms or 1m30s`},
	}
	for _, test := range tests {
		got, err := config.ParseDuration(test.in)
		if got != test.want || text(err) != test.err {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v, %s", test.in, got, err, test.want, test.err)
		}
		if s := config.FormatDuration(got); err == nil && s != test.format {
			t.Errorf("FormatDuration(%v) = %q, want %q", got, s, test.format)
		}
	}
}

func TestParseRate(t *testing.T) {
	tests := []struct {
		in        string
		perSecond float64
		format    string
		err       string
	}{
		{in: "500/s", perSecond: 500, format: "500/s"},
		{in: "10/m", perSecond: 10.0 / 60, format: "10/m"},
		{in: "1.50/s", perSecond: 1.5, format: "1.5/s"},
		{in: "100/h", perSecond: 100.0 / 3600, format: "100/h"},
		{in: "0/s", perSecond: 0, format: "0/s"},
		{in: "1000000000000/s", perSecond: 1e12, format: "1000000000000/s"},
		{in: "500", err: `config: "500" has no unit, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "500/", err: `config: "500/" has the unknown unit "", allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "500/min", err: `config: "500/min" has the unknown unit "min", allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "-1/s", err: `config: "-1/s" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "1e3/s", err: `config: "1e3/s" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "1./s", err: `config: "1./s" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: ".5/s", err: `config: ".5/s" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "1000000000001/s", err: `config: "1000000000001/s" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "fast", err: `config: "fast" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
		{in: "NaN/s", err: `config: "NaN/s" is no rate, allowed: a rate such as 500/s, 10/m or 1.5/h`},
	}
	for _, test := range tests {
		got, err := config.ParseRate(test.in)
		if got.PerSecond() != test.perSecond || text(err) != test.err {
			t.Errorf("ParseRate(%q) = %v, %v; want %v, %s", test.in, got.PerSecond(), err, test.perSecond, test.err)
		}
		if err == nil && got.String() != test.format {
			t.Errorf("ParseRate(%q) prints %s, want %s", test.in, got, test.format)
		}
	}
}

func TestParsePercent(t *testing.T) {
	tests := []struct {
		in     string
		want   float64
		format string
		err    string
	}{
		{in: "10%", want: 0.1, format: "10%"},
		{in: "0%", want: 0, format: "0%"},
		{in: "100%", want: 1, format: "100%"},
		{in: "2.5%", want: 0.025, format: "2.5%"},
		{in: "0.010%", want: 0.0001, format: "0.01%"},
		{in: "12345%", want: 123.45, format: "12345%"},
		{in: "007%", want: 0.07, format: "7%"},
		{in: "10", err: `config: "10" has no % sign, allowed: a percentage such as 10%`},
		{in: "-1%", err: `config: "-1%" is no percentage, allowed: a percentage such as 10%`},
		{in: "%", err: `config: "%" is no percentage, allowed: a percentage such as 10%`},
		{in: "1e1%", err: `config: "1e1%" is no percentage, allowed: a percentage such as 10%`},
		{in: "1000000001%", err: `config: "1000000001%" is no percentage, allowed: a percentage such as 10%`},
	}
	for _, test := range tests {
		got, err := config.ParsePercent(test.in)
		if got != test.want || text(err) != test.err {
			t.Errorf("ParsePercent(%q) = %v, %v; want %v, %s", test.in, got, err, test.want, test.err)
		}
		if s := config.FormatPercent(got); err == nil && s != test.format {
			t.Errorf("FormatPercent(%v) = %q, want %q", got, s, test.format)
		}
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		in     string
		want   int64
		format string
		err    string
	}{
		{in: "64KiB", want: 65536, format: "64KiB"},
		{in: "1MiB", want: 1 << 20, format: "1MiB"},
		{in: "500MB", want: 500e6, format: "500MB"},
		{in: "1000kB", want: 1e6, format: "1MB"},
		{in: "1536MiB", want: 1536 << 20, format: "1536MiB"},
		{in: "3TB", want: 3e12, format: "3TB"},
		{in: "0B", want: 0, format: "0B"},
		{in: "1023B", want: 1023, format: "1023B"},
		{in: "9223372036854775807B", want: 1<<63 - 1, format: "9223372036854775807B"},
		{in: "9223372036854775808B", err: `config: "9223372036854775808B" is too large, allowed: a size such as 64KiB, 1MiB or 500MB`},
		{in: "8388608TiB", err: `config: "8388608TiB" is too large, allowed: a size such as 64KiB, 1MiB or 500MB`},
		{in: "64", err: `config: "64" has no unit, allowed: a size such as 64KiB, 1MiB or 500MB`},
		{in: "64KB", err: `config: "64KB" has the unknown unit "KB", allowed: a size such as 64KiB, 1MiB or 500MB`},
		{in: "1.5MiB", err: `config: "1.5MiB" has the unknown unit ".5MiB", allowed: a size such as 64KiB, 1MiB or 500MB`},
		{in: "-1B", err: `config: "-1B" is no size, allowed: a size such as 64KiB, 1MiB or 500MB`},
		{in: "", err: `config: "" is no size, allowed: a size such as 64KiB, 1MiB or 500MB`},
	}
	for _, test := range tests {
		got, err := config.ParseSize(test.in)
		if got != test.want || text(err) != test.err {
			t.Errorf("ParseSize(%q) = %v, %v; want %v, %s", test.in, got, err, test.want, test.err)
		}
		if s := config.FormatSize(got); err == nil && s != test.format {
			t.Errorf("FormatSize(%v) = %q, want %q", got, s, test.format)
		}
	}
}

// again reads, writes and reads a value, and demands the same value twice.
func again[T comparable](t *rapid.T, s string, parse func(string) (T, error), format func(T) string) {
	v, err := parse(s)
	if err != nil {
		return
	}
	written := format(v)
	if w, err := parse(written); err != nil || w != v {
		t.Fatalf("%q reads as %v, which is written %q, which reads as %v, %v", s, v, written, w, err)
	}
}

func roundTrip(t *rapid.T) {
	number := rapid.StringMatching(`[0-9]{1,12}(\.[0-9]{1,19})?`).Draw(t, "number")
	whole := rapid.StringMatching(`[0-9]{1,19}`).Draw(t, "whole")
	again(t, number+rapid.SampledFrom([]string{"/s", "/m", "/h"}).Draw(t, "per"), config.ParseRate, config.Rate.String)
	again(t, number+"%", config.ParsePercent, config.FormatPercent)
	again(t, number+rapid.SampledFrom([]string{"ns", "us", "ms", "s", "m", "h"}).Draw(t, "unit"), config.ParseDuration, config.FormatDuration)
	again(t, whole+rapid.SampledFrom([]string{"B", "kB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"}).Draw(t, "bytes"), config.ParseSize, config.FormatSize)
	anything := rapid.StringMatching(`[0-9a-zA-Z./%+-]{0,40}`).Draw(t, "anything")
	again(t, anything, config.ParseRate, config.Rate.String)
	again(t, anything, config.ParsePercent, config.FormatPercent)
	again(t, anything, config.ParseDuration, config.FormatDuration)
	again(t, anything, config.ParseSize, config.FormatSize)
}

func TestRoundTrip(t *testing.T) { rapid.Check(t, roundTrip) }

func FuzzRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(roundTrip)) }

func FuzzValues(f *testing.F) {
	for _, s := range []string{"1m30s", "10/m", "12.5%", "64KiB", "0.1%", "999999999.9999999999999999%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := config.ParseDuration(s); err == nil {
			if w, err := config.ParseDuration(config.FormatDuration(v)); err != nil || w != v {
				t.Fatalf("%q: %v, then %v, %v", s, v, w, err)
			}
		}
		if v, err := config.ParseRate(s); err == nil {
			if w, err := config.ParseRate(v.String()); err != nil || w != v || !(v.PerSecond() >= 0) {
				t.Fatalf("%q: %v, then %v, %v", s, v, w, err)
			}
		}
		if v, err := config.ParsePercent(s); err == nil {
			if w, err := config.ParsePercent(config.FormatPercent(v)); err != nil || w != v || !(v >= 0) {
				t.Fatalf("%q: %v, then %v, %v", s, v, w, err)
			}
		}
		if v, err := config.ParseSize(s); err == nil {
			if w, err := config.ParseSize(config.FormatSize(v)); err != nil || w != v || v < 0 {
				t.Fatalf("%q: %v, then %v, %v", s, v, w, err)
			}
		}
	})
}
