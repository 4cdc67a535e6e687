package load

import (
	"fmt"
	"slices"
)

// Fate is what became of a request. Every offered request has exactly one.
type Fate uint8

const (
	// Good was answered with 2xx or 3xx within the deadline.
	Good Fate = iota
	// Late was not answered within the deadline: the client gave up, on the
	// connection or while waiting for one.
	Late
	// Refused was answered with 429 or 503: the server, or a gateway before
	// it, says that it has no room (RFC 6585 section 4, RFC 9110 section
	// 15.6.4).
	Refused
	// Failed ended in an error: see [ErrorKind].
	Failed
	// NotSent was offered while as many were outstanding as may be.
	NotSent
	// Unfinished was outstanding when the run was cut short.
	Unfinished

	fates = 6
)

var fateNames = [fates]string{"good", "late", "refused", "error", "not_sent", "unfinished"}

// String returns the name used on command lines and in reports.
func (f Fate) String() string {
	if int(f) < len(fateNames) {
		return fateNames[f]
	}
	return fmt.Sprintf("Fate(%d)", uint8(f))
}

// ParseFate returns the fate with the given name.
func ParseFate(name string) (Fate, bool) {
	i := slices.Index(fateNames[:], name)
	return Fate(max(i, 0)), i >= 0
}

// ErrorKind says how a request failed.
type ErrorKind uint8

const (
	// KindConnect means that no connection could be made.
	KindConnect ErrorKind = iota
	// KindReset means that the connection ended before the answer was complete.
	KindReset
	// KindTimeout means that somebody other than this client ran out of time:
	// the network (ETIMEDOUT), or the server, which says so with 408 or 504.
	KindTimeout
	// KindProtocol means that what came back is not HTTP/1.1, or exceeds a bound.
	KindProtocol
	// KindStatus means an answer of 400 or above that is neither a refusal nor
	// a timeout.
	KindStatus

	errorKinds = 5
)

var errorKindNames = [errorKinds]string{"connect", "reset", "timeout", "protocol", "status"}

// String returns the name used in reports.
func (k ErrorKind) String() string {
	if int(k) < len(errorKindNames) {
		return errorKindNames[k]
	}
	return fmt.Sprintf("ErrorKind(%d)", uint8(k))
}
