package load

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/penstock-go/penstock/internal/sockets"
	"github.com/penstock-go/penstock/mono"
)

// staleAfter is how long a connection may lie idle before it is looked at: the
// server may have closed it meanwhile, and a request sent on it would count as
// an error that no user would see.
const staleAfter = 50 * time.Millisecond

// conn is one persistent connection.
type conn struct {
	net.Conn

	reader *responseReader
	tcp    *net.TCPConn // nil for other kinds
	out    []byte       // reused for the request
	used   mono.Time    // when it carried the last answer
}

// open connects, with a TLS handshake where the URL asks for one.
func (g *generator) open(ctx context.Context) (*conn, error) {
	nc, err := g.cfg.Dial(ctx, g.request.network, g.request.address)
	if err != nil {
		return nil, err
	}
	tcp, _ := nc.(*net.TCPConn)
	if g.request.secure {
		secure := tls.Client(nc, g.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, err
		}
		nc = secure
	}
	return &conn{Conn: nc, reader: newResponseReader(nc), tcp: tcp}, nil
}

// stale reports whether the server has closed the connection, or said something
// unasked, since the last answer.
func (c *conn) stale(now mono.Time) bool {
	return now.Sub(c.used) > staleAfter && c.tcp != nil && sockets.Pending(c.tcp)
}

// abandon closes the connection as a client does that leaves without waiting:
// with a reset, which tells the server at once and leaves no port in TIME_WAIT.
// Without it, clients that give up a thousand times a second run out of ports
// within half a minute.
func (c *conn) abandon() {
	if c.tcp == nil {
		_ = c.Close()
		return
	}
	_ = c.tcp.SetLinger(0)
	_ = c.tcp.Close() // beneath TLS, which would take time to say goodbye
}

// exchange sends one request and reads its answer. The connection's deadline has
// been set.
func (c *conn) exchange(r *request, now mono.Time, j job) (response, error) {
	c.out = r.appendTo(c.out[:0], now, j)
	if _, err := c.Write(c.out); err != nil {
		return c.parting(r, err)
	}
	if r.inline() {
		return c.reader.read(r.headOnly)
	}
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() { _, writeErr = c.Write(r.body) })
	res, err := c.reader.read(r.headOnly)
	if err != nil || !res.keep {
		c.abandon() // ends the writing
	} else {
		_ = c.SetWriteDeadline(past) // an early answer: the rest is not wanted
	}
	writer.Wait()
	res.keep = res.keep && writeErr == nil
	return res, err
}

// parting reads the answer that a server may have sent before it closed the
// connection under a request that it did not want to read.
func (c *conn) parting(r *request, writeErr error) (response, error) {
	if isDeadline(writeErr) {
		return response{}, writeErr
	}
	res, err := c.reader.read(r.headOnly)
	if err != nil {
		return response{}, writeErr
	}
	res.keep = false
	return res, nil
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func isDeadline(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// failure says what an error on an open connection means for the request.
func failure(err error) (Fate, ErrorKind) {
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isDeadline(err):
		return Late, 0
	case notTLS || errors.Is(err, errProtocol):
		return Failed, KindProtocol
	case errors.Is(err, syscall.ETIMEDOUT):
		return Failed, KindTimeout
	}
	return Failed, KindReset
}
