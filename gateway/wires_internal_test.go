package gateway

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Connections that lie idle are closed after a while, the others stay; and no
// more than the bound are kept.
func TestIdleWiresAreReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newWires(&url.URL{Scheme: "http", Host: "a.example"}, defaultBounds())
		var open atomic.Int32
		add := func() {
			ours, theirs := net.Pipe()
			open.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, theirs) // until ours is closed
				open.Add(-1)
				_ = theirs.Close()
			}()
			p.put(newWire(ours, p))
		}
		add()
		time.Sleep(60 * time.Second)
		add()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if open.Load() != 2 {
			t.Fatalf("%d open after 89 s, want 2", open.Load())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if open.Load() != 1 {
			t.Fatalf("%d open after 91 s, want the younger one", open.Load())
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if open.Load() != 0 || p.reaper != nil {
			t.Fatalf("%d open after 151 s", open.Load())
		}
		for range idleBackendConnections + 3 {
			add()
		}
		synctest.Wait()
		if open.Load() != idleBackendConnections {
			t.Fatalf("%d open, want the bound of %d", open.Load(), idleBackendConnections)
		}
		p.CloseIdleConnections()
		synctest.Wait()
		if open.Load() != 0 {
			t.Fatalf("%d open after all were closed", open.Load())
		}
	})
}
