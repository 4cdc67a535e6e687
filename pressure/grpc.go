package pressure

import (
	"strconv"
	"time"
)

// MaxPushback bounds the wait that grpc-retry-pushback-ms can ask for: more is
// cut to it.
const MaxPushback = MaxRetry

// AppendPushback appends a value of the metadata grpc-retry-pushback-ms (gRPC
// proposal A6): the milliseconds after which a call may be tried again, rounded
// up. A negative wait means that it must not be, and is written as -1.
func AppendPushback(dst []byte, wait time.Duration) []byte {
	if wait < 0 {
		return append(dst, "-1"...)
	}
	return strconv.AppendInt(dst, roundUp(min(wait, MaxPushback), time.Millisecond), 10)
}

// ParsePushback reads a value of grpc-retry-pushback-ms. again is false for a
// negative value and for one that cannot be read: both mean that the call must
// not be tried again (gRPC proposal A6, "Pushback").
func ParsePushback(field string) (wait time.Duration, again bool) {
	ms, err := strconv.ParseInt(field, 10, 32)
	if err != nil || ms < 0 {
		return 0, false
	}
	return min(time.Duration(ms)*time.Millisecond, MaxPushback), true
}

// ParsePreviousAttempts reads a value of the metadata
// grpc-previous-rpc-attempts, and returns the number of the attempt that carries
// it: one more, 2 to [MaxAttempt].
func ParsePreviousAttempts(field string) (attempt int, ok bool) {
	n, err := strconv.ParseUint(field, 10, 31)
	if err != nil || n == 0 {
		return 0, false
	}
	return int(min(n, MaxAttempt-1)) + 1, true
}

// AppendGRPCTimeout appends the time that is left as a value of the metadata
// grpc-timeout: at most 8 digits and a unit ("gRPC over HTTP2", Requests),
// rounded down so that no hop believes in more time than there is. It is written
// in microseconds where they fit, which is up to 100 s, and else in
// milliseconds.
func AppendGRPCTimeout(dst []byte, remaining time.Duration) []byte {
	remaining = clampDuration(remaining, 0, MaxDeadline)
	if us := remaining.Microseconds(); us <= 99_999_999 {
		return append(strconv.AppendInt(dst, us, 10), 'u')
	}
	return append(strconv.AppendInt(dst, remaining.Milliseconds(), 10), 'm')
}
