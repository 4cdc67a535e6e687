package cli

// Exit codes of the penstock command.
const (
	exitFailed = 1 // an expectation or the run failed
	exitUsage  = 2 // the command line or a file is wrong
)

// An ExitError ends the program with a code other than 0. Code is 1 if an
// expectation or the run failed, 2 for wrong usage or configuration.
type ExitError struct {
	Code int
	Err  error // what to say; never nil
}

// Error says what went wrong.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// usage makes err end the program with code 2; nil stays nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: exitUsage, Err: err}
}
