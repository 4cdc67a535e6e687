package penstockhttp

import (
	"net/http"
	"strconv"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/pressure"
)

// RefuseWith is how a refusal is sent.
type RefuseWith uint8

// The ways to refuse.
const (
	Refuse503  RefuseWith = iota // 503 Service Unavailable, and 429 Too Many Requests for reason rate
	Refuse429                    // 429 for every reason
	RefuseDrop                   // close the connection (HTTP/2: reset the stream) without an answer
)

// A Refusal says how to answer a request that is refused.
type Refusal struct {
	With  RefuseWith
	Limit string        // the name of the limit, as callers may see it; empty to leave it out
	Tell  bool          // whether the caller is told the pressure
	Load  pressure.Load // the pressure
}

// MaxDrain is the largest request body that is worth reading to keep its
// connection. A refused HTTP/1 request with a larger one, or one of unknown
// length, has its connection closed (RFC 9110, section 10.1.1).
const MaxDrain = 64 << 10

// maxRetryAfter bounds what callers are told to wait.
const maxRetryAfter = 24 * time.Hour

// Refuse answers a request that was refused before anything was done about it:
// the status, Retry-After in whole seconds (rounded up, at least 1), and a
// problem document (RFC 9457) with the reason. HEAD gets no body. With
// [RefuseDrop] it panics with [http.ErrAbortHandler].
//
// It leaves the request's body unread: a client that expects 100-continue keeps
// it. Of other bodies net/http by itself reads up to 256 KiB, for as long as the
// server's ReadTimeout allows; [Handler] sees to it that it does not wait for
// them longer than [Linger].
func Refuse(w http.ResponseWriter, r *http.Request, err *penstock.RejectedError, how Refusal) {
	if how.With == RefuseDrop {
		panic(http.ErrAbortHandler)
	}
	status := http.StatusServiceUnavailable
	if how.With == Refuse429 || err.Reason == penstock.ReasonRate {
		status = http.StatusTooManyRequests
	}
	wait := min(err.RetryAfter, maxRetryAfter)
	if wait <= 0 {
		wait = time.Second // unknown; the field cannot say less
	}

	// One allocation for all values and the body. Values are never shared
	// between responses: a middleware may change them in place.
	page := new(struct {
		values [6]string
		body   [512]byte
	})
	h := w.Header()
	for _, name := range describesBody {
		delete(h, name) // what an outer handler said of a body that will not come
	}
	v := page.values[:]
	v[0], v[1], v[2] = "application/problem+json", "no-store", strconv.Itoa(wholeUnits(wait, time.Second))
	h["Content-Type"] = v[0:1:1]
	h["Cache-Control"] = v[1:2:2]
	h["Retry-After"] = v[2:3:3]
	if r.ProtoMajor == 1 && (r.ContentLength < 0 || r.ContentLength > MaxDrain) {
		v[3] = "close"
		h["Connection"] = v[3:4:4]
	}
	if how.Tell {
		v[4], v[5] = announcement(how.Load)
		setAnnouncement(h, v[4:6:6])
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// A client that does not listen any more is none of our business.
		_, _ = w.Write(appendProblem(page.body[:0], status, wait, err, how))
	}
}

var describesBody = [...]string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"}

// wholeUnits is d in units, rounded up.
func wholeUnits(d, unit time.Duration) int { return int((d + unit - 1) / unit) }
