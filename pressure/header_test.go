package pressure_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/pressure"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

func TestAppendHeader(t *testing.T) {
	for _, row := range []struct {
		signal pressure.Signal
		want   string
	}{
		{pressure.Signal{}, "level=0.0"},
		{pressure.Signal{Level: 0.5}, "level=0.5"},
		{pressure.Signal{Level: 0.8421, Price: 300, Delay: 1500 * us, Retry: 120 * ms}, "level=0.842, price=300, delay=1.5, retry=120"},
		{pressure.Signal{Level: 1, Retry: 1}, "level=1.0, retry=1"}, // rounded up
		{pressure.Signal{Level: 7, Price: 9999, Delay: 48 * time.Hour, Retry: time.Hour}, "level=1.0, price=1024, delay=3600000.0, retry=30000"},
		{pressure.Signal{Level: -1, Delay: -1, Retry: -1}, "level=0.0"},
		{pressure.Signal{Level: math.NaN()}, "level=0.0"},
		{pressure.Signal{Level: math.Inf(1)}, "level=1.0"},
		{pressure.Signal{Level: math.Inf(-1)}, "level=0.0"},
	} {
		if got := string(pressure.AppendHeader([]byte("x"), row.signal)); got != "x"+row.want {
			t.Errorf("%+v: got %q, want %q", row.signal, got, "x"+row.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, row := range []struct {
		field string
		want  pressure.Signal
		ok    bool
	}{
		{"level=0.842, price=300, delay=1.5, retry=120", pressure.Signal{Level: 0.842, Price: 300, Delay: 1500 * us, Retry: 120 * ms}, true},
		{"level=1", pressure.Signal{Level: 1}, true}, // an Integer where a Decimal is due
		{"price=7", pressure.Signal{Price: 7}, true},
		{"delay=2", pressure.Signal{Delay: 2 * ms}, true},
		{"level=0.1, level=0.2", pressure.Signal{Level: 0.2}, true},
		{"level=x, level=0.2", pressure.Signal{Level: 0.2}, true}, // only the last counts
		{`level=0.1;a;b="c", future=(1 2), tier=:aa:`, pressure.Signal{Level: 0.1}, true},
		{"level=5.0, price=5000, delay=999999999.0, retry=999999", pressure.Signal{Level: 1, Price: 1024, Delay: time.Hour, Retry: 30 * time.Second}, true},
		{"level=-5.0, price=-1, delay=-1, retry=-1", pressure.Signal{}, true},

		{"", pressure.Signal{}, false},
		{"future=1", pressure.Signal{}, false},
		{"level", pressure.Signal{}, false}, // a Boolean
		{"level=0.2, level=x", pressure.Signal{}, false},
		{`level="0.5"`, pressure.Signal{}, false},
		{"level=(0.5)", pressure.Signal{}, false},
		{"level=NaN", pressure.Signal{}, false},
		{"price=1.5", pressure.Signal{}, false},
		{"retry=1.5", pressure.Signal{}, false},
		{"level=0.5, price=", pressure.Signal{}, false},
		{"level=0.5,", pressure.Signal{}, false},
		{"level=0.5; price=3", pressure.Signal{Level: 0.5}, true}, // price is a parameter here
		{"Level=0.5", pressure.Signal{}, false},
		{"level=1e-1", pressure.Signal{}, false},
		{strings.Repeat(" ", 1024) + "level=0.5", pressure.Signal{}, false},
	} {
		if got, ok := pressure.Parse(row.field); got != row.want || ok != row.ok {
			t.Errorf("%q: got %+v, %v; want %+v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

func drawSignal(t *rapid.T) pressure.Signal {
	return pressure.Signal{
		Level: rapid.Float64().Draw(t, "level"),
		Price: penstock.Price(rapid.Uint16().Draw(t, "price")),
		Delay: time.Duration(rapid.Int64().Draw(t, "delay")),
		Retry: time.Duration(rapid.Int64().Draw(t, "retry")),
	}
}

// Whatever is sent is read back as it was, clamped and within the precision of
// its member.
func headerRoundTrip(t *rapid.T) {
	s := drawSignal(t)
	field := string(pressure.AppendHeader(nil, s))
	got, ok := pressure.Parse(field)
	want := s.Clamp()
	if !ok || math.Abs(got.Level-want.Level) > 0.00051 || got.Price != want.Price ||
		want.Delay-got.Delay < 0 || want.Delay-got.Delay >= us || got.Retry-want.Retry < 0 || got.Retry-want.Retry >= ms {
		t.Fatalf("%+v sent as %q, read as %+v, %v", want, field, got, ok)
	}
	if again := string(pressure.AppendHeader(nil, got)); again != field {
		t.Fatalf("%q, sent again as %q", field, again)
	}
}

func TestHeaderRoundTrip(t *testing.T) { rapid.Check(t, headerRoundTrip) }
func FuzzHeaderRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(headerRoundTrip)) }

func FuzzParse(f *testing.F) {
	for _, field := range []string{"level=0.842, price=300, delay=1.5, retry=120", "level=9.9, price=-1", "level", "a=(1 2);x"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		s, ok := pressure.Parse(field)
		if s != s.Clamp() || !ok && s != (pressure.Signal{}) {
			t.Fatalf("%q: got %+v, %v", field, s, ok)
		}
	})
}
