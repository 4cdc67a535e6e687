package flowserver

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/penstockhttp"
)

// Bounds of a request.
const (
	ItemsMax = 1000
	BodyMax  = 32 << 20
	WaitMax  = 5 * time.Minute
)

// Tokens say who may do what. A role without tokens is open to everybody: serve
// that on a loopback address alone. An admin may do everything.
type Tokens struct{ Offer, Work, Admin []string }

// Any reports whether there is a token at all.
func (t Tokens) Any() bool { return len(t.Offer)+len(t.Work)+len(t.Admin) > 0 }

// A Server is an [http.Handler] for the flows of an engine.
type Server struct {
	engine *engine.Engine
	tokens Tokens
	mux    *http.ServeMux
}

// New returns a server.
func New(e *engine.Engine, tokens Tokens) *Server {
	s := &Server{engine: e, tokens: tokens, mux: http.NewServeMux()}
	all := append(append(append([]string(nil), tokens.Offer...), tokens.Work...), tokens.Admin...)
	for pattern, h := range map[string]struct {
		roles []string
		f     func(*http.Request) (any, error)
	}{
		"GET /v1/flows":                             {all, s.list},
		"GET /v1/flows/{flow}":                      {all, s.describe},
		"PUT /v1/flows/{flow}":                      {tokens.Admin, s.define},
		"POST /v1/flows/{flow}/offer":               {tokens.Offer, s.offer},
		"POST /v1/flows/{flow}/ack":                 {tokens.Work, s.ack},
		"POST /v1/flows/{flow}/nack":                {tokens.Work, s.nack},
		"POST /v1/flows/{flow}/extend":              {tokens.Work, s.extend},
		"POST /v1/flows/{flow}/spill":               {tokens.Work, s.spill},
		"GET /v1/flows/{flow}/spillway":             {tokens.Admin, s.spillway},
		"POST /v1/flows/{flow}/spillway/replay":     {tokens.Admin, s.replay},
		"POST /v1/flows/{flow}/spillway/discard":    {tokens.Admin, s.discard},
		"POST /v1/flows/{flow}/stages/{stage}/pull": {tokens.Work, nil},
	} {
		f := h.f
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.allowed(r, h.roles) {
				w.Header().Set("WWW-Authenticate", "Bearer")
				problem(w, http.StatusUnauthorized, "a token of this role is needed: Authorization: Bearer TOKEN")
				return
			}
			if f == nil {
				s.pull(w, r)
				return
			}
			answer, err := f(r)
			if err != nil {
				fail(w, r, err)
				return
			}
			_ = write(w, http.StatusOK, answer)
		})
	}
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := e.Err(); err != nil {
			problem(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		_ = write(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Server) allowed(r *http.Request, role []string) bool {
	if !s.tokens.Any() {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	found := 0
	for _, list := range [][]string{role, s.tokens.Admin} {
		for _, t := range list {
			found |= subtle.ConstantTimeCompare([]byte(t), []byte(given))
		}
	}
	return found == 1
}

// read decodes a bounded body of one JSON value without unknown fields.
func read(r *http.Request, to any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, BodyMax))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	switch {
	case errors.Is(err, io.EOF):
		return nil // everything has a default, or is found to be missing
	case err != nil:
		return &flow.InvalidError{Field: "body", Text: strings.TrimPrefix(err.Error(), "json: ")}
	case d.More():
		return &flow.InvalidError{Field: "body", Text: "more follows the JSON value"}
	}
	return nil
}

func count(field string, n int) error {
	if n < 1 || n > ItemsMax {
		return &flow.InvalidError{Field: field, Text: fmt.Sprintf("%d of them, where 1 to %d are allowed", n, ItemsMax)}
	}
	return nil
}

func write(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}

func problem(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "status": status, "title": http.StatusText(status), "detail": text})
}

// fail answers an error of a whole request.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if refusal, ok := errors.AsType[*penstock.RejectedError](err); ok {
		penstockhttp.Refuse(w, r, refusal, penstockhttp.Refusal{Limit: r.PathValue("flow")})
		return
	}
	status := statusOf(err)
	if status == http.StatusInsufficientStorage {
		w.Header().Set("Retry-After", "1")
	}
	problem(w, status, err.Error())
}

func statusOf(err error) int {
	_, invalid := errors.AsType[*flow.InvalidError](err)
	_, undefined := errors.AsType[*flow.DefinitionError](err)
	switch {
	case invalid, undefined:
		return http.StatusBadRequest
	case errors.Is(err, engine.ErrUnknownFlow), errors.Is(err, flow.ErrUnknownStage), errors.Is(err, flow.ErrUnknownItem):
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
func results(rs []engine.Result) (any, error) {
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
		}
	}
	if failed == len(rs) {
		return nil, rs[0].Err
	}
	return out, nil
}

func (s *Server) list(*http.Request) (any, error) {
	return flowapi.Flows{Flows: append([]string{}, s.engine.Flows()...)}, nil
}

func (s *Server) describe(r *http.Request) (any, error) {
	name := r.PathValue("flow")
	def, err := s.engine.Definition(name)
	if err != nil {
		return nil, err
	}
	st, err := s.engine.Stats(name)
	return flowapi.Description{Definition: flowapi.DefinitionOf(def), Stats: st}, err
}

func (s *Server) define(r *http.Request) (any, error) {
	var d flowapi.Definition
	if err := read(r, &d); err != nil {
		return nil, err
	}
	name := r.PathValue("flow")
	if d.Name != "" && d.Name != name {
		return nil, &flow.InvalidError{Field: "name", Text: fmt.Sprintf("%.64q is not that of the path, %.64q", d.Name, name)}
	}
	d.Name = name
	if err := s.engine.Define(r.Context(), d.Flow()); err != nil {
		return nil, err
	}
	def, err := s.engine.Definition(name)
	return flowapi.DefinitionOf(def), err
}

