package penstockhttp

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whoever came before, a caller is trusted as it would be if it were the first.
func peersProperty(t *rapid.T) {
	trust := Loopback()
	var known peers
	for range rapid.IntRange(1, 50).Draw(t, "requests") {
		addr := rapid.SampledFrom([]string{"", "@", "127.0.0.1", "[::1]:", strings.Repeat("127.", 30)}).Draw(t, "odd")
		if rapid.Bool().Draw(t, "usual") {
			host := rapid.SampledFrom([]string{"127.0.0.1", "128.0.0.1", "127.0.0.2", "[::1]", "127.0.0.x"}).Draw(t, "host")
			addr = fmt.Sprintf("%s:%d", host, rapid.IntRange(1000, 1020).Draw(t, "port"))
		}
		if got, want := known.trusts(trust, addr), trust.Includes(addr); got != want {
			t.Fatalf("%q is trusted: %v; want %v", addr, got, want)
		}
	}
	for i := range known {
		if peer := known[i].Load(); peer != nil && len(peer.addr) > peerBytes {
			t.Fatalf("it keeps an address of %d bytes", len(peer.addr))
		}
	}
}

func TestPeers(t *testing.T) { rapid.Check(t, peersProperty) }

// TestPeersRemember: an address is read once, until another caller has its place.
func TestPeersRemember(t *testing.T) {
	const first, other = "127.0.0.1:4711", "127.0.0.2:14711"
	var known peers
	holds := func(addr string) bool {
		for i := range known {
			if peer := known[i].Load(); peer != nil && peer.addr == addr {
				return true
			}
		}
		return false
	}
	if !known.trusts(Loopback(), first) || !known.trusts(nil, first) {
		t.Fatal("it reads an address again")
	}
	for requests := 0; !holds(other); requests++ {
		if requests == 1000 || !holds(first) {
			t.Fatalf("after %d requests of another caller the first has its place: %v", requests, holds(first))
		}
		known.trusts(Loopback(), other)
	}
	if holds(first) || !known.trusts(nil, other) {
		t.Error("two have one place, or the later is not remembered")
	}
}
