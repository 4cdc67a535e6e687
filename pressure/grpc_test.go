package pressure_test

import (
	"encoding/base64"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/pressure"
)

func TestPushback(t *testing.T) {
	for _, row := range []struct {
		field string
		wait  time.Duration
		again bool
	}{
		{"0", 0, true},
		{"250", 250 * ms, true},
		{"2147483647", pressure.MaxPushback, true},
		{"2147483648", 0, false}, // does not fit: cannot be read
		{"-1", 0, false},
		{"-2147483648", 0, false},
		{"", 0, false},
		{"soon", 0, false},
		{"1.5", 0, false},
		{" 1", 0, false},
	} {
		if wait, again := pressure.ParsePushback(row.field); wait != row.wait || again != row.again {
			t.Errorf("%q: %v, %v; want %v, %v", row.field, wait, again, row.wait, row.again)
		}
	}
	for wait, want := range map[time.Duration]string{
		-1: "-1", math.MinInt64: "-1", 0: "0", 1: "1", 250 * ms: "250", time.Hour: "30000", math.MaxInt64: "30000",
	} {
		if got := string(pressure.AppendPushback(nil, wait)); got != want {
			t.Errorf("%v is written %q; want %q", wait, got, want)
		}
	}
}

func TestPreviousAttempts(t *testing.T) {
	for field, want := range map[string]int{"1": 2, "2": 3, "99": 100, "100": 100, "2147483647": 100} {
		if got, ok := pressure.ParsePreviousAttempts(field); got != want || !ok {
			t.Errorf("%q: %d, %v; want %d", field, got, ok, want)
		}
	}
	for _, field := range []string{"", "0", "-1", "x", "99999999999", "1 "} {
		if got, ok := pressure.ParsePreviousAttempts(field); got != 0 || ok {
			t.Errorf("%q: %d, %v; want nothing", field, got, ok)
		}
	}
}

// What is written is read back, never later than it was, and within its unit.
func grpcTimeout(t *rapid.T) {
	d := time.Duration(rapid.Int64().Draw(t, "remaining"))
	field := string(pressure.AppendGRPCTimeout(nil, d))
	got, ok := pressure.ParseGRPCTimeout(field)
	want := min(max(d, 0), pressure.MaxDeadline)
	if unit := want - got; !ok || unit < 0 || unit >= ms || want < 99*time.Second && unit >= us {
		t.Fatalf("%v is written %q and read %v, %v", d, field, got, ok)
	}
}

func TestGRPCTimeout(t *testing.T) { rapid.Check(t, grpcTimeout) }
func FuzzGRPCTimeout(f *testing.F) { f.Fuzz(rapid.MakeFuzz(grpcTimeout)) }

