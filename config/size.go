package config

import (
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the units of a size, the larger first. FormatSize prefers the
// earlier.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"TB", 1e12},
	{"GiB", 1 << 30},
	{"GB", 1e9},
	{"MiB", 1 << 20},
	{"MB", 1e6},
	{"KiB", 1 << 10},
	{"kB", 1e3},
	{"B", 1},
}

const sizeSyntax = "a size such as 64KiB, 1MiB or 500MB"

// ParseSize reads a number of bytes: a whole number and one of B, kB, MB, GB, TB
// (powers of 1000), KiB, MiB, GiB and TiB (powers of 1024).
func ParseSize(s string) (int64, error) {
	b, problem := parseSize(s)
	return b, syntaxError(problem, sizeSyntax)
}

func parseSize(s string) (int64, string) {
	unit := strings.TrimLeft(s, "0123456789")
	digits := s[:len(s)-len(unit)]
	count, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case digits == "":
		return 0, Quote(s) + " is no size"
	case unit == "":
		return 0, Quote(s) + " has no unit"
	}
	for _, u := range sizeUnits {
		if u.name != unit {
			continue
		}
		if err != nil || count > math.MaxInt64/u.bytes {
			return 0, Quote(s) + " is too large"
		}
		return count * u.bytes, ""
	}
	return 0, Quote(s) + " has the unknown unit " + Quote(unit)
}

// FormatSize writes a number of bytes, at least 0, so that [ParseSize] reads the
// same, with the largest unit that leaves a whole number.
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if bytes != 0 && bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return "0B"
}
