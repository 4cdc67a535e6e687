package pressure

import (
	"strconv"
	"strings"
	"time"
)

// MaxDeadline bounds the time that a field can say is left. More is cut to it.
const MaxDeadline = 24 * time.Hour

// AppendDeadline appends the time that is left as a value of the field
// Penstock-Deadline: whole milliseconds, an RFC 9651 Integer, rounded down so
// that no hop believes in more time than there is. The same digits are a value
// of x-envoy-expected-rq-timeout-ms. It allocates only where dst lacks room; 8
// bytes are enough.
func AppendDeadline(dst []byte, remaining time.Duration) []byte {
	return strconv.AppendInt(dst, clampDuration(remaining, 0, MaxDeadline).Milliseconds(), 10)
}

// ParseDeadline reads a value of the field Penstock-Deadline: the time that is
// left, 0 to [MaxDeadline]. 0, and everything below, means that the deadline
// has passed. Parameters are skipped. It reports false for a malformed field.
func ParseDeadline(field string) (remaining time.Duration, ok bool) {
	v, ok := readSingleItem(field)
	if !ok || v.kind != integer {
		return 0, false
	}
	us := v.within(0, int64(MaxDeadline/time.Microsecond)) // thousandths of a millisecond
	return time.Duration(us) * time.Microsecond, true
}

// ParseEnvoyTimeout reads a value of the field x-envoy-expected-rq-timeout-ms:
// whole milliseconds, at most 18 digits. The result is as [ParseDeadline]'s.
func ParseEnvoyTimeout(field string) (remaining time.Duration, ok bool) {
	return parseUnits(strings.Trim(field, " \t"), 18, time.Millisecond)
}

// ParseGRPCTimeout reads a value of the field grpc-timeout: at most 8 digits and
// a unit, one of H, M, S, m, u and n ("gRPC over HTTP2", Requests). The result
// is as [ParseDeadline]'s, with sub-millisecond precision.
func ParseGRPCTimeout(field string) (remaining time.Duration, ok bool) {
	if field == "" {
		return 0, false
	}
	last := len(field) - 1
	var unit time.Duration
	switch field[last] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	return parseUnits(field[:last], 8, unit)
}

// parseUnits reads one to maxDigits digits, at most 18, as so many units.
func parseUnits(digits string, maxDigits int, unit time.Duration) (time.Duration, bool) {
	if digits == "" || len(digits) > maxDigits {
		return 0, false
	}
	var n int64 // 18 digits fit
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return 0, false
		}
		n = n*10 + int64(digits[i]-'0')
	}
	return time.Duration(min(n, int64(MaxDeadline/unit))) * unit, true
}
