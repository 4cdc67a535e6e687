package penstockhttp

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
)

// An Option changes what [Handler] does.
type Option interface{ apply(*options) }

type option func(*options)

func (o option) apply(to *options) { o(to) }

type options struct {
	route      int
	name       string
	deadline   time.Duration
	exempt     func(*http.Request) bool
	classify   func(*http.Request, *penstock.Work)
	cost       func(*http.Request) int
	flow       func(*http.Request) uint64
	trust      Trust
	expose     Expose
	refuseWith RefuseWith
	door       *caller.Client
}

func newOptions(opts []Option) options {
	o := options{name: "default", exempt: isProbe, trust: Loopback()}
	for _, opt := range opts {
		opt.apply(&o)
	}
	if o.door == nil {
		o.door = caller.NewDoor()
	}
	return o
}

// isProbe names the paths that orchestrators ask for health. They must be
// answered under any load: liveness, or the server is killed for being busy;
// readiness, or its neighbours inherit its load.
func isProbe(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/readyz", "/livez":
		return true
	}
	return false
}

// WithRoute enters by the controller's route of that index
// ([admission.Config].Routes). The default is 0.
func WithRoute(index int) Option { return option(func(o *options) { o.route = index }) }

// WithName names the limit in refusals: a route's name that callers may see,
// never an address. The default is "default".
func WithName(limit string) Option { return option(func(o *options) { o.name = limit }) }

// WithDeadline bounds how long a request may take, waiting included. Its own
// deadline counts where it is earlier. 0 or less is no bound, the default.
func WithDeadline(d time.Duration) Option {
	return option(func(o *options) { o.deadline = d })
}

// WithExempt names the requests that go to the handler directly: they are not
// counted, never wait and are never refused. It replaces the default, which
// exempts the paths /healthz, /readyz and /livez; nil exempts nothing.
func WithExempt(exempt func(*http.Request) bool) Option {
	return option(func(o *options) { o.exempt = exempt })
}

// WithClassifier lets the application have the last word on what the request
// is: f gets what the request's fields and the other options say, and changes
// what it knows better.
func WithClassifier(f func(*http.Request, *penstock.Work)) Option {
	return option(func(o *options) { o.classify = f })
}

// WithCost says how many slots a request takes, 1 to [penstock.MaxCost]. The
// default is 1.
func WithCost(slots func(*http.Request) int) Option {
	return option(func(o *options) { o.cost = slots })
}

// WithFlow says whom a request is for, as a hash: flows of one rank get equal
// shares, and each is refused for its rank as a whole. 0 is the flow of all
// requests that name none, which is the default.
func WithFlow(hash func(*http.Request) uint64) Option {
	return option(func(o *options) { o.flow = hash })
}

// WithDoor gives the handler a door of one's own ([caller.NewDoor]), to see what it
// refuses for the sake of callees: those refusals are not the controller's. The
// default is one that nobody sees.
func WithDoor(door *caller.Client) Option { return option(func(o *options) { o.door = door }) }

// WithTrust names the callers whose criticality is believed. It replaces the
// default, [Loopback]; without arguments nobody is trusted.
func WithTrust(callers ...netip.Prefix) Option {
	return option(func(o *options) { o.trust = callers })
}

// WithExpose says who is told the pressure. The default is [ExposeAll].
func WithExpose(to Expose) Option { return option(func(o *options) { o.expose = to }) }

// WithRefuse says how refusals are sent. The default is [Refuse503].
func WithRefuse(with RefuseWith) Option {
	return option(func(o *options) { o.refuseWith = with })
}
