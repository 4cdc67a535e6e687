package flowserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of connections.
const (
	// ConnectionsMax are open at once; further ones wait to be accepted.
	ConnectionsMax = 8192
	// HeaderMax bounds a request's header, in bytes.
	HeaderMax = 64 << 10

	headerTime = 10 * time.Second // for a request's header to arrive
	idleTime   = 2 * time.Minute  // between requests
	answerTime = time.Minute      // for an answer to be taken, once it is known
	drainTime  = 5 * time.Second  // for what is at work when the server ends
)

// Serve serves the listener, by TLS where a configuration is given, until ctx
// ends or the engine does, which is the error then. What is at work is finished;
// workers that wait are let go.
func (s *Server) Serve(ctx context.Context, ln net.Listener, secure *tls.Config) error {
	srv := &http.Server{
		Handler: s, TLSConfig: secure, MaxHeaderBytes: HeaderMax,
		ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, WriteTimeout: WaitMax + answerTime,
		ErrorLog: log.New(noticed{}, "", log.LstdFlags),
	}
	ln = bound(ln, ConnectionsMax)
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		if secure != nil {
			ended <- srv.ServeTLS(ln, "", "")
		} else {
			ended <- srv.Serve(ln)
		}
	}()
	var err error
	running := true
	select {
	case <-ctx.Done():
	case <-s.engine.Failed():
		err = s.engine.Err() // only a new start finds out what the disk holds
	case err = <-ended:
		running = false
	}
	s.end()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if end := srv.Shutdown(drain); end != nil {
		err = errors.Join(err, end, srv.Close())
	}
	if running {
		for range ended { // until it is closed: nothing else comes
		}
	}
	return err
}

// A bounded listener has so many connections open, and no more.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func bound(ln net.Listener, most int) net.Listener {
	return &bounded{Listener: ln, places: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a place, and then for a connection.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-b.places })}, nil
}

// Close implements [net.Listener].
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// A placed connection gives its place back.
type placed struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (c *placed) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// noticed passes to the process's log what an HTTP server says, but for failed
// handshakes: strangers cause those, as often as they like.
type noticed struct{}

func (noticed) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("TLS handshake error")) {
		return len(b), nil
	}
	return log.Writer().Write(b)
}
