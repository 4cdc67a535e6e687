package gateway

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A backend is one server: its connections, and whether it fails.
type backend struct {
	name      string
	url       *url.URL
	transport transport
	law       Limit // of its gate; guarded by Gateway.reloading
	least     time.Duration
	most      time.Duration

	failing atomic.Bool
	faults  atomic.Uint64

	mu      sync.Mutex
	penalty time.Duration
	until   mono.Time // when the present penalty is over
}

func newBackend(u *url.URL, b bounds) *backend {
	return &backend{name: backendName(u), url: u, least: b.penaltyMin, most: b.penaltyMax, transport: newTransport(u, b)}
}

// answers notes that the backend answered.
func (be *backend) answers() {
	if be.failing.Load() {
		be.failing.Store(false)
	}
}

// fails notes a failure, and returns how long it is to cost its slot: twice the
// last penalty where that one is over, so that a crowd of failures at once
// counts as one.
func (be *backend) fails(now mono.Time) time.Duration {
	be.faults.Add(1)
	be.mu.Lock()
	defer be.mu.Unlock()
	switch {
	case !be.failing.Load():
		be.penalty, be.until = be.least, now.Add(be.least)
	case now >= be.until:
		be.penalty = min(2*be.penalty, be.most)
		be.until = now.Add(be.penalty)
	}
	be.failing.Store(true)
	return be.penalty
}

// faultOf classifies a failed round trip.
func faultOf(err error) fault {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return faultDial
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return faultDial
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return faultDial
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return faultAnswerTimeout
	}
	if errors.Is(err, errUnasked) {
		return faultBadUpgrade
	}
	if isReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return faultReset
	}
	return faultBadAnswer
}

// isReset reports whether the other end is gone.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// copyBuffers lends the proxy its copy buffers.
type copyBuffers struct{ pool sync.Pool }

const copyBufferSize = 32 << 10

// Get implements [httputil.BufferPool].
func (p *copyBuffers) Get() []byte {
	if b, ok := p.pool.Get().(*[copyBufferSize]byte); ok {
		return b[:]
	}
	return make([]byte, copyBufferSize)
}

// Put implements [httputil.BufferPool].
func (p *copyBuffers) Put(b []byte) { p.pool.Put((*[copyBufferSize]byte)(b)) }
