package gateway

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// slowConn counts how often its deadline is really set.
type slowConn struct {
	net.Conn
	sets int
}

func (c *slowConn) SetReadDeadline(t time.Time) error {
	c.sets++
	return c.Conn.SetReadDeadline(t)
}

func pair(t *testing.T) (*conn, *slowConn, net.Conn) {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	inner := &slowConn{Conn: near}
	return &conn{Conn: inner}, inner, far
}

// TestLaterDeadlinesAreOnlyNoted: what the HTTP server does per request reaches
// the poller seldom, and reads still end when they should.
func TestLaterDeadlinesAreOnlyNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, inner, far := pair(t)
		buf := make([]byte, 2)
		for range 1000 {
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute)) // idle
			go func() { _, _ = far.Write([]byte("x")) }()
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Time{})
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // the header
			_ = c.SetReadDeadline(time.Time{})
			time.Sleep(10 * time.Millisecond)
		}
		if inner.sets > 10 {
			t.Errorf("the poller was asked %d times in 1000 requests over 10 s", inner.sets)
		}
		// The deadline that was wanted last counts, not the one that is armed.
		from := time.Now()
		_ = c.SetReadDeadline(from.Add(time.Minute))
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(from) != time.Minute {
			t.Errorf("the read ended after %v: %v", time.Since(from), err)
		}
	})
}

// TestAbortedReadEnds: a deadline in the past ends a read that is under way, and
// clearing it lets the next one wait.
func TestAbortedReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, far := pair(t)
		buf := make([]byte, 2)
		for range 100 {
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			_ = c.SetReadDeadline(time.Time{})
			ended := make(chan error)
			go func() { _, err := c.Read(buf); ended <- err }()
			time.Sleep(50 * time.Second)
			_ = c.SetReadDeadline(time.Unix(1, 0))
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Time{})
			go func() { time.Sleep(time.Hour); _, _ = far.Write([]byte("x")) }()
			if _, err := c.Read(buf); err != nil {
				t.Fatalf("after the abort was taken back: %v", err)
			}
		}
	})
}
