// Command hello is the backend of the gateway benchmark: it answers every
// request with 1 KiB at once, and holds /hold until the client leaves.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "address")
	flag.Parse()
	body := bytes.Repeat([]byte("x"), 1024)
	http.HandleFunc("/hold", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Length"] = []string{"1024"}
		_, _ = w.Write(body)
	})
	if err := http.ListenAndServe(*listen, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