// offer refuses before it reads the body, if all would be.
func (s *Server) offer(r *http.Request) (any, error) {
	name := r.PathValue("flow")
	if err := s.engine.Entrance(name); err != nil {
		return nil, err
	}
	var req flowapi.OfferRequest
	if err := read(r, &req); err != nil {
		return nil, err
	}
	if err := count("items", len(req.Items)); err != nil {
		return nil, err
	}
	offers := make([]flow.Offer, len(req.Items))
	for i := range req.Items {
		o, err := req.Items[i].Offer()
		if err != nil {
			return nil, fmt.Errorf("items[%d].%w", i, err)
		}
		offers[i] = o
	}
	return results(s.engine.Offer(r.Context(), name, offers...))
}

func (s *Server) pull(w http.ResponseWriter, r *http.Request) {
	var req flowapi.PullRequest
	if err := read(r, &req); err != nil {
		fail(w, r, err)
		return
	}
	name := r.PathValue("flow")
	jobs, err := s.engine.Pull(r.Context(), name, r.PathValue("stage"), req.Max,
		min(time.Duration(req.Wait), WaitMax), time.Duration(req.Lease))
	if err != nil {
		fail(w, r, err)
		return
	}
	out := flowapi.PullResponse{Jobs: make([]flowapi.Job, len(jobs))}
	for i, j := range jobs {
		out.Jobs[i] = flowapi.JobOf(j.Leased, j.Payload)
	}
	if err := write(w, http.StatusOK, out); err != nil || r.Context().Err() != nil {
		s.engine.Release(name, jobs) // the worker is gone
	}
}

func (s *Server) ack(r *http.Request) (any, error) {
	var req flowapi.AckRequest
	if err := read(r, &req); err != nil {
		return nil, err
	}
	if err := count("done", len(req.Done)); err != nil {
		return nil, err
	}
	acks := make([]engine.Ack, len(req.Done))
	for i, d := range req.Done {
		l, err := lease(d.Lease)
		if err != nil {
			return nil, fmt.Errorf("done[%d].%w", i, err)
		}
		acks[i].Lease = l
		acks[i].Output, acks[i].Replace = d.Bytes()
	}
	return results(s.engine.Ack(r.Context(), r.PathValue("flow"), acks...))
}

func lease(text string) (flow.Lease, error) {
	l, err := flow.ParseLease(text)
	if err != nil {
		return l, &flow.InvalidError{Field: "lease", Text: strings.TrimPrefix(err.Error(), "flow: ")}
	}
	return l, nil
}

func one(r *http.Request) (req flowapi.LeaseRequest, l flow.Lease, err error) {
	if err = read(r, &req); err == nil {
		l, err = lease(req.Lease)
	}
	return req, l, err
}

func result(res engine.Result) (any, error) {
	return flowapi.Result{ID: res.ID, Outcome: res.Outcome.String()}, res.Err
}

func (s *Server) nack(r *http.Request) (any, error) {
	req, l, err := one(r)
	if err != nil {
		return nil, err
	}
	delay := time.Duration(-1)
	if req.Delay != nil {
		delay = max(time.Duration(*req.Delay), 0)
	}
	return result(s.engine.Nack(r.Context(), r.PathValue("flow"), l, delay, req.Reason))
}

func (s *Server) spill(r *http.Request) (any, error) {
	req, l, err := one(r)
	if err != nil {
		return nil, err
	}
	return result(s.engine.Spill(r.Context(), r.PathValue("flow"), l, req.Reason))
}

func (s *Server) extend(r *http.Request) (any, error) {
	req, l, err := one(r)
	if err != nil {
		return nil, err
	}
	d, err := s.engine.Extend(r.PathValue("flow"), l, time.Duration(req.LeaseFor))
	return map[string]flowapi.Duration{"lease_for": flowapi.Duration(d)}, err
}

func (s *Server) spillway(r *http.Request) (any, error) {
	q := r.URL.Query()
	n := ItemsMax
	if text := q.Get("max"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			return nil, &flow.InvalidError{Field: "max", Text: fmt.Sprintf("%.20q is no whole number from 1 to %d", text, ItemsMax)}
		}
	}
	items, err := s.engine.Spillway(r.PathValue("flow"), q.Get("after"), min(n, ItemsMax))
	out := flowapi.SpillwayResponse{Items: make([]flowapi.Spilled, len(items))}
	for i, it := range items {
		out.Items[i] = flowapi.Spilled{
			ID: it.ID, Key: it.Key, Stage: it.Stage, Reason: it.Reason,
			Attempts: int(it.Attempts), Size: int(it.Size), Created: it.Created.Time(),
		}
	}
	return out, err
}

func (s *Server) replay(r *http.Request) (any, error)  { return s.byIDs(r, true) }
func (s *Server) discard(r *http.Request) (any, error) { return s.byIDs(r, false) }

func (s *Server) byIDs(r *http.Request, replay bool) (any, error) {
	var req flowapi.IDsRequest
	if err := read(r, &req); err != nil {
		return nil, err
	}
	if err := count("ids", len(req.IDs)); err != nil {
		return nil, err
	}
	if replay {
		return results(s.engine.Replay(r.Context(), r.PathValue("flow"), req.IDs...))
	}
	return results(s.engine.Discard(r.Context(), r.PathValue("flow"), req.IDs...))
}
