package flowserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
)

// errEnding lets a worker go that waits: there is nothing for it.
var errEnding = errors.New("the server ends")

func (s *Server) pull(w http.ResponseWriter, r *http.Request) error {
	var req flowapi.PullRequest
	if err := s.read(w, r, &req); err != nil {
		return err
	}
	name := r.PathValue("flow")
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.ending, func() { cancel(errEnding) })()
	jobs, err := s.engine.Pull(ctx, name, r.PathValue("stage"), req.Max,
		min(time.Duration(req.Wait), WaitMax), time.Duration(req.Lease))
	if err != nil && !errors.Is(err, errEnding) {
		return err
	}
	out := flowapi.PullResponse{Jobs: make([]flowapi.Job, len(jobs))}
	for i, j := range jobs {
		out.Jobs[i] = flowapi.JobOf(j.Leased, j.Payload)
	}
	if err := write(w, http.StatusOK, out); err != nil || r.Context().Err() != nil {
		s.engine.Release(name, jobs) // the worker is gone
	}
	return nil
}

func (s *Server) ack(w http.ResponseWriter, r *http.Request) error {
	var req flowapi.AckRequest
	if err := s.read(w, r, &req); err != nil {
		return err
	}
	if err := count("done", len(req.Done)); err != nil {
		return err
	}
	acks := make([]engine.Ack, len(req.Done))
	for i, d := range req.Done {
		l, err := lease(d.Lease)
		if err != nil {
			return fmt.Errorf("done[%d].%w", i, err)
		}
		acks[i].Lease = l
		acks[i].Output, acks[i].Replace = d.Bytes()
	}
	out, err := results(s.engine.Ack(r.Context(), r.PathValue("flow"), acks...))
	return answer(w, out, err)
}

func lease(text string) (flow.Lease, error) {
	l, err := flow.ParseLease(text)
	if err != nil {
		return l, &flow.InvalidError{Field: "lease", Text: strings.TrimPrefix(err.Error(), "flow: ")}
	}
	return l, nil
}

// one reads a request about one job.
func (s *Server) one(w http.ResponseWriter, r *http.Request) (req flowapi.LeaseRequest, l flow.Lease, err error) {
	if err = s.read(w, r, &req); err == nil {
		l, err = lease(req.Lease)
	}
	return req, l, err
}

func (s *Server) nack(w http.ResponseWriter, r *http.Request) error {
	req, l, err := s.one(w, r)
	if err != nil {
		return err
	}
	delay := time.Duration(-1)
	if req.Delay != nil {
		delay = max(time.Duration(*req.Delay), 0)
	}
	res := s.engine.Nack(r.Context(), r.PathValue("flow"), l, delay, req.Reason)
	return answer(w, flowapi.Result{ID: res.ID, Outcome: res.Outcome.String()}, res.Err)
}

func (s *Server) spill(w http.ResponseWriter, r *http.Request) error {
	req, l, err := s.one(w, r)
	if err != nil {
		return err
	}
	res := s.engine.Spill(r.Context(), r.PathValue("flow"), l, req.Reason)
	return answer(w, flowapi.Result{ID: res.ID, Outcome: res.Outcome.String()}, res.Err)
}

func (s *Server) extend(w http.ResponseWriter, r *http.Request) error {
	req, l, err := s.one(w, r)
	if err != nil {
		return err
	}
	d, err := s.engine.Extend(r.PathValue("flow"), l, time.Duration(req.LeaseFor))
	return answer(w, map[string]flowapi.Duration{"lease_for": flowapi.Duration(d)}, err)
}
