package gateway

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
)

// Config is a gateway's configuration, checked and with its defaults filled in.
// [Parse] makes one from YAML, [ForBackends] from a list of addresses.
type Config struct {
	Listen string // host:port of the front listener
	Admin  string // host:port of the admin listener; empty for none
	// AdminTokenFile names a file with the token that the admin listener demands;
	// empty for none. Whoever starts the gateway reads it ([WithAdminToken]).
	AdminTokenFile string
	Trust          []netip.Prefix // whose Penstock-* fields, baggage and criticality are believed
	Observe        bool           // refuse nothing, count what would have been refused
	Streams        int            // most upgraded, event-stream and streaming exchanges at once
	Expose         Expose         // whom the pressure signal is told
	Routes         []Route        // first match by longest path prefix; at least one
}

// A Route sends requests that match to its backends.
type Route struct {
	Path        string     // path prefix, beginning with /
	Host        string     // exact host without port, lower case, IPv6 in brackets; empty matches all
	To          []*url.URL // backends: scheme and host only, each once
	Limit       Limit
	WaitFor     time.Duration // longest wait; 0 is auto, negative is none
	Order       queue.Order
	CoDel       bool
	Deadline    time.Duration // the longest that a request may take; its own counts where earlier; 0 is none
	Rate        Rate
	Criticality CriticalityRule
	Abandoned   Abandoned
	RefuseWith  RefuseWith
}

// Limit is a route's limit key: auto, a plain cap, or a law for the backends'
// gates.
type Limit struct {
	Cap int              // plain cap in front of the room; 0 is none
	Law string           // one of limit.Names
	Max float64          // most slots that the law may give; 0 is unbounded
	New func() limit.Law // makes the law of one gate; never nil after Parse
}

// Rate is a rate limit on requests.
type Rate struct {
	PerSecond float64 // 0 is no limit
	Burst     int     // at least 1 where there is a limit
	Header    string  // one bucket per value of this field, in canonical form; empty with PerClient false: one for the route
	PerClient bool    // one bucket per client address
}

// CriticalityRule says how much a stranger's requests matter.
type CriticalityRule struct {
	Default penstock.Criticality
	Header  string                          // read this field, where set
	Map     map[string]penstock.Criticality // its values; others get Default
}

// Expose says whom the pressure signal is told.
type Expose uint8

// The audiences of the pressure signal.
const (
	ExposeAll     Expose = iota // everyone
	ExposeTrusted               // callers inside Config.Trust
	ExposeNone
)

// Abandoned says what happens to a backend's work when its caller has left.
type Abandoned uint8

// Wait keeps the slot until the answer comes; Cancel closes the connection and
// frees it.
const (
	Wait Abandoned = iota
	Cancel
)

// RefuseWith is how a refusal is sent.
type RefuseWith uint8

// The ways to refuse.
const (
	Refuse503  RefuseWith = iota // 503, and 429 for reason rate
	Refuse429                    // 429 for every reason
	RefuseDrop                   // close the connection without an answer
)
