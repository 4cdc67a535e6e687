//go:build race

package sim_test

import "testing"

// skipUnderRace skips what takes twenty times as long under the race detector,
// which finds nothing in a single-threaded simulation.
func skipUnderRace(t *testing.T) {
	t.Helper()
	t.Skip("a single-threaded simulation, too slow under the race detector: go test without -race runs it")
}

// unlessRaced is how much to do of what takes as long.
func unlessRaced(_, raced int) int { return raced }
