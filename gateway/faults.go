package gateway

import (
	"fmt"
	"sync/atomic"

	"github.com/penstock-go/penstock"
)

// A fault is a request that failed for a reason of its own or of a backend's:
// not a refusal. Names are metric labels, and the reason in the answer's body.
type fault uint8

const (
	faultNoRoute        fault = iota // 404: no route matches
	faultMethod                      // 405: CONNECT
	faultLoop                        // 508: came through too many gateways
	faultBodyTooLarge                // 413
	faultSlowBody                    // 408: body arrived too slowly
	faultBadBody                     // 400: chunks that are none, or an end too soon
	faultBadUpgrade                  // 502: protocol switch that cannot be
	faultBadRequest                  // 4xx or 5xx by the HTTP parser
	faultHeaderTooLarge              // 431 by the HTTP parser
	faultHalfRequest                 // closed before its header was complete
	faultDial                        // 502: no connection to the backend
	faultReset                       // 502: backend closed before it answered
	faultBadAnswer                   // 502: answer is not HTTP, or its header too large
	faultAnswerTimeout               // 504: no answer within the gateway's own bound
	faultDeadline                    // 504: the request's deadline passed after dispatch
	faultTruncated                   // backend failed within its answer's body
	faultClientLeft                  // client gone before the end of its answer
	faultPanic                       // 500: a bug
	faults                           // how many
)

var faultNames = [faults]string{
	"no_route", "method", "loop", "body_too_large", "slow_body", "bad_body", "bad_upgrade",
	"bad_request", "header_too_large", "half_request",
	"dial", "reset", "bad_answer", "answer_timeout", "deadline", "truncated", "client_left", "panic",
}

// String returns the name used in answers and metrics.
func (f fault) String() string {
	if f < faults {
		return faultNames[f]
	}
	return fmt.Sprintf("fault(%d)", uint8(f))
}

// counters are a gateway's own; what the controller counts is not repeated.
type counters struct {
	faults  [faults]atomic.Uint64
	reloads atomic.Uint64
}

func (c *counters) fault(f fault) { c.faults[f].Add(1) }

// routeCounts live as long as the gateway, across reloads that keep the route.
type routeCounts struct {
	requests    atomic.Uint64
	refused     [penstock.Reasons]atomic.Uint64
	wouldRefuse [penstock.Reasons]atomic.Uint64 // by the rate and the streams, in observe mode
	answers     [6]atomic.Uint64                // by status / 100, written to the client
}

func (c *routeCounts) answered(status int) {
	if class := status / 100; class < len(c.answers) {
		c.answers[class].Add(1)
	}
}

func (c *routeCounts) refusals() uint64 {
	var sum uint64
	for i := range c.refused {
		sum += c.refused[i].Load()
	}
	return sum
}
