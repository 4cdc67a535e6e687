package sim

import "testing"

// The first numbers of the authors' reference code from the state 1, 2, 3, 4.
func TestXoshiro(t *testing.T) {
	x := xoshiro{1, 2, 3, 4}
	for i, want := range []uint64{
		41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205,
		9973669472204895162, 14011001112246962877, 12406186145184390807,
		15849039046786891736, 10450023813501588000,
	} {
		if got := x.Uint64(); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
	}
}
