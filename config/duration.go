package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const durationSyntax = "a duration such as 250ms or 1m30s"

// ParseDuration reads a duration in Go's syntax: 250ms, 1.5s, 1m30s, 2h. The
// units are ns, us, ms, s, m and h; a number without a unit is an error, except
// for 0.
func ParseDuration(s string) (time.Duration, error) {
	d, problem := parseDuration(s)
	return d, syntaxError(problem, durationSyntax)
}

func parseDuration(s string) (time.Duration, string) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil:
		return d, ""
	case isNumber(s):
		return 0, Quote(s) + " has no unit"
	}
	return 0, Quote(s) + " is no duration"
}

// FormatDuration writes a duration so that [ParseDuration] reads the same: as
// [time.Duration.String], without the parts that are zero: 1m, not 1m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// syntaxError makes the error of an exported parser.
func syntaxError(problem, allowed string) error {
	if problem == "" {
		return nil
	}
	return errors.New("config: " + problem + ", allowed: " + allowed)
}
