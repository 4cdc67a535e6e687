package gateway

import (
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"
)

// Times are the bounds that tests shorten; 0 keeps the default.
type Times struct {
	Header, Body, Write, Linger, Answer, Zombie, Drain, PenaltyMin, PenaltyMax time.Duration
	BodyBytes                                                                  int
}

// WithTimes shortens bounds.
func WithTimes(times Times) Option {
	return optionFunc(func(o *options) {
		o.bounds = func(b *bounds) {
			for _, pair := range []struct {
				to   *time.Duration
				from time.Duration
			}{
				{&b.header, times.Header},
				{&b.bodyTime, times.Body},
				{&b.write, times.Write},
				{&b.linger, times.Linger},
				{&b.answer, times.Answer},
				{&b.zombie, times.Zombie},
				{&b.drainTime, times.Drain},
				{&b.penaltyMin, times.PenaltyMin},
				{&b.penaltyMax, times.PenaltyMax},
			} {
				if pair.from > 0 {
					*pair.to = pair.from
				}
			}
			if times.BodyBytes > 0 {
				b.bodyBytes = times.BodyBytes
			}
		}
	})
}

// NewTransport returns what asks the backend at u.
func NewTransport(u *url.URL) interface {
	http.RoundTripper
	CloseIdleConnections()
} {
	return newBackend(u, defaultBounds()).transport
}

// Match returns the host and path of the route that a request takes.
func (g *Gateway) Match(host, path string) (name string, ok bool) {
	if r := g.table.Load().match(host, path); r != nil {
		return r.name, true
	}
	return "", false
}

// ForwardedFor is whom the field names, to a gateway that trusts trust.
func ForwardedFor(values []string, trust ...netip.Prefix) netip.Addr {
	return forwardedFor(values, &table{trust: trust})
}

// InHand counts everything that a closed gateway must have none of.
func (g *Gateway) InHand() (handlers, work, streams int64) {
	return g.handlers.n.Load(), g.work.n.Load(), g.streams.count.Load()
}

// OldTables is how many configurations are remembered for requests in hand.
func (g *Gateway) OldTables() int {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	return len(g.ledger.tables) - 1
}

// FakeBackends has every backend's answers made by rt, without a network.
func (g *Gateway) FakeBackends(rt interface {
	http.RoundTripper
	CloseIdleConnections()
},
) {
	for _, be := range *g.backends.Load() {
		be.transport = rt
	}
}

// An AnswerHead is what the parser of plain answers made of one.
type AnswerHead struct {
	Status int
	Length int64
	Closes bool
	Size   int
	Report string
	Header http.Header // what goes to the client
}

// ParseAnswer parses the header of an answer. It writes to b.
func ParseAnswer(b []byte, method string) (h AnswerHead, plainly, whole bool) {
	var head answerHead
	switch head.parse(b, method) {
	case incomplete:
		return h, false, false
	case special:
		return h, false, true
	case plain:
	}
	h = AnswerHead{head.status, head.length, head.closes, head.size, string(head.report.of(b)), http.Header{}}
	for _, f := range head.fields {
		name := string(f.name.of(b))
		h.Header[name] = append(h.Header[name], string(f.value.of(b)))
	}
	return h, true, true
}

// CountServed counts the requests that the HTTP server sees, but for those of a
// path, of a gateway that does not serve yet.
func (g *Gateway) CountServed(but string) *atomic.Int64 {
	var n atomic.Int64
	h := g.front.Handler
	g.front.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != but {
			n.Add(1)
		}
		h.ServeHTTP(w, r)
	})
	return &n
}

// Refusing reports whether requests may be refused early.
func (g *Gateway) Refusing() bool { return g.ctl.Refusing() }

// A RequestHead is what the parser of plain requests made of one.
type RequestHead struct {
	Method, Path, Query, Host string
	Header                    http.Header // but for Host and Connection
}

// ParseRequest parses the header of a request.
func ParseRequest(text string) (RequestHead, bool) {
	var h requestHead
	if h.parse(text) != plain {
		return RequestHead{}, false
	}
	return RequestHead{h.method, h.path, h.query, h.host, h.header(func(name string) bool {
		m := meaningOf(name)
		return m != meansHost && m != meansConnection
	})}, true
}
