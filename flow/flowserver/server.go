package flowserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/flow/engine"
)

// Bounds of a request.
const (
	ItemsMax = 1000            // offered, acknowledged, pulled, listed at once
	BodyMax  = 32 << 20        // bytes of a body
	WaitMax  = 5 * time.Minute // for the first item of a pull
)

// Tokens say who may do what. A role without tokens is open to nobody but
// admins, who may do everything; where there is no token at all everybody may:
// serve that on a loopback address alone.
type Tokens struct{ Offer, Work, Admin []string }

// Any reports whether there is a token at all.
func (t Tokens) Any() bool { return len(t.Offer)+len(t.Work)+len(t.Admin) > 0 }

// An Option adjusts a server.
type Option interface{ apply(*Server) }

type option func(*Server)

func (o option) apply(s *Server) { o(s) }

// WithBackup lets admins fetch a copy of the store, as backup writes it, while
// the server runs.
func WithBackup(backup func(io.Writer) (int64, error)) Option {
	return option(func(s *Server) { s.backup = backup })
}

// A Server is an [http.Handler] for the flows of an engine.
type Server struct {
	engine *engine.Engine
	gate   *admission.Controller // of the bodies in hand
	backup func(io.Writer) (int64, error)
	open   bool
	mux    *http.ServeMux
	guard  http.Handler // mux, where needed behind a look at who sends the browser

	ending context.Context // ends when the server is about to
	end    context.CancelFunc
}

// A digest stands for a token: of equal length for all of them, so that the time
// of a comparison tells nothing.
type digest = [sha256.Size]byte

func digests(tokens ...[]string) (ds []digest) {
	for _, t := range slices.Concat(tokens...) {
		ds = append(ds, sha256.Sum256([]byte(t)))
	}
	return ds
}

// A handler answers a request, or says what is wrong with it.
type handler func(http.ResponseWriter, *http.Request) error

// New returns a server; Close ends it.
func New(e *engine.Engine, tokens Tokens, opts ...Option) *Server {
	s := &Server{engine: e, gate: newGate(), open: !tokens.Any(), mux: http.NewServeMux()}
	s.ending, s.end = context.WithCancel(context.Background())
	for _, o := range opts {
		o.apply(s)
	}
	admin := digests(tokens.Admin)
	offer, work := digests(tokens.Offer, tokens.Admin), digests(tokens.Work, tokens.Admin)
	s.route(slices.Concat(offer, work), map[string]handler{
		"GET /v1/flows":        s.list,
		"GET /v1/flows/{flow}": s.describe,
	})
	s.route(offer, map[string]handler{
		"POST /v1/flows/{flow}/offer": s.offer,
		"POST /v1/flows/{flow}/items": s.item,
	})
	s.route(work, map[string]handler{
		"POST /v1/flows/{flow}/stages/{stage}/pull": s.pull,
		"POST /v1/flows/{flow}/ack":                 s.ack,
		"POST /v1/flows/{flow}/nack":                s.nack,
		"POST /v1/flows/{flow}/extend":              s.extend,
		"POST /v1/flows/{flow}/spill":               s.spill,
	})
	s.route(admin, map[string]handler{
		"PUT /v1/flows/{flow}":                   s.define,
		"GET /v1/flows/{flow}/spillway":          s.spillway,
		"POST /v1/flows/{flow}/spillway/replay":  s.replay,
		"POST /v1/flows/{flow}/spillway/discard": s.discard,
		"GET /v1/backup":                         s.backUp,
	})
	s.mux.HandleFunc("GET /healthz", s.health)
	if s.guard = s.mux; s.open {
		// Anybody on this machine may work, but not the pages that their browsers
		// show. Tokens are nothing that a browser adds by itself.
		s.guard = http.NewCrossOriginProtection().Handler(s.mux)
	}
	return s
}

// Close lets waiting workers go and stops the timers. It leaves the engine to its
// owner.
func (s *Server) Close() {
	s.end()
	s.gate.Close()
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.guard.ServeHTTP(w, r) }

// route adds handlers for those who have one of the tokens.
func (s *Server) route(role []digest, handlers map[string]handler) {
	for pattern, h := range handlers {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.allowed(r, role) {
				w.Header().Set("WWW-Authenticate", "Bearer")
				problem(w, r, http.StatusUnauthorized, "a token of this role is needed: Authorization: Bearer TOKEN")
				return
			}
			if err := h(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
}

// allowed looks at every token, so that the time it takes does not tell which one
// is nearly right.
func (s *Server) allowed(r *http.Request, role []digest) bool {
	if s.open {
		return true
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given, found := sha256.Sum256([]byte(token)), 0
	for i := range role {
		found |= subtle.ConstantTimeCompare(role[i][:], given[:])
	}
	return ok && found == 1
}
