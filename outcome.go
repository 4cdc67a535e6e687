package penstock

import (
	"context"
	"errors"
	"fmt"
)

// Outcome is how admitted work ended, as far as load is concerned.
type Outcome uint8

const (
	// OK is work that the callee finished: its latency says how the callee is.
	OK Outcome = iota
	// Dropped is work lost to load: it timed out, or the callee said that it is
	// overloaded. Its latency is at least the time until then.
	Dropped
	// Ignored is work whose end says nothing of load: it failed for reasons of
	// its own, or its caller lost interest.
	Ignored
)

// Outcomes is the number of outcomes: the length of an array indexed by one.
const Outcomes = 3

var outcomeNames = [Outcomes]string{"ok", "dropped", "ignored"}

// String returns the name used in metrics and recordings.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// OutcomeOf classifies the error that work returned: nil is [OK]; a refusal by a
// penstock further down, a passed deadline, and any error with a Timeout method
// that says true (as those of package net) is [Dropped]; every other error is
// [Ignored].
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OK
	}
	if errors.Is(err, ErrRejected) || errors.Is(err, context.DeadlineExceeded) {
		return Dropped
	}
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		return Dropped
	}
	return Ignored
}
