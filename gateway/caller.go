package gateway

import (
	"context"
	"hash/maphash"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/pressure"
)

// A caller is who sent a request.
type caller struct {
	peer    netip.Addr // other end of the connection
	name    string     // of peer
	trusted bool       // what it says of its work, and of its own callers, is believed
	client  netip.Addr // the last address that no trusted proxy vouches for; not valid if there is none
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if own, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, own)
	}
	return ctx
}

// peerOf returns the request's connection, nil under another server, and the
// address of its other end.
func peerOf(r *http.Request) (c *conn, peer netip.Addr, name string) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		return c, c.peer, c.name
	}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil, netip.Addr{}, "unknown" // RFC 7239, section 6.2
	}
	peer = ap.Addr().Unmap()
	return nil, peer, peer.String()
}

func (t *table) caller(peer netip.Addr, name string, h http.Header) caller {
	c := caller{peer: peer, name: name, trusted: t.trusts(peer)}
	if !c.trusted {
		c.client = peer
		return c
	}
	c.client = forwardedFor(h["X-Forwarded-For"], t)
	return c
}

// forwardedFor returns the last address in the field that is not itself a
// trusted proxy: who connected to the outermost proxy that we believe. A trusted
// peer that names nobody is a proxy or a program here, and stands for no client.
func forwardedFor(values []string, t *table) netip.Addr {
	for _, rest := range slices.Backward(values) {
		for rest != "" {
			var last string
			if j := strings.LastIndexByte(rest, ','); j >= 0 {
				rest, last = rest[:j], rest[j+1:]
			} else {
				rest, last = "", rest
			}
			addr, err := netip.ParseAddr(strings.Trim(last, " \t"))
			if err != nil {
				return netip.Addr{} // what is left of it was written by nobody that we believe
			}
			if addr = addr.Unmap(); !t.trusts(addr) {
				return addr
			}
		}
	}
	return netip.Addr{}
}

var flowSeed = maphash.MakeSeed()

// flowOf identifies whom the request is for: the rate limit's key where its
// field is set, else the client's address, else nobody.
func flowOf(r *route, c caller, h http.Header) uint64 {
	if key := r.Rate.Header; key != "" {
		if v := h.Get(key); v != "" {
			return maphash.String(flowSeed, v)
		}
	}
	if c.client.IsValid() {
		return maphash.Comparable(flowSeed, c.client)
	}
	return 0
}

// classify says what work a request is. A stranger's word counts only where it
// makes the work smaller: its deadline, and that it is a retry.
func (x *exchange) classify(h http.Header) penstock.Work {
	r, c, now := x.rt, x.caller, x.arrived
	w := penstockhttp.Classify(h, c.trusted, now)
	w.Flow = flowOf(r, c, h)
	if !c.trusted || w.Criticality == penstock.Unspecified {
		w.Criticality = r.criticality(h)
	}
	switch {
	case w.Cohort.Specified():
	case w.Flow != 0:
		w.Cohort = pressure.CohortOf(w.Flow, x.g.cohortKey, now)
	default:
		w.Cohort = x.drawCohort()
	}
	if r.Deadline > 0 {
		if d := now.Add(r.Deadline); !w.HasDeadline || d < w.Deadline {
			w.Deadline, w.HasDeadline = d, true
		}
	}
	return w
}

// criticality is what the route's rule says of a request that nobody trusted
// speaks for.
func (r *route) criticality(h http.Header) penstock.Criticality {
	rule := r.Criticality
	if rule.Header != "" {
		if c, ok := rule.Map[h.Get(rule.Header)]; ok {
			return c
		}
	}
	if rule.Default == penstock.Unspecified {
		return penstock.SheddablePlus
	}
	return rule.Default
}

// drawCohort places work that is for nobody in particular: successive draws go
// evenly over the cohorts, in an order that nobody outside knows. A request that
// was not refused early keeps its draw: a second one would be a second chance to
// be refused.
func (x *exchange) drawCohort() penstock.Cohort {
	if x.conn == nil {
		return x.g.nextCohort()
	}
	if !x.conn.drawn.Specified() {
		x.conn.drawn = x.g.nextCohort()
	}
	return x.conn.drawn
}

func (g *Gateway) nextCohort() penstock.Cohort {
	return pressure.CohortOf(g.draws.Add(1), g.cohortKey, 0)
}
