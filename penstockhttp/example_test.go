package penstockhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/penstockhttp"
)

func ExampleHandler() {
	ctl := admission.New(admission.Config{}) // finds its limit by itself
	defer ctl.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	protected := penstockhttp.Handler(ctl, mux)

	get := func() {
		w := httptest.NewRecorder()
		protected.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/hello", nil))
		fmt.Println(w.Code, w.Body.Len() > 0, w.Header().Get("Penstock-Pressure") != "", w.Header().Get("Content-Type"))
	}
	get()
	ctl.Drain() // shutting down
	get()
	// Output:
	// 200 true true text/plain; charset=utf-8
	// 503 true true application/problem+json
}

func ExampleWithClassifier() {
	ctl := admission.New(admission.Config{})
	defer ctl.Close()
	mux := http.NewServeMux()
	protected := penstockhttp.Handler(ctl, mux, penstockhttp.WithClassifier(
		func(r *http.Request, w *penstock.Work) {
			if r.URL.Path == "/checkout" {
				w.Criticality = penstock.CriticalPlus
			}
		}))
	w := httptest.NewRecorder()
	protected.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/checkout", nil))
	fmt.Println(w.Code)
	// Output: 404
}
