// Package caller is the caller's side: listen, and behave. "I'm full" is worth
// nothing if nobody acts on it.
//
// A [Client] stands in front of all calls that a process makes. It remembers what
// each callee says of itself and refuses here what the callee would refuse there:
// at the earliest hop, for the least cost. A callee that says nothing is
// throttled by what it accepts (package throttle), and may have a circuit breaker
// (package breaker). Bulkheads bound how many calls one callee can hold.
// [Retrier] spends retries from a budget, at one layer only. [Gather] fans out and
// returns what has come by the deadline, and what is missing. A [Visit] carries
// what is known of a request from the server that serves it to the calls made
// for it.
//
// Every refusal that rests on an estimate lets one call in a hundred through, and
// one in 100 ms at least, so that the estimate can be corrected. Bounds that
// somebody has configured (bulkheads, budgets, deadlines) are facts: they let
// nothing through.
//
// [Peer] is the pure core, which the simulator drives too. Most programs need
// neither: penstockhttp.Transport and penstockgrpc use a Client by themselves.
package caller

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// DefaultPeers bounds how many callees and routes a Client remembers. One that
// has refused of late takes about 9 KB, others some hundred bytes.
const DefaultPeers = 512

// Config configures a Client. The zero Config is right for most.
type Config struct {
	Peer PeerConfig
	// Peers bounds how many pairs of callee and route are remembered; beyond it,
	// the least recently called is forgotten. 0 means DefaultPeers.
	Peers int
	// Bulkheads is how many calls each callee named may hold at once, positive.
	// Others are not bounded.
	Bulkheads map[string]int
}

// A Client decides for all callers of a process whether a call may be sent. It
// is safe for concurrent use. Make one with [New].
type Client struct {
	bulkheads map[string]*Bulkhead
	quiet     atomic.Bool   // a door that has heard nothing yet: it has nothing to refuse
	unasked   atomic.Uint64 // calls let through while it was quiet

	mu      sync.Mutex
	cfg     PeerConfig
	peers   *pressure.Book[Peer]
	refused penstock.RefusedCounts
	sent    uint64
	tested  uint64
}

// New returns a Client. It panics if the configuration is not valid.
func New(cfg Config) *Client {
	if cfg.Peers == 0 {
		cfg.Peers = DefaultPeers
	}
	NewPeer(cfg.Peer) // panics now and not at the first call
	c := &Client{cfg: cfg.Peer, peers: pressure.NewBook[Peer](cfg.Peers), bulkheads: make(map[string]*Bulkhead, len(cfg.Bulkheads))}
	for name, most := range cfg.Bulkheads {
		c.bulkheads[name] = NewBulkhead(most)
	}
	return c
}

// NewDoor returns a Client for the entrance of a server: the callees are what the
// server's own routes need. A host asks it before admission, and tells it at the
// end what the request's callees said ([Visit.Path]): so work that a callee would
// refuse is refused before anything is done about it. Until a request has been told
// anything, a door remembers no route: a server that calls nobody does not pay for
// one.
func NewDoor() *Client {
	c := New(Config{Peer: PeerConfig{NoThrottle: true}})
	c.quiet.Store(true)
	return c
}

// A Call is a call that was let through. It is a value; the zero Call is none.
type Call struct {
	client   *Client
	peer     *Peer
	bulkhead *Bulkhead
	ticket   Ticket
	governed bool // its callee limits itself
}

// Begin asks whether a call may be sent; the error is a *[penstock.RejectedError].
// Route tells apart what one callee serves: a price is for callee and route.
// Each call that may be sent must see one End.
//
// relayed is [Outgoing.Relayed] of the call's context: see [Peer.Ask].
func (c *Client) Begin(callee, route string, w penstock.Work, relayed bool) (Call, error) {
	if k, ok := c.quietly(w.HasDeadline); ok {
		return k, nil // without a look at the clock
	}
	return c.BeginAt(mono.Now(), callee, route, w, relayed)
}

// quietly lets a call through for which nothing is to be asked.
func (c *Client) quietly(hasDeadline bool) (Call, bool) {
	if !c.quiet.Load() || hasDeadline {
		return Call{}, false
	}
	c.unasked.Add(1)
	return Call{client: c}, true
}

// BeginAt is Begin for a host that has read the clock already.
func (c *Client) BeginAt(now mono.Time, callee, route string, w penstock.Work, relayed bool) (Call, error) {
	if k, ok := c.quietly(w.HasDeadline); ok {
		return k, nil
	}
	b := c.bulkheads[callee]
	if b != nil && !b.Enter() {
		c.mu.Lock()
		c.refused[penstock.ReasonLimit][w.Rank().Criticality()]++
		c.mu.Unlock()
		return Call{}, errBulkhead
	}
	c.mu.Lock()
	p := c.peers.Of(callee, route, c.create)
	governed := p.Governed(now)
	u := 0.0
	if !governed { // who limits itself is not throttled
		u = rand.Float64() //nolint:forbidigo // the shell is where randomness enters
	}
	t, refused := p.Ask(now, w, relayed, u)
	switch {
	case refused != nil:
		c.refused[refused.Reason][w.Rank().Criticality()]++
	default:
		c.sent++
		if t.explored {
			c.tested++
		}
	}
	c.mu.Unlock()
	if refused != nil {
		if b != nil {
			b.Leave()
		}
		return Call{}, refused
	}
	return Call{c, p, b, t, governed}, nil
}

func (c *Client) create() *Peer { return NewPeer(c.cfg) }

// End tells what came of the call, and returns what the callee is now believed
// to say: see [Peer.Pressure].
func (k Call) End(a Answer) pressure.Signal {
	if k.client == nil {
		return pressure.Signal{}
	}
	return k.EndAt(mono.Now(), a)
}

// EndAt is End for a host that has read the clock already.
func (k Call) EndAt(now mono.Time, a Answer) pressure.Signal {
	switch {
	case k.client == nil:
		return pressure.Signal{}
	case k.peer == nil: // nobody listened when it began; from now on somebody does
		if a.Refused || a.Signal != (pressure.Signal{}) {
			k.client.quiet.Store(false)
		}
		return a.Signal
	}
	k.client.mu.Lock()
	k.peer.Answer(now, k.ticket, a)
	s := k.peer.Pressure(now)
	k.client.mu.Unlock()
	if k.bulkhead != nil {
		k.bulkhead.Leave()
	}
	return s
}

// Pressure is what a callee is believed to say, with the price that this client
// has put on calls to it.
func (c *Client) Pressure(callee, route string) pressure.Signal {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peers.Of(callee, route, c.create).Pressure(now)
}

// Fullest is what all callees and routes together are believed to say, merged: the
// level of the fullest.
func (c *Client) Fullest() (s pressure.Signal) {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers.Each(func(_, _ string, p *Peer) bool {
		s = pressure.Merge(s, p.Pressure(now))
		return true
	})
	return s
}

// Recovered is the word, by whatever way it came, that a callee is well again:
// its throttles forget the refusals.
func (c *Client) Recovered(callee string) {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers.Each(func(name, _ string, p *Peer) bool {
		if name == callee {
			p.Recovered(now)
		}
		return true
	})
}

// Stats is what a Client has done so far.
type Stats struct {
	Sent     uint64                 // calls let through,
	Explored uint64                 // of them, those let through to test a refusal
	Refused  penstock.RefusedCounts // calls refused here
	Peers    int                    // callees and routes remembered
}

// Stats returns a snapshot.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Sent: c.sent + c.unasked.Load(), Explored: c.tested, Refused: c.refused, Peers: c.peers.Len()}
}
