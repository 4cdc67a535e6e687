package config

import (
	"strconv"
	"strings"
)

// MaxPercent bounds the number before the sign that [ParsePercent] reads.
const MaxPercent = 1e9

const percentSyntax = "a percentage such as 10%"

// ParsePercent reads a percentage, 0% or more, as a fraction: 10% is the number
// nearest to 0.1.
func ParsePercent(s string) (float64, error) {
	f, problem := parsePercent(s)
	return f, syntaxError(problem, percentSyntax)
}

func parsePercent(s string) (float64, string) {
	number, sign := strings.CutSuffix(s, "%")
	_, ok := parseDecimal(number, MaxPercent)
	switch {
	case !sign && isNumber(s):
		return 0, Quote(s) + " has no % sign"
	case !sign || !ok:
		return 0, Quote(s) + " is no percentage"
	}
	// The exponent moves the point without a rounding of its own.
	f, err := strconv.ParseFloat(number+"e-2", 64)
	if err != nil {
		return 0, Quote(s) + " is no percentage"
	}
	return f, ""
}

// FormatPercent writes a fraction of at least 0 so that [ParsePercent] reads the
// same: 0.1 is 10%.
func FormatPercent(fraction float64) string {
	// The shortest digits d.ddd of the fraction, and its exponent: 1.5e-01.
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(fraction, 'e', -1, 64), "e")
	power, err := strconv.Atoi(exponent)
	if err != nil {
		return mantissa + "%" // NaN and Inf have no exponent
	}
	digits := strings.Replace(mantissa, ".", "", 1)
	point := power + 3 // digits before the decimal point
	switch {
	case point <= 0:
		return "0." + strings.Repeat("0", -point) + digits + "%"
	case point >= len(digits):
		digits += strings.Repeat("0", point-len(digits))
		return trimZeros(digits) + "%"
	}
	return trimZeros(digits[:point]) + "." + digits[point:] + "%"
}

// trimZeros removes leading zeros, but for the last digit.
func trimZeros(digits string) string {
	if s := strings.TrimLeft(digits, "0"); s != "" {
		return s
	}
	return "0"
}
