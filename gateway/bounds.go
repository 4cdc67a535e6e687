package gateway

import "time"

// The bounds on what a stranger, or a backend, can make a gateway hold. The
// times beside them are in docs/gateway.md.
const (
	// DefaultMaxBody bounds a request's body. No more than [ReadAhead] of it is
	// ever in memory.
	DefaultMaxBody = 1 << 30
	// ReadAhead is how much of a request's body is read before the controller
	// is asked, so that a slow upload holds no slot.
	ReadAhead = 64 << 10
	// MaxHeaderBytes bounds a request's line and header; beyond, 431.
	MaxHeaderBytes = 64 << 10
	// MaxAnswerHeaderBytes bounds the header of a backend's answer, and of each
	// 1xx answer before it; beyond, 502.
	MaxAnswerHeaderBytes = 256 << 10
	// MaxHints bounds the 1xx answers before the final one; beyond, 502.
	MaxHints = 100
	// MaxConnections bounds the default number of connections at the front.
	MaxConnections = 1 << 16
	// MaxAdminConnections bounds the connections at the admin listener.
	MaxAdminConnections = 256
	// MaxHops is the largest number of gateways in a request's Via field;
	// beyond, the request is going in circles: 508.
	MaxHops = 8
)

// bounds are the times and sizes that tests shorten.
type bounds struct {
	header time.Duration // to send a request's header
	idle   time.Duration // between requests of one connection

	// A body must bring bodyBytes within each bodyTime, counting only the time
	// spent waiting for the client.
	bodyTime  time.Duration
	bodyBytes int

	write  time.Duration // for one write to a client, of at most 32 KiB: at least half of it
	linger time.Duration // to read the rest of a body that nobody wants

	dial   time.Duration // to connect to a backend
	answer time.Duration // from request sent to answer's header, for a patient client
	zombie time.Duration // for work that goes on without a client

	drainBytes int64         // of an answer that nobody wants any more
	drainTime  time.Duration // for the same

	penaltyMin, penaltyMax time.Duration // that a failed dial keeps its slot
}

func defaultBounds() bounds {
	return bounds{
		header: 10 * time.Second,
		idle:   2 * time.Minute,

		bodyTime:  10 * time.Second,
		bodyBytes: 40 << 10,

		write:  20 * time.Second, // armed anew when half is over: each write has 10 s
		linger: time.Second,

		dial:   2 * time.Second,
		answer: 10 * time.Minute,
		zombie: 2 * time.Minute,

		drainBytes: 256 << 10,
		drainTime:  time.Second,

		penaltyMin: 100 * time.Millisecond,
		penaltyMax: time.Second,
	}
}
