//go:build !race

package limittest_test

const raceDetector = false
