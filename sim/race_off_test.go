//go:build !race

package sim_test

import "testing"

func skipUnderRace(*testing.T) {}

func unlessRaced(usual, _ int) int { return usual }
