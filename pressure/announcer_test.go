package pressure_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// Whatever is told in whatever order, the field says it, and a load is told at
// most once in 10 ms and at least once after them.
func announcements(t *rapid.T) {
	var a pressure.Announcer
	now := mono.Time(rapid.Int64Range(-1e15, 1e15).Draw(t, "origin"))
	last := mono.Time(math.MinInt64 / 2)
	signals := []pressure.Signal{drawSignal(t), drawSignal(t), {}}
	for i := range rapid.IntRange(1, 30).Draw(t, "answers") {
		s := rapid.SampledFrom(signals).Draw(t, "signal")
		if got, want := a.Pressure(s), string(pressure.AppendHeader(nil, s)); got != want {
			t.Fatalf("%+v is told as %q; want %q", s, got, want)
		}
		now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*ms)).Draw(t, "passed")))
		due := i == 0 || now.Sub(last) >= pressure.LoadEvery
		if got := a.LoadDue(now); got != due {
			t.Fatalf("answer %d, %v after the last load: due %v", i, now.Sub(last), got)
		}
		if due {
			last = now
		}
	}
}

func TestAnnouncements(t *testing.T) { rapid.Check(t, announcements) }
func FuzzAnnouncements(f *testing.F) { f.Fuzz(rapid.MakeFuzz(announcements)) }

// A clock that jumps back does not silence the load.
func TestLoadAfterClockJump(t *testing.T) {
	var a pressure.Announcer
	if !a.LoadDue(mono.Time(time.Hour)) || !a.LoadDue(0) || a.LoadDue(0) {
		t.Error("want a load before and after the jump, and then none")
	}
}
