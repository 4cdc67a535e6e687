package penstock

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrRejected matches every refusal, whatever its reason:
// errors.Is(err, penstock.ErrRejected).
var ErrRejected = errors.New("penstock: rejected")

// Reason says which control refused the work. Its names are stable: they are
// metric labels and wire values.
type Reason uint8

// The reasons. The zero Reason means "not refused".
const (
	ReasonNone      Reason = iota
	ReasonLimit            // a plain cap in front of the waiting room is reached
	ReasonQueueFull        // the waiting room holds as many as it may
	ReasonSojourn          // waited, or would wait, longer than the room allows
	ReasonDeadline         // could not finish within its own deadline
	ReasonRate             // a rate limit is out of tokens
	ReasonPriority         // its rank is below the price
	ReasonBreaker          // a circuit breaker is open
	ReasonBudget           // a retry budget is spent
	ReasonMemory           // memory is short
	ReasonDraining         // shutting down
)

// Reasons is the number of values including [ReasonNone]: the length of an
// array indexed by Reason.
const Reasons = 11

var reasonNames = [Reasons]string{
	"none", "limit", "queue_full", "sojourn", "deadline", "rate",
	"priority", "breaker", "budget", "memory", "draining",
}

// String returns the name used on the wire and in metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// MarshalText returns the wire name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ParseReason returns the reason with the given wire name.
func ParseReason(name string) (Reason, bool) {
	for r := ReasonLimit; r < Reasons; r++ {
		if reasonNames[r] == name {
			return r, true
		}
	}
	return ReasonNone, false
}

// RefusalID names the controller state behind a refusal: every refusal that one
// control tick makes for one reason shares it. It is not unique between
// processes that were told the same seed.
type RefusalID uint64

// String returns the ID as users see it: 13 lower-case letters and digits at
// most.
func (id RefusalID) String() string { return strconv.FormatUint(uint64(id), 36) }

// ParseRefusalID reads what [RefusalID.String] wrote.
func ParseRefusalID(s string) (RefusalID, error) {
	id, err := strconv.ParseUint(s, 36, 64)
	if err != nil || s != strconv.FormatUint(id, 36) {
		return 0, fmt.Errorf("penstock: %q is no refusal id: lower-case letters and digits, as in a refusal's id field", s)
	}
	return RefusalID(id), nil
}

// A RejectedError reports a refusal. The core returns it and never logs it. It
// is shared by many refusals: do not change it.
type RejectedError struct {
	Reason     Reason
	RetryAfter time.Duration // when to come back; 0 means unknown, never negative
	Pressure   float64       // the refuser's level, 0 to 1
	ID         RefusalID     // resolves to the state behind the refusal; 0 means none
}

// Error says why, and when to come back.
func (e *RejectedError) Error() string {
	if e.RetryAfter <= 0 {
		return "penstock: rejected: " + e.Reason.String()
	}
	return fmt.Sprintf("penstock: rejected: %s (retry after %v)", e.Reason, e.RetryAfter)
}

// Is makes errors.Is(err, ErrRejected) true for every refusal.
func (e *RejectedError) Is(target error) bool { return target == ErrRejected }
