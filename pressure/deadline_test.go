package pressure_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pressure"
)

func TestDeadlines(t *testing.T) {
	const day = 24 * time.Hour
	parsers := map[string]func(string) (time.Duration, bool){
		"penstock": pressure.ParseDeadline,
		"envoy":    pressure.ParseEnvoyTimeout,
		"grpc":     pressure.ParseGRPCTimeout,
	}
	for _, row := range []struct {
		syntax, field string
		want          time.Duration
		ok            bool
	}{
		{"penstock", "250", 250 * ms, true},
		{"penstock", " 250;hop=2 ", 250 * ms, true},
		{"penstock", "0", 0, true},
		{"penstock", "-7", 0, true},
		{"penstock", "86400000", day, true},
		{"penstock", "86400001", day, true},
		{"penstock", "999999999999999", day, true},
		{"penstock", "9999999999999999", 0, false},
		{"penstock", "1.5", 0, false},
		{"penstock", "1s", 0, false},
		{"penstock", "5, 6", 0, false},
		{"penstock", "", 0, false},
		{"penstock", "soon", 0, false},
		{"penstock", strings.Repeat("0", 2000), 0, false},

		{"envoy", "250", 250 * ms, true},
		{"envoy", " 250\t", 250 * ms, true},
		{"envoy", "0", 0, true},
		{"envoy", "999999999999999999", day, true},
		{"envoy", "9999999999999999999", 0, false},
		{"envoy", "-1", 0, false},
		{"envoy", "+1", 0, false},
		{"envoy", "1.5", 0, false},
		{"envoy", "", 0, false},
		{"envoy", "0x10", 0, false},
		{"envoy", "١", 0, false},

		{"grpc", "1H", time.Hour, true},
		{"grpc", "2M", 2 * time.Minute, true},
		{"grpc", "3S", 3 * time.Second, true},
		{"grpc", "4m", 4 * ms, true},
		{"grpc", "5u", 5 * us, true},
		{"grpc", "6n", 6, true},
		{"grpc", "0S", 0, true},
		{"grpc", "99999999H", day, true},
		{"grpc", "99999999n", 99999999, true},
		{"grpc", "100000000n", 0, false},
		{"grpc", "1", 0, false},
		{"grpc", "H", 0, false},
		{"grpc", "1h", 0, false},
		{"grpc", "-1S", 0, false},
		{"grpc", "1.5S", 0, false},
		{"grpc", " 1S", 0, false},
		{"grpc", "1S ", 0, false},
		{"grpc", "", 0, false},
	} {
		if got, ok := parsers[row.syntax](row.field); got != row.want || ok != row.ok {
			t.Errorf("%s %q: got %v, %v; want %v, %v", row.syntax, row.field, got, ok, row.want, row.ok)
		}
	}
}

// Each hop passes on what is left, and never more.
func deadlineRoundTrip(t *rapid.T) {
	remaining := time.Duration(rapid.Int64().Draw(t, "remaining"))
	field := string(pressure.AppendDeadline(nil, remaining))
	got, ok := pressure.ParseDeadline(field)
	want := min(max(remaining, 0), pressure.MaxDeadline)
	if !ok || got > want || want-got >= ms {
		t.Fatalf("%v sent as %q, read as %v, %v", remaining, field, got, ok)
	}
	if envoy, ok := pressure.ParseEnvoyTimeout(field); !ok || envoy != got {
		t.Fatalf("%q: read as x-envoy-expected-rq-timeout-ms: %v, %v; want %v", field, envoy, ok, got)
	}
}

func TestDeadlineRoundTrip(t *testing.T) { rapid.Check(t, deadlineRoundTrip) }
func FuzzDeadlineRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(deadlineRoundTrip)) }

func FuzzParseDeadlines(f *testing.F) {
	for _, field := range []string{"250", "-1", "99999999H", "5u", "1;a=b"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		for _, parse := range []func(string) (time.Duration, bool){
			pressure.ParseDeadline, pressure.ParseEnvoyTimeout, pressure.ParseGRPCTimeout,
		} {
			if d, ok := parse(field); d < 0 || d > pressure.MaxDeadline || !ok && d != 0 {
				t.Fatalf("%q: got %v, %v", field, d, ok)
			}
		}
	})
}
