package flowserver

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/flowapi"
)

func (s *Server) list(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, flowapi.Flows{Flows: append([]string{}, s.engine.Flows()...)}, nil)
}

func (s *Server) describe(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("flow")
	def, err := s.engine.Definition(name)
	if err != nil {
		return err
	}
	st, err := s.engine.Stats(name)
	return answer(w, flowapi.Description{Definition: flowapi.DefinitionOf(def), Stats: st}, err)
}

func (s *Server) define(w http.ResponseWriter, r *http.Request) error {
	var d flowapi.Definition
	if err := s.read(w, r, &d); err != nil {
		return err
	}
	name := r.PathValue("flow")
	if d.Name != "" && d.Name != name {
		return &flow.InvalidError{Field: "name", Text: fmt.Sprintf("%.64q is not that of the path, %.64q", d.Name, name)}
	}
	d.Name = name
	if err := s.engine.Define(r.Context(), d.Flow()); err != nil {
		return err
	}
	def, err := s.engine.Definition(name)
	return answer(w, flowapi.DefinitionOf(def), err)
}

func (s *Server) spillway(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	n := ItemsMax
	if text := q.Get("max"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			return &flow.InvalidError{Field: "max", Text: fmt.Sprintf("%.20q is no whole number from 1 to %d", text, ItemsMax)}
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
	return answer(w, out, err)
}

func (s *Server) replay(w http.ResponseWriter, r *http.Request) error { return s.byIDs(w, r, true) }

func (s *Server) discard(w http.ResponseWriter, r *http.Request) error { return s.byIDs(w, r, false) }

func (s *Server) byIDs(w http.ResponseWriter, r *http.Request, replay bool) error {
	var req flowapi.IDsRequest
	if err := s.read(w, r, &req); err != nil {
		return err
	}
	if err := count("ids", len(req.IDs)); err != nil {
		return err
	}
	var rs []engine.Result
	if name := r.PathValue("flow"); replay {
		rs = s.engine.Replay(r.Context(), name, req.IDs...)
	} else {
		rs = s.engine.Discard(r.Context(), name, req.IDs...)
	}
	out, err := results(rs)
	return answer(w, out, err)
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if err := s.engine.Err(); err != nil {
		problem(w, r, http.StatusServiceUnavailable, err.Error())
		return
	}
	_ = write(w, http.StatusOK, map[string]string{"status": "ok"})
}

var errNoBackup = errors.New("this server's store cannot be backed up")

// backUp sends a copy of the store as it is now. One that breaks off has no end,
// so nobody takes it for whole.
func (s *Server) backUp(w http.ResponseWriter, _ *http.Request) error {
	if s.backup == nil {
		return errNoBackup
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := s.backup(&paced{w, http.NewResponseController(w)}); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// paceTime is how long one write of a backup may take: the store keeps all that
// was when it began, so nobody may take for ever.
const paceTime = 30 * time.Second

// A paced writer gives each write its time.
type paced struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (p *paced) Write(b []byte) (int, error) {
	_ = p.rc.SetWriteDeadline(time.Now().Add(paceTime)) //nolint:forbidigo // a socket's deadline is a time.Time
	return p.w.Write(b)
}
