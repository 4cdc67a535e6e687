// Brownout is a page that becomes cheaper before anything has to be refused: above
// a pressure of 0.7, its own or that of the recommender behind it, it leaves the
// recommendations out.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/penstockhttp"
)

// brownAbove is the pressure above which the page is served without what it can
// do without. At 0.8 work begins to wait.
const brownAbove = 0.7

func main() {
	ctl := admission.New(admission.Config{})
	defer ctl.Close()
	log.Fatal(http.ListenAndServe("127.0.0.1:9000", penstockhttp.Handler(ctl, page(render))))
}

// page serves the whole page while there is room for it.
func page(recommendations func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintln(w, "<h1>A thing</h1>")
		if penstock.PressureFrom(r.Context()) > brownAbove {
			return
		}
		_, _ = fmt.Fprintln(w, recommendations())
	})
}

// render is the expensive part.
func render() string {
	time.Sleep(20 * time.Millisecond)
	return "<p>Others also looked at another thing.</p>"
}
