package demand

import (
	"errors"
	"fmt"
)

// The errors of this package, all to be matched with errors.Is.
var (
	// ErrConfig is an operator that cannot be: a nil function, a negative
	// window. The stream fails with it when it is run.
	ErrConfig = errors.New("demand: impossible operator")
	// ErrOverflow is an item that found no room at a boundary with [Fail], or a
	// publisher that sent more than was asked for (rule 1.1).
	ErrOverflow = errors.New("demand: more items than demand")
	// ErrRequest is a request of less than 1 (rule 3.9).
	ErrRequest = errors.New("demand: request of less than 1 (rule 3.9)")
	// ErrBound is a result that would not fit its bound.
	ErrBound = errors.New("demand: bound reached")
	// ErrTimeout is a stream that was silent for too long.
	ErrTimeout = errors.New("demand: no item in time")
	// ErrUsed is a second run of a branch that can be run once.
	ErrUsed = errors.New("demand: a branch runs once")
	// ErrExited is a function that ended its goroutine, as testing's FailNow
	// does, instead of returning.
	ErrExited = errors.New("demand: function left by runtime.Goexit")
	// ErrProtocol is a publisher that breaks the rules of Reactive Streams.
	ErrProtocol = errors.New("demand: publisher breaks the protocol")
)

// errReceiverGone is the cause that the functions upstream of a boundary see in
// their context once its receiver wants no more.
var errReceiverGone = errors.New("demand: the receiver wants no more")

// A StageError says which stage ended the stream, and why. Every error that a
// stream ends with is one, except the cause of a context that was cancelled.
type StageError struct {
	Stage string // the operator's name, or what [Stream.Named] gave it
	Err   error
}

// Error names the stage and the cause.
func (e *StageError) Error() string { return "demand: stage " + e.Stage + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StageError) Unwrap() error { return e.Err }

// A PanicError is a panic in a function that a stage called.
type PanicError struct {
	Value any // what the function panicked with
}

// Error shows the value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// at names the stage of an error, unless one further up has.
func at(stage string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*StageError](err); ok {
		return err
	}
	return &StageError{stage, err}
}

// broken is a stream that fails with a problem of its construction.
func broken[T any](name, format string, args ...any) Stream[T] {
	err := fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...)
	return Stream[T]{name: name, run: func(_ *env, name string, _ func(T) bool) error {
		return at(name, err)
	}}
}
