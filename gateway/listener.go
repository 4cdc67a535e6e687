package gateway

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// fallbackOpenFiles is assumed where the system does not tell.
const fallbackOpenFiles = 4096

// defaultConnections leaves a quarter of the open files to backends, the admin
// listener and the rest of the process.
func defaultConnections(files uint64) int {
	return int(max(min(files/4*3, MaxConnections), 16))
}

// A boundedListener accepts no more connections than it has slots: beyond, they
// wait in the kernel's backlog, where they cost this process nothing.
type boundedListener struct {
	net.Listener
	slots  chan struct{} // one element per open connection, and one for the next
	closed chan struct{}
	once   sync.Once
	write  time.Duration // see bounds.write
	front  *Gateway      // whose clients' connections these are; nil is the admin's
	open   atomic.Int64
	full   atomic.Uint64 // how often accepting had to stop
}

func newBoundedListener(l net.Listener, bound int, write time.Duration) *boundedListener {
	return &boundedListener{
		Listener: l, write: write,
		slots:  make(chan struct{}, bound),
		closed: make(chan struct{}),
	}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	default:
		l.full.Add(1)
		select {
		case l.slots <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	l.open.Add(1)
	peer := addressOf(c.RemoteAddr())
	own := &conn{Conn: c, listener: l, peer: peer, name: peer.String()}
	own.presence.on = l.front != nil
	return own, nil
}

// Close closes the listener; again is no harm.
func (l *boundedListener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// A conn is a client's connection. It bounds how long a client may take to read
// what was written, and remembers whether the bytes on it ever made a request.
//
// It hides the kernel's file-to-socket paths on purpose: they would write for
// hours to a client that reads a byte a second, past any deadline set here.
type conn struct {
	net.Conn
	listener *boundedListener
	peer     netip.Addr
	name     string // of peer
	once     sync.Once

	reads    sync.Mutex // guards the next four
	patience patience
	presence presence
	turn     turn
	whole    int // size of the server's buffer, as its first read shows

	// drawn is the cohort of the request that is being read or served, where one was
	// drawn. It is the server's goroutine's.
	drawn penstock.Cohort

	// instead is written in place of the next answer. It is the handler's, in
	// whose goroutine the server writes.
	instead []byte

	armed    bool      // whether a write deadline was set
	armedAt  mono.Time // when; only one goroutine writes at a time
	speaking atomic.Bool
	refused  atomic.Int32 // status that the HTTP server answered by itself
}

// Write writes p, or what is to be written instead of it.
func (c *conn) Write(p []byte) (int, error) {
	if c.instead == nil {
		return c.write(p)
	}
	answer := c.instead
	c.instead = nil
	if len(answer) > 0 {
		if _, err := c.write(answer); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// write gives the client the listener's time to make room for p. A deadline is
// set anew when half of the last one is over, so that short answers on a busy
// connection set few.
func (c *conn) write(p []byte) (int, error) {
	now := mono.Now()
	if !c.armed || now.Sub(c.armedAt) > c.listener.write/2 {
		if err := c.Conn.SetWriteDeadline(in(c.listener.write)); err != nil {
			return 0, err
		}
		c.armed, c.armedAt = true, now
	}
	if c.speaking.Load() {
		c.sniff(p)
	}
	return c.Conn.Write(p)
}

// Read reads, unless a watch of the client's presence has read already, or is
// what would be read for. Requests that are refused early are not returned.
func (c *conn) Read(p []byte) (int, error) {
	c.reads.Lock()
	defer c.reads.Unlock()
	begins := c.begins(len(p))
	if c.presence.on && len(p) > 0 {
		if n, goes := c.enter(p); !goes {
			return n, nil
		}
	}
	n, err := c.read(p)
	for begins && err == nil {
		var done bool
		if done, err = c.refusedEarly(p[:n]); !done {
			c.speaking.Store(true) // the server calls it active only if it reads once more
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		n, err = c.read(p)
	}
	if err != nil {
		c.presence.leave(err)
	}
	return n, err
}

// read reads as long as the deadline that is wanted allows. It is called with
// the lock, and gives it up while it waits.
func (c *conn) read(p []byte) (n int, err error) {
	err = c.patience.begin(c.Conn.SetReadDeadline)
	for err == nil {
		c.reads.Unlock()
		n, err = c.Conn.Read(p)
		c.reads.Lock()
		if err == nil || n > 0 || c.patience.over(err, c.Conn.SetReadDeadline) {
			break
		}
		err = nil
	}
	c.patience.reading = false
	return n, err
}

// SetReadDeadline bounds the reads from now on, and those under way.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.Lock()
	defer c.reads.Unlock()
	c.presence.moved(t)
	c.turn.deadlineMoved()
	return c.patience.set(t, c.Conn.SetReadDeadline)
}

// SetDeadline is SetReadDeadline: see SetWriteDeadline.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// sniff notes the status of an answer that no handler wrote: the HTTP server's
// own to what is not a request.
func (c *conn) sniff(p []byte) {
	const prefix = len("HTTP/1.1 ")
	if len(p) < prefix+3 {
		return
	}
	status := int32(0)
	for _, digit := range p[prefix : prefix+3] {
		if digit < '0' || digit > '9' {
			return
		}
		status = status*10 + int32(digit-'0')
	}
	c.refused.CompareAndSwap(0, status)
}

// SetWriteDeadline is ignored: the connection keeps its own, and the HTTP
// server clears the deadline after every answer.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// CloseWrite lets the server say that it is done and still read, so that a
// client that is sending gets to see the answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.listener.open.Add(-1)
		<-c.listener.slots
	})
	return err
}
