// Command bare is what any proxy on net/http costs at least: httputil's
// ReverseProxy with a tuned transport and nothing around it, and on a second
// address a handler that answers 503. The gateway is compared with both.
package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime/debug"
)

func main() {
	debug.SetGCPercent(400) // as the gateway sets it
	backend, err := url.Parse(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(backend) },
		Transport: &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, DisableCompression: true},
	}
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	failed := make(chan error, 2)
	go func() { failed <- http.ListenAndServe(os.Args[2], proxy) }()
	go func() { failed <- http.ListenAndServe(os.Args[3], refuse) }()
	fmt.Fprintln(os.Stderr, <-failed)
	os.Exit(1)
}
