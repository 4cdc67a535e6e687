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

func TestPeersAllocateNothing(t *testing.T) {
	var known peers
	trust := Loopback()
	if n := testing.AllocsPerRun(100, func() { known.trusts(trust, "127.0.0.1:4711") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
