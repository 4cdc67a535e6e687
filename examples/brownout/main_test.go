package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// TestPage: with room the page is whole; above the level it is served without the
// expensive part, whether the server itself is full or what it needs.
func TestPage(t *testing.T) {
	own, below := 0.0, 0.0
	ctl := admission.New(admission.Config{})
	defer ctl.Close()
	shown := page(func() string { return "recommendations" })
	front := penstockhttp.Handler(ctl, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What a Transport does when a callee answers:
		caller.VisitOf(r.Context()).Heard(pressure.Signal{Level: below})
		if own > 0 { // and a server that is full itself
			r = r.WithContext(penstock.WithVisit(r.Context(), caller.NewVisit(penstock.Work{}, func() float64 { return own })))
		}
		shown.ServeHTTP(w, r)
	}))
	for _, row := range []struct {
		own, below float64
		whole      bool
	}{{0, 0, true}, {0.65, 0.7, true}, {0.75, 0, false}, {0, 0.9, false}} {
		own, below = row.own, row.below
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		body := w.Body.String()
		if !strings.Contains(body, "A thing") || strings.Contains(body, "recommendations") != row.whole || w.Code != http.StatusOK {
			t.Errorf("at %v, and %v below: %d %q", own, below, w.Code, body)
		}
	}
}
