package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/penstock-go/penstock"
)

//go:embed page.html
var page []byte

// adminServer answers about the gateway. It shares neither listener nor
// handlers with the front, so that it answers under any load.
func (g *Gateway) adminServer() *http.Server {
	return &http.Server{
		Handler:           g.adminHandler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    MaxHeaderBytes,
		ErrorLog:          log.New(g.quiet, "", 0),
	}
}

func (g *Gateway) adminHandler() http.Handler {
	guarded := http.NewServeMux()
	guarded.Handle("GET /metrics", g.metrics())
	guarded.HandleFunc("GET /v1/state", g.serveState)
	guarded.HandleFunc("GET /v1/explain/{id}", g.serveExplain)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case g.ready.Load():
			say(w, http.StatusOK, "ready")
		case g.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		default:
			say(w, http.StatusServiceUnavailable, "starting")
		}
	})
	mux.HandleFunc("GET /{$}", servePage)
	mux.Handle("/", g.guard(guarded))
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // a client that is gone is no news
}

// guard demands the token where there is one. Without one the listener is on a
// loopback address, and a page from elsewhere must not reach it by pointing its
// own name there: the Host field has to name a loopback address too.
func (g *Gateway) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(g.opts.adminToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.opts.adminToken == "" {
			if !isLoopback(r.Host) {
				say(w, http.StatusForbidden, "the Host field must name a loopback address")
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(got))
		if !ok || subtle.ConstantTimeCompare(sum[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="penstock"`)
			say(w, http.StatusUnauthorized, "the admin token is needed: Authorization: Bearer TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// servePage serves the page, which holds no data and asks for /v1/state itself.
func servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(page) // a client that is gone is no news
}

func (g *Gateway) serveState(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(g.State()) // a client that is gone is no news
}

// Explanation is the answer of /v1/explain/ID.
type Explanation struct {
	ID    string `json:"id"`
	State string `json:"state"` // the controller's state behind the refusal, in words
}

func (g *Gateway) serveExplain(w http.ResponseWriter, r *http.Request) {
	id, err := penstock.ParseRefusalID(r.PathValue("id"))
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	state, ok := g.ctl.ExplainRefusal(id)
	if !ok {
		say(w, http.StatusNotFound, "no refusal of that id is remembered: it is older than the last 65,536 decisions, or another gateway's")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Explanation{ID: id.String(), State: state}) // as in serveState
}

// metrics serves the Prometheus text format. Everything is collected when it is
// asked for: a request pays for its counters alone.
func (g *Gateway) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{g}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
