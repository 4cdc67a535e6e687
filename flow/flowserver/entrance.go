package flowserver

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/flowapi"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// IdempotencyKey is the header field that gives a lone item its id.
const IdempotencyKey = "Idempotency-Key"

// offer takes items in. A full flow refuses before the body is read.
func (s *Server) offer(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("flow")
	if err := s.engine.Entrance(name); err != nil {
		return err
	}
	b, err := s.take(w, r, offerRoute, BodyMax)
	if err != nil {
		return err
	}
	defer b.release()
	var req flowapi.OfferRequest
	if err := b.decode(&req); err != nil {
		return err
	}
	if err := count("items", len(req.Items)); err != nil {
		return err
	}
	offers := make([]flow.Offer, len(req.Items))
	for i := range req.Items {
		o, err := req.Items[i].Offer()
		if err != nil {
			return fmt.Errorf("items[%d].%w", i, err)
		}
		offers[i] = o
	}
	out, err := results(s.engine.Offer(r.Context(), name, offers...))
	if err != nil {
		return err
	}
	s.announce(w, name)
	return answer(w, out, nil)
}

// item takes in one item, which is the body as it is: what a form, a webhook or a
// gateway sends. The same id again is answered in the same way.
func (s *Server) item(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("flow")
	if err := s.engine.Entrance(name); err != nil {
		return err
	}
	def, err := s.engine.Definition(name)
	if err != nil {
		return err
	}
	b, err := s.take(w, r, offerRoute, int64(def.PayloadMax))
	if err != nil {
		return err
	}
	defer b.release()
	o := flow.Offer{ID: idempotencyKey(r.Header), Key: r.URL.Query().Get("key"), Payload: b.Bytes()}
	if work, ok := pressure.ParseWork(r.Header.Get(penstockhttp.FieldWork)); ok {
		o.Criticality = work.Criticality
	}
	res := s.engine.Offer(r.Context(), name, o)[0]
	if res.Err != nil {
		return res.Err
	}
	s.announce(w, name)
	_ = write(w, http.StatusAccepted, flowapi.Result{ID: res.ID, Outcome: res.Outcome.String()})
	return nil
}

// idempotencyKey reads the field of the IETF's draft-ietf-httpapi-idempotency-
// key-header, whose value is a quoted string; many send it without the quotes.
func idempotencyKey(h http.Header) string {
	v := strings.TrimSpace(h.Get(IdempotencyKey))
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(v[1 : len(v)-1])
	}
	return v
}

// announce tells a producer how full the flow's entrance is.
func (s *Server) announce(w http.ResponseWriter, name string) {
	if level, err := s.engine.Level(name); err == nil {
		penstockhttp.Announce(w.Header(), pressure.Load{Signal: pressure.Signal{Level: level}})
	}
}
