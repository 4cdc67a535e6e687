package gateway

import (
	"context"
	"errors"
	"os"
	"time"
)

// A leaver is told that its client has left, at most once.
type leaver interface{ clientLeft() }

// A presence watches whether a connection's client is still there while its
// request is in hand. net/http does so by a goroutine per request that reads a
// byte, and is ended when the request is: most requests are over before it has
// even begun to wait. So that goroutine is sent home at once, with nothing read,
// and a read that waits begins only when somebody asks for it: see watch.
//
// The server's read is known by its one byte, after the deadline was lifted. If
// net/http ever reads otherwise, that read waits as it always did. conn.reads
// guards all of it.
type presence struct {
	on bool // else net/http watches by itself

	state   watchState
	wanted  bool   // watch was called before the server's read came
	ended   func() // nil, or what to call when the state is no longer watched
	byte    [1]byte
	has     bool // byte was read, and is the next to be given out
	gone    bool // the client has left
	present leaver
}

// A watchState says who reads from the connection.
type watchState uint8

const (
	reading  watchState = iota // the server or a body's reader, if anybody
	lifted                     // the same, and the deadline was lifted: the server's watch may come next
	skipped                    // nobody: the server's watch was sent home
	watched                    // the goroutine of watch
	watching                   // the server's watch, as it was wanted
)

// attend has l told when the client leaves, from now on; nil ends that. When it
// returns, nobody else is being told any more.
func (c *conn) attend(l leaver) {
	c.reads.Lock()
	defer c.reads.Unlock()
	p := &c.presence
	if p.present = l; l == nil {
		p.wanted = false
	} else if p.gone {
		l.clientLeft()
	}
}

// watch begins to look whether the client leaves.
func (c *conn) watch() {
	c.reads.Lock()
	defer c.reads.Unlock()
	p := &c.presence
	switch {
	case p.has || p.gone || !p.on:
	case p.state == skipped:
		p.state = watched
		go c.look()
	case p.state == reading || p.state == lifted:
		p.wanted = true
	}
}

// look reads a byte, of the next request if the client goes on.
func (c *conn) look() {
	p := &c.presence
	c.reads.Lock()
	defer c.reads.Unlock()
	n, err := c.read(p.byte[:]) // nobody else looks at it while the state is watched
	p.has, p.state = n == 1, reading
	if err != nil {
		p.lost(err)
	}
	if p.ended != nil {
		p.ended()
		p.ended = nil
	}
}

// lost tells that a watch failed, unless it was only ended.
func (p *presence) lost(err error) {
	if p.gone || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if p.gone = true; p.present != nil {
		p.present.clientLeft()
	}
}

// enter is called with the lock, before a read into b. It ends a watch that is under way. It
// reports false where there is nothing left to read: n bytes are in b already, or
// the read was the server's watch, which is sent home.
func (c *conn) enter(b []byte) (n int, goes bool) {
	p := &c.presence
	for p.state == watched {
		ended := make(chan struct{})
		p.ended = func() { close(ended) }
		c.patience.halt(c.Conn.SetReadDeadline)
		c.reads.Unlock()
		<-ended
		c.reads.Lock()
		c.patience.halted = false
	}
	server := p.state == lifted && len(b) == 1
	switch {
	case p.has:
		p.has = false
		b[0] = p.byte[0]
		return 1, false
	case server && !p.wanted:
		p.state = skipped
		return 0, false
	case server:
		p.state = watching
	default:
		p.state = reading
	}
	return 0, true
}

// leave is called after a read that failed.
func (p *presence) leave(err error) {
	if p.state == watching {
		p.lost(err)
	}
}

// moved notes that the read deadline was set.
func (p *presence) moved(t time.Time) {
	switch {
	case p.state == watched, isAbort(t): // the server ends its own watch, which may have yet to come
	case !t.IsZero():
		p.state = reading
	case p.state == reading:
		p.state = lifted
	}
}

// isAbort reports whether a deadline is the one by which the server ends a read:
// an instant long ago.
func isAbort(t time.Time) bool { return !t.IsZero() && t.Before(longAgo) }

var longAgo = time.Unix(1e6, 0)

// A cancelling is a leaver that ends a context.
type cancelling context.CancelFunc

func (c cancelling) clientLeft() { c() }

// A roomContext is a request's context while it waits for a slot. It ends when
// the client leaves. Only who really waits asks for that, and has the client
// watched.
type roomContext struct {
	context.Context
	conn  *conn // nil under another server, whose context ends by itself
	leave context.CancelFunc
}

// Done implements [context.Context], for one goroutine.
func (c *roomContext) Done() <-chan struct{} {
	if c.conn != nil && c.leave == nil {
		c.Context, c.leave = context.WithCancel(c.Context)
		c.conn.attend(cancelling(c.leave))
		c.conn.watch()
	}
	return c.Context.Done()
}

// over ends the wait.
func (c *roomContext) over() {
	if c.leave != nil {
		c.conn.attend(nil)
		c.leave()
	}
}
