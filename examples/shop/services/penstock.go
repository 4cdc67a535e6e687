package services

import (
	"net/http"
	"slices"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/penstockgrpc"
	"github.com/penstock-go/penstock/penstockhttp"
)

// Mechanisms switches what [Penstock] does for a service.
type Mechanisms struct {
	Admission bool // it protects itself,
	Limit     int  // with a fixed limit where positive, else with one that is found
	Signal    bool // it listens to its callees,
	Breakers  bool // and has a circuit breaker in front of each,
	Retries   bool // and sends refused calls again, within the default budget, also for its own callers
}

// A Protected is a service with penstock.
type Protected struct {
	Name  string
	Ctl   *admission.Controller // nil where it does not protect itself
	Door  *caller.Client
	Calls *caller.Client // nil where it listens to nobody
}

// Penstock makes the guard of a service, and what there is to see of it.
func Penstock(name string, m Mechanisms) (Guard, *Protected) {
	var g Guard
	p := &Protected{Name: name, Door: caller.NewDoor()}
	if m.Admission {
		var cfg admission.Config
		if m.Limit > 0 {
			cfg.Limit = limit.Fixed(float64(m.Limit))
		}
		p.Ctl = admission.New(cfg)
		g.Close = p.Ctl.Close
		g.Handler = func(h http.Handler) http.Handler {
			return penstockhttp.Handler(p.Ctl, h, penstockhttp.WithName(name), penstockhttp.WithDoor(p.Door))
		}
		g.Server = penstockgrpc.Server(p.Ctl, penstockgrpc.WithDoor(p.Door))
	}
	if m.Signal {
		var cfg caller.Config
		if m.Breakers {
			cfg.Peer.Breaker = &breaker.Config{}
		}
		p.Calls = caller.New(cfg)
		var retrier *caller.Retrier
		if m.Retries {
			retrier = caller.NewRetrier(caller.RetryConfig{Inside: true})
		}
		g.Transport = func(base http.RoundTripper) http.RoundTripper {
			return &penstockhttp.Transport{Base: base, Client: p.Calls, Retry: retrier}
		}
		g.Dial = penstockgrpc.Client(penstockgrpc.ClientConfig{Client: p.Calls, Retry: retrier})
	}
	return g, p
}

// Guards returns the guards of a whole shop; see fills up as they are made, front
// first.
func Guards(m Mechanisms) (guard func(service string) Guard, see *[]*Protected) {
	see = new([]*Protected)
	return func(service string) Guard {
		g, p := Penstock(service, m)
		*see = slices.Insert(*see, 0, p)
		return g
	}, see
}
