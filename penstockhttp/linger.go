package penstockhttp

import (
	"net/http"
	"strings"
	"time"
)

// Linger is for how long a refused client may go on sending its request's body.
// By then it has seen the answer, or never will; whoever has not sent the whole
// body loses the connection.
const Linger = 500 * time.Millisecond

// LeaveBody bounds for how long net/http waits for a body that nobody reads: it
// reads a small one before it writes the answer, and up to 256 KiB of a large
// one after. Of a client that waits for 100-continue it expects nothing at all.
// The deadline ends with the request.
func LeaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 || r.ContentLength == 0 {
		return
	}
	until := time.Now() //nolint:forbidigo // a socket's deadline is a time.Time
	if !strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		until = until.Add(Linger)
	}
	// A writer that knows no deadlines holds no connection.
	_ = http.NewResponseController(w).SetReadDeadline(until)
}
