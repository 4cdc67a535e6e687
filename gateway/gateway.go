// Package gateway is a reverse proxy that keeps the servers behind it at full
// goodput under any load.
//
// A [Gateway] asks one admission controller for every request: the permit names
// the backend, and a request that gets none is refused early, cheaply and with
// a reason. Around that it bounds whatever a stranger or a sick backend can
// make it hold: connections, header and body sizes, the time that a slow client
// may take, and the work that goes on for clients that have left.
//
// docs/gateway.md describes the behaviour, the bounds and the admin interface;
// docs/metrics.md the metrics.
package gateway

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
)

// A Gateway is a reverse proxy with an admission controller in front of its
// backends. It is an [http.Handler] for its front; [Gateway.Serve] adds the
// listeners, the bounds on connections, and the admin interface.
type Gateway struct {
	opts   options
	bounds bounds
	log    *slog.Logger

	ctl      *admission.Controller
	table    atomic.Pointer[table]               // what new requests are served by
	backends atomic.Pointer[map[string]*backend] // by the name of their gate

	listen, adminListen string // as configured; they do not change

	reloading sync.Mutex // guards ledger
	ledger    ledger

	counts   counters
	work     *tally // requests that a client waits for, streams apart
	handlers *tally // all handlers: streams and zombies too
	zombies  zombieSet
	streams  streamSet
	signal   signalCache
	buffers  copyBuffers
	recorder *recorder

	cohortKey uint64        // secret: nobody outside can choose a favoured cohort
	draws     atomic.Uint64 // cohorts drawn for work of no flow

	started  mono.Time
	since    time.Time // wall time of started, for people
	ready    atomic.Bool
	draining atomic.Bool

	front, admin *http.Server
	quiet        *quietLog
	closing      sync.Once
	closed       chan struct{}

	listening sync.Mutex // guards the listeners
	frontL    *boundedListener
	adminL    *boundedListener
}

// An Option adjusts what a configuration file does not say.
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

type options struct {
	log            *slog.Logger
	adminToken     string
	recording      io.Writer
	maxBody        int64
	maxConnections int
	drain          time.Duration
	lameDuck       time.Duration
	bounds         func(*bounds) // tests shorten the times
}

// WithLogger sets the log; the default discards everything.
func WithLogger(log *slog.Logger) Option {
	return optionFunc(func(o *options) { o.log = log })
}

// WithAdminToken sets the token that the admin interface demands
// ("Authorization: Bearer TOKEN"). Health checks need none. An admin listener
// on anything but a loopback address must have a token.
func WithAdminToken(token string) Option {
	return optionFunc(func(o *options) { o.adminToken = token })
}

// WithRecording writes a line for each request to w, through a bounded buffer
// that drops and counts when w is too slow. Payloads, paths and addresses are
// not written. docs/gateway.md has the format.
func WithRecording(w io.Writer) Option {
	return optionFunc(func(o *options) { o.recording = w })
}

// WithMaxBody bounds a request's body in bytes; beyond, the answer is 413. The
// default is [DefaultMaxBody]. It panics if n is not positive.
func WithMaxBody(n int64) Option {
	if n <= 0 {
		panic("gateway: WithMaxBody takes a positive number of bytes")
	}
	return optionFunc(func(o *options) { o.maxBody = n })
}

// WithMaxConnections bounds the connections open at the front; beyond, the
// listener stops accepting. The default is three quarters of the process's
// limit on open files, [MaxConnections] at most. It panics if n is not positive.
func WithMaxConnections(n int) Option {
	if n <= 0 {
		panic("gateway: WithMaxConnections takes a positive number")
	}
	return optionFunc(func(o *options) { o.maxConnections = n })
}

// WithDrainTime bounds how long [Gateway.Serve] waits for requests in hand once
// its context has ended. The default is 30 s; 0 waits for none.
func WithDrainTime(d time.Duration) Option {
	return optionFunc(func(o *options) { o.drain = max(d, 0) })
}

// WithLameDuck sets how long a stopping gateway still serves new requests while
// it says that it is not ready, so that balancers can look elsewhere. The
// default is 1 s.
func WithLameDuck(d time.Duration) Option {
	return optionFunc(func(o *options) { o.lameDuck = max(d, 0) })
}

// New returns a gateway that does not listen yet. The error names every problem
// of the configuration.
func New(cfg Config, opts ...Option) (*Gateway, error) {
	o := options{
		log:            slog.New(slog.DiscardHandler),
		maxBody:        DefaultMaxBody,
		maxConnections: defaultConnections(openFiles()),
		drain:          30 * time.Second,
		lameDuck:       time.Second,
	}
	for _, opt := range opts {
		opt.apply(&o)
	}
	g := &Gateway{
		opts: o, bounds: defaultBounds(), log: o.log,
		listen: cfg.Listen, adminListen: cfg.Admin, started: mono.Now(), since: wallClock(),
		work: newTally(), handlers: newTally(),
		closed: make(chan struct{}),
	}
	if o.bounds != nil {
		o.bounds(&g.bounds)
	}
	if err := checkAdmin(cfg.Admin, o.adminToken); err != nil {
		return nil, err
	}
	plan, err := g.ledger.plan(cfg, g.bounds)
	if err != nil {
		return nil, err
	}
	g.cohortKey = rand.Uint64() //nolint:forbidigo // a secret of the process, from the system's entropy
	g.quiet = &quietLog{log: o.log}
	g.ctl = admission.New(plan.admission)
	g.ledger.commit(plan, g.ctl)
	g.backends.Store(&plan.backends)
	g.table.Store(plan.table)
	if o.recording != nil {
		g.recorder = newRecorder(o.recording, g.started, g.since, routeNames(plan.table))
	}
	g.front, g.admin = g.frontServer(), g.adminServer()
	return g, nil
}

// Addr is the address of the front listener, nil before [Gateway.Listen].
func (g *Gateway) Addr() net.Addr {
	front, _ := g.listeners()
	return addrOf(front)
}

// AdminAddr is the address of the admin listener, nil before [Gateway.Listen]
// and where there is none.
func (g *Gateway) AdminAddr() net.Addr {
	_, admin := g.listeners()
	return addrOf(admin)
}

func (g *Gateway) listeners() (front, admin *boundedListener) {
	g.listening.Lock()
	defer g.listening.Unlock()
	return g.frontL, g.adminL
}

func addrOf(l *boundedListener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}
