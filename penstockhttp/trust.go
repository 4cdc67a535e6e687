package penstockhttp

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
)

// Trust lists the callers whose criticality is believed, by the address of the
// connection's other end. That may be a proxy: trust one that listens to
// strangers only if it strips their Penstock-* fields and baggage.
type Trust []netip.Prefix

// Loopback is the default trust: 127.0.0.0/8 and ::1.
func Loopback() Trust {
	return Trust{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// Includes reports whether a [http.Request]'s RemoteAddr is trusted. An address
// that is not IP:port, such as a Unix socket's or one that a middleware took
// from a forwarding field, never is.
func (t Trust) Includes(remoteAddr string) bool {
	if len(t) == 0 {
		return false
	}
	at, err := netip.ParseAddrPort(remoteAddr)
	return err == nil && t.IncludesAddr(at.Addr())
}

// IncludesAddr reports whether an address is trusted. Its zone does not matter.
func (t Trust) IncludesAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range t {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peers remembers whether callers are trusted. A connection's address is the same for
// all of its requests, and to read it takes as long as to read their fields. It holds
// at most as many as it has places, with addresses of at most peerBytes. Of two that
// want one place the later gets it for one in replacesPeer of its requests: where
// connections are many, all would else be written for each other.
type peers [1024]atomic.Pointer[peer]

const (
	peerBytes    = 80
	replacesPeer = 8
)

type peer struct {
	addr    string
	trusted bool
}

// trusts is what [Trust.Includes] reports; trust is the same each time.
func (p *peers) trusts(trust Trust, remoteAddr string) bool {
	n := len(remoteAddr)
	if n < 3 || n > peerBytes {
		return trust.Includes(remoteAddr)
	}
	port := 100*int(remoteAddr[n-3]) + 10*int(remoteAddr[n-2]) + int(remoteAddr[n-1]) // its last digits
	place := &p[port%len(p)]
	known := place.Load()
	if known != nil && known.addr == remoteAddr {
		return known.trusted
	}
	trusted := trust.Includes(remoteAddr)
	if known == nil || rand.Uint32()%replacesPeer == 0 { //nolint:forbidigo // decides what is remembered, and nothing else
		place.Store(&peer{strings.Clone(remoteAddr), trusted})
	}
	return trusted
}
