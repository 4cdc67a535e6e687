// Protect is a web server that holds under any load.
package main

import (
	"log"
	"net/http"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/penstockhttp"
)

func main() {
	log.Fatal(http.ListenAndServe("127.0.0.1:9000", protect(http.FileServer(http.Dir(".")))))
}

// protect finds out how many requests next can take at once, lets that many
// through, and refuses the rest early, with the time to come back.
func protect(next http.Handler) http.Handler {
	ctl := admission.New(admission.Config{})
	return penstockhttp.Handler(ctl, next)
}
