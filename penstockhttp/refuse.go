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
// server's ReadTimeout allows; [LeaveBody] before sees to it that it does not wait
// for them longer than [Linger], as [Handler] does.
func Refuse(w http.ResponseWriter, r *http.Request, err *penstock.RejectedError, how Refusal) {
	Prepare(err, how).Send(w, r)
}

// An Answer is a refusal made ready to be sent, once or often. Hosts that refuse
// much keep it for as long as the controller gives the same error: that is what
// makes refusing cheap.
type Answer struct {
	drop   bool
	tell   bool
	status int
	values [5]string // of the fields that are set
	size   int       // of the document
	page   [512]byte // holds it, unless the limit's name is very long
	long   []byte    // holds it then
}

// Prepare makes an Answer. It does not check [Refusal.With] beyond what
// [Refuse] documents.
func Prepare(err *penstock.RejectedError, how Refusal) *Answer {
	a := &Answer{drop: how.With == RefuseDrop, tell: how.Tell, status: http.StatusServiceUnavailable}
	if how.With == Refuse429 || err.Reason == penstock.ReasonRate {
		a.status = http.StatusTooManyRequests
	}
	wait := min(err.RetryAfter, maxRetryAfter)
	if wait <= 0 {
		wait = time.Second // unknown; the field cannot say less
	}
	a.values = [5]string{"application/problem+json", strconv.Itoa(wholeUnits(wait, time.Second)), "close"}
	if how.Tell {
		fields := written(how.Load)
		copy(a.values[3:], fields[:])
	}
	document := appendProblem(a.page[:0], a.status, wait, err, how)
	if a.size = len(document); a.size > len(a.page) {
		a.long = document
	}
	return a
}

// Status is the status that Send answers with.
func (a *Answer) Status() int { return a.status }

// Send answers a request: see [Refuse]. The values of the fields it sets are
// shared by all responses that this Answer is sent as: what comes after it must
// not change them in place.
func (a *Answer) Send(w http.ResponseWriter, r *http.Request) {
	if a.drop {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	if len(h) > 0 {
		for _, name := range describesBody {
			delete(h, name) // what an outer handler said of a body that will not come
		}
	}
	// The capacities keep an Add to one field from writing into the next.
	v := a.values[:]
	h["Content-Type"] = v[0:1:1]
	h["Retry-After"] = v[1:2:2]
	if r.ProtoMajor == 1 && (r.ContentLength < 0 || r.ContentLength > MaxDrain) {
		h["Connection"] = v[2:3:3]
	}
	if a.tell {
		setAnnouncement(h, v[3:4:4], v[4:5:5])
	}
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(a.document()) // a client that does not listen any more is none of our business
}

// Append appends the answer as a server writes it to an HTTP/1.1 connection that
// stays open: for one that keeps its answers ready as bytes. It must not be used
// for HEAD, nor with [RefuseDrop].
func (a *Answer) Append(b []byte, date time.Time) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(append(b, ' '), http.StatusText(a.status)...)
	field := func(name, value string) {
		b = append(append(append(append(b, "\r\n"...), name...), ": "...), value...)
	}
	field("Content-Type", a.values[0])
	field("Retry-After", a.values[1])
	if a.tell {
		field(FieldPressure, a.values[3])
		field(FieldLoad, a.values[4])
	}
	field("Date", date.UTC().Format(http.TimeFormat))
	document := a.document()
	field("Content-Length", strconv.Itoa(len(document)))
	return append(append(b, "\r\n\r\n"...), document...)
}

func (a *Answer) document() []byte {
	if a.long != nil {
		return a.long
	}
	return a.page[:a.size]
}

var describesBody = [...]string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"}

// wholeUnits is d in units, rounded up.
func wholeUnits(d, unit time.Duration) int { return int((d + unit - 1) / unit) }
