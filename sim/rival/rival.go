// Package rival holds other people's overload control, written from their
// publications, so that the lab can put it beside ours in the same system:
//
//   - [Rajomon]: a price for each service, tokens on each request. J. Xing et al.,
//     "Rajomon: Decentralized and Coordinated Overload Control for
//     Latency-Sensitive Microservices", NSDI 2025.
//   - [Dagor]: a level of importance for each service. H. Zhou et al., "Overload
//     Control for Scaling WeChat Microservices", SoCC 2018, section 4.
//
// Both measure how long work waits before it starts, both say with each answer
// what they ask for, and both leave the queue itself alone. The simulator shows
// them the true wait of every unit of work. That is more than they see in life,
// where Rajomon's own code reads the Go scheduler's histogram.
//
// Nothing here is for production: package admission and caller are.
//
// Everything here is pure: no clock, no lock; randomness is given.
package rival

import (
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// An Ask is what travels with a request.
type Ask struct {
	Priority int   // DAGOR's: see [PriorityOf]
	Tokens   int64 // Rajomon's: what the client gave the request
}

// A Controller is the overload control of one service. It is for one goroutine at
// a time, and calls come in the order of time.
type Controller interface {
	// Admit reports whether a request that arrives may enter.
	Admit(now mono.Time, a Ask) bool
	// Started tells how long work waited that starts now.
	Started(now mono.Time, waited time.Duration)
	// Says is what the answer to a request tells its caller; told is false where
	// it tells nothing.
	Says(now mono.Time, a Ask) (said int64, told bool)
	// Heard takes what one of the service's callees said; they are numbered from
	// 0.
	Heard(callee int, said int64)
	// Sends reports whether a request may be sent to a callee.
	Sends(callee int, a Ask) bool
}

// PriorityOf is the place of work in DAGOR's order, from 0, the most important,
// to [Priorities] - 1: by business (here the criticality) and then by user (here
// the cohort), as in section 4.2.1 and 4.2.2 of its paper. Attempts make no
// difference.
func PriorityOf(w penstock.Work) int {
	c := w.Criticality
	if c == penstock.Unspecified {
		c = penstock.Critical
	}
	return int(penstock.CriticalPlus-c)*penstock.Cohorts + w.Cohort.Index()
}

// Priorities is the number of values of [PriorityOf].
const Priorities = 4 * penstock.Cohorts
