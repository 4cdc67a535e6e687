// Package leak ends a package's tests with a look for goroutines that they left
// behind.
package leak

import (
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests, and fails them if goroutines are left.
//
// A connection of net/http's server that was closed before its request's body
// had been read lingers for 500 ms, so that the client reads the answer before
// the reset. That is longer than goleak waits, and it ends by itself.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}
