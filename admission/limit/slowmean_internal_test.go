package limit

import (
	"math"
	"testing"
)

// What Netflix's ExpAvgMeasurementTest asks for: the plain mean of the first ten
// values, and from then on a moving one. Its window is 100 values long, so its
// eleventh value weighs 2/101 where Gradient2's weighs 2/601.
func TestSlowMeanWarmsUp(t *testing.T) {
	var m slowMean
	for i := range 10 {
		want := 10 + float64(i)/2
		if got := m.add(float64(10 + i)); math.Abs(got-want) > 1e-9 {
			t.Errorf("mean of %d values: %g, want %g", i+1, got, want)
		}
	}
	if got, want := m.add(100), 14.5+2.0/601*(100-14.5); math.Abs(got-want) > 1e-9 {
		t.Errorf("the eleventh: %g, want %g", got, want)
	}
}
