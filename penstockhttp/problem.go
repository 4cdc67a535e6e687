package penstockhttp

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/pressure"
)

// ProblemType begins the type of every problem document (RFC 9457); the reason
// follows: urn:penstock:refused:queue_full. It is a name, not an address.
const ProblemType = "urn:penstock:refused:"

// titles say for people what the reasons say for programs. They are stable.
var titles = [penstock.Reasons]string{
	penstock.ReasonNone:      "The request was refused.",
	penstock.ReasonLimit:     "As many requests as may run at once are running.",
	penstock.ReasonQueueFull: "As many requests as may wait are waiting.",
	penstock.ReasonSojourn:   "The request would have waited too long.",
	penstock.ReasonDeadline:  "The request could not finish before its deadline.",
	penstock.ReasonRate:      "Requests come faster than their rate limit allows.",
	penstock.ReasonPriority:  "More important requests take all there is.",
	penstock.ReasonBreaker:   "A service behind this one is failing.",
	penstock.ReasonBudget:    "Too many requests are retries.",
	penstock.ReasonMemory:    "Memory is short.",
	penstock.ReasonDraining:  "The server is shutting down.",
}

// appendProblem appends the document. It is written by hand because refusing
// has to be cheap; 512 bytes hold it, unless the limit's name is very long.
func appendProblem(b []byte, status int, wait time.Duration, err *penstock.RejectedError, how Refusal) []byte {
	reason := err.Reason
	if reason >= penstock.Reasons {
		reason = penstock.ReasonNone
	}
	name := reason.String()
	b = append(b, `{"type":"`+ProblemType...)
	b = append(b, name...)
	b = append(b, `","title":"`...)
	b = append(b, titles[reason]...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"reason":"`...)
	b = append(b, name...)
	b = append(b, '"')
	if how.Limit != "" {
		b = append(b, `,"limit":`...)
		b = appendString(b, how.Limit)
	}
	b = append(b, `,"retry_after_ms":`...)
	b = strconv.AppendInt(b, int64(wholeUnits(wait, time.Millisecond)), 10)
	b = append(b, `,"retry_safe":true`...) // nothing was done about the request
	if how.Tell {
		b = append(b, `,"pressure":`...)
		level := pressure.Signal{Level: err.Pressure}.Clamp().Level
		b = strconv.AppendFloat(b, level, 'f', 3, 64)
	}
	if err.ID != 0 {
		b = append(b, `,"id":"`...)
		b = append(b, err.ID.String()...)
		b = append(b, '"')
	}
	return append(b, '}', '\n')
}

// appendString appends s as a JSON string (RFC 8259, section 7). Bytes that are
// not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
