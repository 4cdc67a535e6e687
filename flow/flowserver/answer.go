package flowserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// write answers with a value in JSON.
func write(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}

// answer is write for those who cannot do anything about a client that is gone.
func answer(w http.ResponseWriter, v any, err error) error {
	if err == nil {
		_ = write(w, http.StatusOK, v)
	}
	return err
}

// problem answers that something is wrong with a request. What is left of its
// body is not waited for.
func problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	penstockhttp.LeaveBody(w, r)
	if r.ContentLength < 0 || r.ContentLength > penstockhttp.MaxDrain {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "status": status, "title": http.StatusText(status), "detail": text})
}

// fail answers an error of a whole request.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if refusal, ok := errors.AsType[*penstock.RejectedError](err); ok {
		penstockhttp.LeaveBody(w, r)
		penstockhttp.Refuse(w, r, refusal, penstockhttp.Refusal{
			Limit: r.PathValue("flow"), Tell: true,
			Load: pressure.Load{Signal: pressure.Signal{Level: refusal.Pressure, Retry: refusal.RetryAfter}.Clamp()},
		})
		return
	}
	status := statusOf(err)
	switch status {
	case http.StatusInsufficientStorage, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	problem(w, r, status, err.Error())
}

func statusOf(err error) int {
	_, invalid := errors.AsType[*flow.InvalidError](err)
	_, undefined := errors.AsType[*flow.DefinitionError](err)
	switch {
	case invalid, undefined:
		return http.StatusBadRequest
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errTooSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, engine.ErrUnknownFlow), errors.Is(err, flow.ErrUnknownStage), errors.Is(err, flow.ErrUnknownItem), errors.Is(err, errNoBackup):
		return http.StatusNotFound
	case errors.Is(err, flow.ErrStale):
		return http.StatusConflict
	case errors.Is(err, flow.ErrStoreFull):
		return http.StatusInsufficientStorage
	case errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrAborted):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// results shows what became of each; if nothing was done for any, the first
// error is the request's.
func results(rs []engine.Result) (flowapi.Results, error) {
	out := flowapi.Results{Results: make([]flowapi.Result, len(rs))}
	failed := 0
	for i, r := range rs {
		if r.Err == nil {
			out.Results[i] = flowapi.Result{ID: r.ID, Outcome: r.Outcome.String()}
			continue
		}
		failed++
		out.Results[i] = flowapi.Result{ID: r.ID, Error: r.Err.Error()}
		if refusal, ok := errors.AsType[*penstock.RejectedError](r.Err); ok {
			out.Results[i].Reason, out.Results[i].RetryAfterMS = refusal.Reason.String(), refusal.RetryAfter.Milliseconds()
		} else if errors.Is(r.Err, flow.ErrStoreFull) || errors.Is(r.Err, engine.ErrAborted) {
			out.Results[i].Reason, out.Results[i].RetryAfterMS = flowapi.ReasonStoreFull, time.Second.Milliseconds()
		}
	}
	if failed == len(rs) {
		return out, rs[0].Err
	}
	return out, nil
}

// count demands a batch of a size that is allowed.
func count(field string, n int) error {
	if n < 1 || n > ItemsMax {
		return &flow.InvalidError{Field: field, Text: fmt.Sprintf("%d of them, where 1 to %d are allowed", n, ItemsMax)}
	}
	return nil
}
