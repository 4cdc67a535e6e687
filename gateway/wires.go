package gateway

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// wires are the connections to one backend. What a wire cannot do goes by
// net/http's transport: TLS, protocol switches, and bodies that are still on
// their way from the client.
type wires struct {
	address  string
	plain    bool // no TLS
	dialer   *net.Dialer
	fallback *http.Transport

	mu     sync.Mutex
	idle   []*wire // the one used last is last
	reaper *time.Timer
}

const (
	// idleBackendConnections is kept per backend: more than any limit that a
	// gate finds, so that a burst does not close what the next one opens.
	idleBackendConnections = 4096
	// idleBackendTime is how long such a connection is kept.
	idleBackendTime = 90 * time.Second
	// staleAfter is how long one may lie idle before it is looked at, even for
	// a request that could be sent again: some servers say 408 when they close.
	staleAfter = time.Second
)

func newWires(u *url.URL, b bounds) *wires {
	dialer := &net.Dialer{Timeout: b.dial, KeepAlive: 30 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	return &wires{
		address: address, plain: u.Scheme == "http", dialer: dialer,
		fallback: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    2 * b.dial,
			Protocols:              protocols,
			DisableCompression:     true, // what the client and the backend agreed on is theirs
			MaxIdleConns:           0,    // bounded per backend
			MaxIdleConnsPerHost:    idleBackendConnections,
			IdleConnTimeout:        idleBackendTime,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: MaxAnswerHeaderBytes,
		},
	}
}

// RoundTrip implements [http.RoundTripper].
func (p *wires) RoundTrip(req *http.Request) (*http.Response, error) {
	if !p.plain || req.Header["Upgrade"] != nil || req.Body != nil && req.GetBody == nil {
		return p.fallback.RoundTrip(req)
	}
	for {
		again := repeatable(req.Method)
		w := p.idleWire(again)
		if w == nil {
			return p.first(req)
		}
		res, err := w.exchange(req.Context(), req)
		if err == nil || w.heard || !again || req.Context().Err() != nil {
			return res, err
		}
		// The backend closed it at the same moment: not a byte has come back.
		// There are fewer idle ones each time, so this ends.
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// first is the first exchange on a new connection.
func (p *wires) first(req *http.Request) (*http.Response, error) {
	c, err := p.dialer.DialContext(req.Context(), "tcp", p.address)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // it was never read
		}
		return nil, err
	}
	return newWire(c, p).exchange(req.Context(), req)
}

// idleWire returns an open connection, nil where there is none. That a backend
// has closed one shows when it is used, unless the request may not be sent again.
func (p *wires) idleWire(again bool) *wire {
	for {
		w := p.take()
		if w == nil || again && mono.Now().Sub(w.idleAt) <= staleAfter || !w.stale() {
			return w
		}
		_ = w.Close() // it ended while it lay idle
	}
}

// repeatable reports whether a request may be sent again without a trace of the
// first: RFC 9110, section 9.2.2, of the methods that have no effect.
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// take returns the connection that was used last: the others may grow too old.
func (p *wires) take() *wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	w := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return w
}

func (p *wires) put(w *wire) {
	w.idleAt = mono.Now()
	p.mu.Lock()
	full := len(p.idle) >= idleBackendConnections
	if !full {
		p.idle = append(p.idle, w)
		if p.reaper == nil {
			p.reaper = time.AfterFunc(idleBackendTime, p.reap)
		}
	}
	p.mu.Unlock()
	if full {
		_ = w.Close() // one too many
	}
}

// reap closes what has lain idle for too long, and comes again if any is left.
func (p *wires) reap() {
	now := mono.Now()
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].idleAt) >= idleBackendTime {
		n++
	}
	old := append([]*wire(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.reaper = nil
	if len(p.idle) > 0 {
		p.reaper = time.AfterFunc(max(0, idleBackendTime-now.Sub(p.idle[0].idleAt)), p.reap)
	}
	p.mu.Unlock()
	for _, w := range old {
		_ = w.Close()
	}
}

// CloseIdleConnections closes what is idle now.
func (p *wires) CloseIdleConnections() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
	p.mu.Unlock()
	for _, w := range idle {
		_ = w.Close()
	}
	p.fallback.CloseIdleConnections()
}
