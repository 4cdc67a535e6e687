package penstockhttp

import (
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
	peer, err := netip.ParseAddrPort(remoteAddr)
	return err == nil && t.IncludesAddr(peer.Addr())
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

// latestPeers remembers which of the latest callers are trusted. A connection's
// address is the same for all of its requests, and to read it takes as long as to
// read their fields. It holds at most as many as it has places, with addresses of at
// most latestPeerBytes.
type latestPeers [64]atomic.Pointer[latestPeer]

const latestPeerBytes = 80

type latestPeer struct {
	addr    string
	trusted bool
}

// includes is what [Trust.Includes] reports; trust is the same each time.
func (l *latestPeers) includes(trust Trust, remoteAddr string) bool {
	n := len(remoteAddr)
	if n < 2 || n > latestPeerBytes {
		return trust.Includes(remoteAddr)
	}
	place := &l[remoteAddr[n-1]&7<<3|remoteAddr[n-2]&7] // by the port's last two digits
	if peer := place.Load(); peer != nil && peer.addr == remoteAddr {
		return peer.trusted
	}
	peer := &latestPeer{strings.Clone(remoteAddr), trust.Includes(remoteAddr)}
	place.Store(peer)
	return peer.trusted
}
