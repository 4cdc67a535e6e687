package pressure

import (
	"strings"
	"time"
)

// ParseRetryAfter reads a value of the field Retry-After (RFC 9110, section
// 10.2.3): seconds, or a date, of which date is the present. The wait is 0 to
// [MaxDeadline]; a date that has passed is 0. It reports false for a malformed
// field.
func ParseRetryAfter(field string, date time.Time) (wait time.Duration, ok bool) {
	field = strings.Trim(field, " \t")
	if wait, ok = parseUnits(field, 18, time.Second); ok {
		return wait, true
	}
	if len(field) > len(time.RFC850)+10 {
		return 0, false
	}
	for _, layout := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} { // section 5.6.7
		if at, err := time.Parse(layout, field); err == nil {
			return clampDuration(at.Sub(date), 0, MaxDeadline), true
		}
	}
	return 0, false
}
