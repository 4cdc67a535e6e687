package flowserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/penstockhttp"
)

// Bodies in hand are bounded by a gate, whose slots stand for memory: a request
// has one for each MiB of its body from before it is read until it is answered.
const (
	slotBytes = 1 << 20
	slots     = 256
	// smallBody is read before the gate is asked, so that a slow one holds no
	// slot.
	smallBody = penstockhttp.MaxDrain
	// workWait is how long a worker's word waits for a slot. It is refused last:
	// what it says has been worked for.
	workWait = time.Minute
)

// bodyTime is how long a body may take; a large one as much for each slot. Tests
// shorten it.
var bodyTime = 10 * time.Second

// The gate's routes.
const (
	offerRoute = iota
	workRoute
)

var (
	errTooLarge = errors.New("the body is too large")
	errTooSlow  = errors.New("the body came too slowly")
)

func newGate() *admission.Controller {
	return admission.New(admission.Config{
		Gates:  []admission.Gate{{Name: "bodies", Limit: limit.Fixed(slots)}},
		Routes: []admission.Route{offerRoute: {Name: "offer"}, workRoute: {Name: "work", WaitFor: workWait}},
	})
}

// A body is what came with a request. It is free again after release.
type body struct {
	bytes.Buffer
	permit admission.Permit
}

// bodies of a common size are used again.
var bodies = sync.Pool{New: func() any { return new(body) }}

func (b *body) release() {
	b.permit.Done(penstock.OK)
	if b.permit = (admission.Permit{}); b.Cap() <= slotBytes {
		b.Reset()
		bodies.Put(b)
	}
}

// take reads a body of at most most bytes. Where it is large the gate is asked
// first, else after.
func (s *Server) take(w http.ResponseWriter, r *http.Request, route int, most int64) (*body, error) {
	if r.ContentLength > most {
		return nil, fmt.Errorf("%w: %d bytes, where at most %d are allowed", errTooLarge, r.ContentLength, most)
	}
	size := r.ContentLength
	if size < 0 {
		size = most // it may become that
	}
	b := bodies.Get().(*body)
	work := penstock.Work{Criticality: penstock.Critical, Cost: int(size/slotBytes) + 1}
	if route == workRoute {
		work.Criticality = penstock.CriticalPlus
	}
	small := size <= smallBody
	if small {
		if err := b.read(w, r, most, work.Cost); err != nil {
			b.release()
			return nil, err
		}
	}
	permit, err := s.gate.AcquireRoute(r.Context(), route, work)
	if err != nil {
		b.release()
		return nil, err
	}
	b.permit = permit
	if !small {
		if err := b.read(w, r, most, work.Cost); err != nil {
			b.release()
			return nil, err
		}
	}
	return b, nil
}

func (b *body) read(w http.ResponseWriter, r *http.Request, most int64, cost int) error {
	if r.ContentLength == 0 {
		return nil
	}
	// A writer that knows no deadlines holds no connection.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(time.Duration(cost) * bodyTime)) //nolint:forbidigo // a socket's deadline is a time.Time
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return bodyError(err, most)
	}
	_ = rc.SetReadDeadline(time.Time{}) // a pull may wait for longer
	return nil
}

func bodyError(err error, most int64) error {
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		return fmt.Errorf("%w: at most %d bytes are allowed", errTooLarge, most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTooSlow
	}
	return &flow.InvalidError{Field: "body", Text: err.Error()}
}

// decode reads one JSON value without unknown fields. An empty body is none:
// everything has a default, or is found to be missing.
func (b *body) decode(to any) error {
	d := json.NewDecoder(&b.Buffer)
	d.DisallowUnknownFields()
	err := d.Decode(to)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return &flow.InvalidError{Field: "body", Text: strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &flow.InvalidError{Field: "body", Text: "more follows the JSON value"}
	}
	return nil
}

// read takes and decodes a worker's or an admin's body.
func (s *Server) read(w http.ResponseWriter, r *http.Request, to any) error {
	b, err := s.take(w, r, workRoute, BodyMax)
	if err != nil {
		return err
	}
	defer b.release()
	return b.decode(to)
}
