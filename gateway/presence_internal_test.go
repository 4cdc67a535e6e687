package gateway

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// told counts how often it is told that the client has left.
type leavings struct{ n int }

func (l *leavings) clientLeft() { l.n++ }

// client is a connection whose request was just read, and its client's end.
func client(t *testing.T) (*conn, *slowConn, net.Conn) {
	c, inner, far := pair(t)
	c.presence.on = true
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // the header
	_ = c.SetReadDeadline(time.Time{})
	return c, inner, far
}

// serverWatches is what net/http does while a handler runs.
func serverWatches(c *conn) (n int, err error) { return c.Read(make([]byte, 1)) }

// The server's own watch reads nothing, and costs the poller nothing; a request
// that is over before anybody waits leaves the next one as it is.
func TestTheServersWatchIsSentHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, inner, far := client(t)
		for i := range 100 {
			if i%2 == 0 { // it may come before the handler's end or after
				if n, err := serverWatches(c); n != 0 || err != nil {
					t.Fatal(n, err)
				}
			} else {
				_ = c.SetReadDeadline(time.Unix(1, 0))
				if n, err := serverWatches(c); n != 0 || err != nil {
					t.Fatal(n, err)
				}
				_ = c.SetReadDeadline(time.Time{})
			}
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute)) // idle
			go func() { _, _ = far.Write([]byte("GET /")) }()
			b := make([]byte, 100)
			if n, err := c.Read(b); err != nil || string(b[:n]) != "GET /" {
				t.Fatalf("%q, %v", b[:n], err)
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_ = c.SetReadDeadline(time.Time{})
		}
		if inner.sets > 2 {
			t.Errorf("the poller was asked %d times in 100 requests", inner.sets)
		}
	})
}

// A watch tells that the client left, whenever it was asked for, once, and only
// to whoever attends.
func TestAWatchTellsOnce(t *testing.T) {
	for _, early := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, _, far := client(t)
			l := &leavings{}
			c.attend(l)
			if early {
				c.watch() // before the server's own has come: that one is let through
			}
			ended := make(chan struct{})
			go func() { defer close(ended); _, _ = serverWatches(c) }()
			synctest.Wait()
			if !early {
				<-ended
				c.watch()
				c.watch() // again is no harm
			}
			synctest.Wait()
			if l.n != 0 {
				t.Error("told before the client left")
			}
			_ = far.Close()
			<-ended
			synctest.Wait()
			if l.n != 1 {
				t.Errorf("told %d times", l.n)
			}
			c.attend(nil)
			c.attend(l) // the next to ask is told at once
			if l.n != 2 {
				t.Errorf("the next was told %d times", l.n-1)
			}
		})
	}
}

// What a watch reads is the beginning of the next request; what ends a watch is
// no leaving.
func TestAWatchEndsWithTheRequest(t *testing.T) {
	for _, sent := range []string{"", "G"} { // pipelined, or not
		synctest.Test(t, func(t *testing.T) {
			c, _, far := client(t)
			l := &leavings{}
			for range 20 {
				c.attend(l)
				if _, err := serverWatches(c); err != nil {
					t.Fatal(err)
				}
				c.watch()
				if sent != "" {
					_, _ = io.WriteString(far, sent)
					synctest.Wait()
				}
				c.attend(nil)
				_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute)) // idle
				go func() { _, _ = io.WriteString(far, "GET /"[len(sent):]) }()
				b := make([]byte, 5)
				if _, err := io.ReadFull(c, b); err != nil || string(b) != "GET /" {
					t.Fatalf("%q, %v", b, err)
				}
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				_ = c.SetReadDeadline(time.Time{})
			}
			if l.n != 0 {
				t.Errorf("told %d times of a client that is there", l.n)
			}
			// And the deadline that is wanted last is kept.
			from := time.Now()
			_ = c.SetReadDeadline(from.Add(time.Minute))
			if _, err := c.Read(make([]byte, 2)); err == nil || time.Since(from) != time.Minute {
				t.Errorf("the read ended after %v: %v", time.Since(from), err)
			}
		})
	}
}

// While a body may be read, nobody else reads: a watch waits for the server's.
func TestNobodyReadsBesideABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, far := client(t)
		l := &leavings{}
		c.attend(l)
		c.watch()
		go func() { _, _ = io.WriteString(far, "a body") }()
		synctest.Wait()
		_ = c.SetReadDeadline(time.Now().Add(time.Second)) // the body's
		b := make([]byte, 6)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "a body" {
			t.Fatalf("%q, %v", b, err)
		}
		_ = c.SetReadDeadline(time.Time{})
		ended := make(chan struct{})
		go func() { defer close(ended); _, _ = serverWatches(c) }()
		synctest.Wait()
		_ = far.Close()
		<-ended
		if l.n != 1 {
			t.Errorf("told %d times", l.n)
		}
	})
}

// A deadline that one exchange has left on a wire does not end the next one's
// read, nor one's write.
func TestAWiresOldDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = near.Close(); _ = far.Close() }()
		w := newWire(near, nil)
		w.left = 100
		g := &Gateway{bounds: defaultBounds()}
		serves := func(do func()) {
			now := mono.Now()
			x := &exchange{g: g, entered: now, watched: true} // under no server
			w.user = x
			if !x.line.hold(w, now.Add(time.Second)) {
				t.Fatal("cut before it began")
			}
			go do()
			if _, err := w.Write([]byte("ask")); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			if !x.line.release() {
				t.Fatal("cut")
			}
		}
		for _, wait := range []time.Duration{0, 900 * time.Millisecond, 5 * time.Second, time.Minute} {
			serves(func() {
				time.Sleep(wait)
				_, _ = far.Read(make([]byte, 10))
				time.Sleep(wait)
				_, _ = far.Write([]byte("answer"))
			})
		}
		// One that is cut ends at once, and is not whole.
		x := &exchange{g: g, entered: mono.Now(), watched: true}
		w.user = x
		x.line.hold(w, x.waitsUntil())
		time.AfterFunc(time.Second, x.line.end)
		from := time.Now()
		if _, err := w.Read(make([]byte, 1)); err == nil || time.Since(from) != time.Second {
			t.Errorf("ended after %v: %v", time.Since(from), err)
		}
		if x.line.release() || x.line.hold(w, 0) {
			t.Error("a wire that was cut serves on")
		}
	})
}