func TestRetryAfter(t *testing.T) {
	date := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		field string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true},
		{" 120 ", 2 * time.Minute, true},
		{"999999999999", pressure.MaxDeadline, true},
		{"Sun, 22 Nov 2026 03:00:30 GMT", 30 * time.Second, true},
		{"Sunday, 22-Nov-26 03:00:30 UTC", 30 * time.Second, true},
		{"Sun Nov 22 03:00:30 2026", 30 * time.Second, true},
		{"Sun, 22 Nov 2026 02:59:30 GMT", 0, true}, // passed
		{"Sun, 22 Nov 9026 03:00:30 GMT", pressure.MaxDeadline, true},
		{"-1", 0, false},
		{"1.5", 0, false},
		{"", 0, false},
		{"soon", 0, false},
	} {
		if got, ok := pressure.ParseRetryAfter(row.field, date); got != row.want || ok != row.ok {
			t.Errorf("%q: %v, %v; want %v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

// The binary form is read back exactly, and the same in base64 as a field.
func binaryLoad(t *rapid.T) {
	l := drawLoad(t)
	raw := pressure.AppendLoadBinary(nil, l)
	got, ok := pressure.ParseLoadBinary(raw)
	want := l.Clamp()
	if !ok || got.Level != want.Level || got.Price != want.Price || got.Retry != 0 || (got.Delay-want.Delay).Abs() > us ||
		math.Abs(got.RPS-min(max(l.RPS, 0), pressure.MaxPerSecond)) > 0.001 ||
		math.Abs(got.EPS-min(max(l.EPS, 0), pressure.MaxPerSecond)) > 0.001 {
		t.Fatalf("%+v sent as %x, read as %+v, %v", l, raw, got, ok)
	}
	if again, ok := pressure.ParseLoad("BIN " + base64.StdEncoding.EncodeToString(raw)); !ok || again != got {
		t.Fatalf("in base64 read as %+v, %v; want %+v", again, ok, got)
	}
}

func TestBinaryLoad(t *testing.T) { rapid.Check(t, binaryLoad) }

func FuzzParseLoadBinary(f *testing.F) {
	f.Add(pressure.AppendLoadBinary(nil, sample))
	f.Add([]byte{0x09, 0, 0, 0, 0, 0, 0, 0, 0})          // cpu_utilization alone
	f.Add([]byte{0x42, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}) // longer than there is
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, ok := pressure.ParseLoadBinary(raw)
		inRange := l.Signal == l.Clamp() && l.Retry == 0 && l.RPS >= 0 && l.RPS <= pressure.MaxPerSecond && l.EPS >= 0 && l.EPS <= pressure.MaxPerSecond
		if !inRange || !ok && l != (pressure.Load{}) {
			t.Fatalf("%x: got %+v, %v", raw, l, ok)
		}
	})
}

func TestQuota(t *testing.T) {
	q := pressure.Quota{Policy: `a"b\c`, Limit: 100, Window: time.Minute, Remaining: 50, Reset: 30 * time.Second}
	if got, want := string(pressure.AppendQuotaPolicy(nil, q)), `"a\"b\\c";q=100;w=60`; got != want {
		t.Errorf("policy %s; want %s", got, want)
	}
	if got, want := string(pressure.AppendQuota(nil, q)), `"a\"b\\c";r=50;t=30`; got != want {
		t.Errorf("quota %s; want %s", got, want)
	}
	for _, row := range []struct {
		field string
		want  pressure.Quota
		ok    bool
	}{
		{`"a\"b\\c";r=50;t=30`, pressure.Quota{Policy: `a"b\c`, Remaining: 50, Reset: 30 * time.Second}, true},
		{`"day";r=900, "burst";r=3;t=1;x=?1`, pressure.Quota{Policy: "burst", Remaining: 3, Reset: time.Second}, true},
		{`"a";r=-5;t=999999999`, pressure.Quota{Policy: "a", Reset: 24 * time.Hour}, true},
		{`"a";r=999999999999999`, pressure.Quota{Policy: "a", Remaining: pressure.MaxQuota}, true},
		{`"a";t=5`, pressure.Quota{}, false},
		{`"a";r=5.5`, pressure.Quota{}, false},
		{`"a";r`, pressure.Quota{}, false},
		{`a;r=5`, pressure.Quota{}, false},
		{`"a;r=5`, pressure.Quota{}, false},
		{`"a";r=5,`, pressure.Quota{}, false},
		{``, pressure.Quota{}, false},
	} {
		if got, ok := pressure.ParseQuota(row.field); got != row.want || ok != row.ok {
			t.Errorf("%s: %+v, %v; want %+v, %v", row.field, got, ok, row.want, row.ok)
		}
	}
}

func FuzzParseQuota(f *testing.F) {
	f.Add(`"day";r=900, "burst";r=3;t=1`)
	f.Fuzz(func(t *testing.T, field string) {
		q, ok := pressure.ParseQuota(field)
		if q.Remaining < 0 || q.Remaining > pressure.MaxQuota || q.Reset < 0 || q.Reset > pressure.MaxQuotaWindow || !ok && q != (pressure.Quota{}) {
			t.Fatalf("%q: %+v, %v", field, q, ok)
		}
		if ok {
			if again, ok := pressure.ParseQuota(string(pressure.AppendQuota(nil, q))); !ok || again.Remaining != q.Remaining || again.Reset != q.Reset {
				t.Fatalf("%+v reads %+v, %v", q, again, ok)
			}
		}
	})
}
