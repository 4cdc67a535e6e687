package config

import (
	"strconv"
	"strings"
	"time"
)

// A Rate is a number of events per second, minute or hour. It remembers which,
// so that it prints as it was written. The zero Rate is none.
type Rate struct {
	Count float64       // at least 0, at most [MaxRateCount]
	Per   time.Duration // time.Second, time.Minute or time.Hour
}

// MaxRateCount bounds [Rate.Count].
const MaxRateCount = 1e12

// PerSecond is the rate in events per second.
func (r Rate) PerSecond() float64 {
	if r.Per <= 0 {
		return 0
	}
	return r.Count / r.Per.Seconds()
}

// rateUnits are what a rate may count per.
var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// String writes the rate so that [ParseRate] reads the same: 500/s, 10/m.
func (r Rate) String() string {
	unit := "s"
	for _, u := range rateUnits {
		if u.per == r.Per {
			unit = u.name
		}
	}
	return strconv.FormatFloat(r.Count, 'f', -1, 64) + "/" + unit
}

const rateSyntax = "a rate such as 500/s, 10/m or 1.5/h"

// ParseRate reads a rate: a decimal number, a slash, and one of s, m and h for
// second, minute and hour.
func ParseRate(s string) (Rate, error) {
	r, problem := parseRate(s)
	return r, syntaxError(problem, rateSyntax)
}

func parseRate(s string) (Rate, string) {
	number, unit, slash := strings.Cut(s, "/")
	count, ok := parseDecimal(number, MaxRateCount)
	switch {
	case !slash && isNumber(s):
		return Rate{}, Quote(s) + " has no unit"
	case !slash || !ok:
		return Rate{}, Quote(s) + " is no rate"
	}
	for _, u := range rateUnits {
		if u.name == unit {
			return Rate{Count: count, Per: u.per}, ""
		}
	}
	return Rate{}, Quote(s) + " has the unknown unit " + Quote(unit)
}

// maxDecimal bounds the length of a decimal number, in bytes.
const maxDecimal = 32

// parseDecimal reads digits with at most one decimal point between them, as a
// number of at most limit.
func parseDecimal(s string, limit float64) (float64, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if len(s) > maxDecimal || !isDigits(whole) || point && !isDigits(fraction) {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && v <= limit
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
