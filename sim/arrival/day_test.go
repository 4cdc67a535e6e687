package arrival_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock/sim/arrival"
)

// A day offers the mean of its extremes, is low at night and high at noon, and
// comes again.
func TestDiurnal(t *testing.T) {
	const day = 24 * time.Hour
	p, err := arrival.Diurnal(10, 50, day)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Expected(day), 30*day.Seconds(); math.Abs(got-want) > 1e-6*want {
		t.Errorf("a day offers %v, want %v", got, want)
	}
	for _, row := range []struct {
		at   time.Duration
		want float64
	}{{0, 10}, {6 * time.Hour, 30}, {12 * time.Hour, 50}, {18 * time.Hour, 30}, {day, 10}, {36 * time.Hour, 50}} {
		if got := p.PerSecondAt(row.at); math.Abs(got-row.want) > 0.7 { // half a step's slope at most
			t.Errorf("at %v: %v per second, want %v", row.at, got, row.want)
		}
	}
	if _, ok := p.Length(); ok {
		t.Error("a day that ends")
	}
	n, process := 0, arrival.Constant(p)
	for at, ok := process.Next(); ok && at < 2*day; at, ok = process.Next() {
		n++
	}
	if want := int(60 * day.Seconds()); n < want-1 || n > want+1 {
		t.Errorf("%d arrivals in two days, want %d", n, want)
	}
}

func TestTrace(t *testing.T) {
	given := []time.Duration{3 * time.Second, -time.Second, time.Second, time.Second, arrival.MaxLength + 1}
	process := arrival.Trace(given)
	given[0] = 0 // the trace has its own
	var got []time.Duration
	for at, ok := process.Next(); ok; at, ok = process.Next() {
		got = append(got, at)
	}
	if want := []time.Duration{0, time.Second, time.Second, 3 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, ok := process.Next(); ok {
		t.Error("an ended trace goes on")
	}
}
