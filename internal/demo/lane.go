package demo

import (
	"sync"
	"time"

	"github.com/penstock-go/penstock/gateway"
	"github.com/penstock-go/penstock/load"
)

// HistoryLength is how many points of a lane's goodput are kept, spread evenly
// over the run.
const HistoryLength = 120

// A lane is one way to a service.
type lane struct {
	name    string
	address string // what clients ask
	service *service
	gateway *gateway.Gateway // nil for the unprotected lane

	mu      sync.Mutex // guards the rest
	last    load.Progress
	history []float64 // goodput as a share of capacity; at most HistoryLength
}

func (l *lane) url() string { return "http://" + l.address }

// note takes in how the load goes, the given share of the run having passed.
func (l *lane) note(p load.Progress, capacity, passed float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = p
	upTo := min(int(passed*HistoryLength), HistoryLength-1)
	for len(l.history) <= upTo {
		l.history = append(l.history, p.GoodPerSecond/capacity)
	}
}

// rest forgets the rates, as no load is offered any more.
func (l *lane) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = load.Progress{}
}

// A Frame is all there is to see at one instant.
type Frame struct {
	Workers  int
	Service  string        // as ParseService reads it
	Capacity float64       // jobs per second of one service
	Deadline time.Duration // the clients' patience
	Phases   []Phase
	Phase    int           // from 1; 0 before the load, len(Phases)+1 after
	Left     time.Duration // of the run
	Lanes    [2]LaneFrame  // unprotected, protected
}

// LaneFrame is one lane. Rates are per second, over the last second.
type LaneFrame struct {
	Name, URL string

	Offered, Good, Late, Refused, Errors float64

	P99       time.Duration // of good requests; 0 if there were none
	InService int           // jobs that the service holds, in work or queued
	Wasted    uint64        // jobs that it finished for clients that had gone
	History   []float64     // goodput as a share of capacity: HistoryLength points make the run

	Gateway *GatewayFrame // nil without one
}

// GatewayFrame is the gateway of a lane.
type GatewayFrame struct {
	InFlight, Waiting int
	Limit, Level      float64
}

// frame is the lane at this instant.
func (l *lane) frame() LaneFrame {
	l.mu.Lock()
	p, history := l.last, l.history // which is only ever appended to
	l.mu.Unlock()
	f := LaneFrame{
		Name: l.name, URL: l.url(), P99: p.P99,
		Offered: p.OfferedPerSecond, Good: p.GoodPerSecond, Late: p.LatePerSecond,
		Refused: p.RefusedPerSecond, Errors: p.ErrorsPerSecond,
		InService: int(l.service.inside.Load()), Wasted: l.service.wasted.Load(), History: history,
	}
	if l.gateway != nil {
		s := l.gateway.State().Stats
		f.Gateway = &GatewayFrame{InFlight: s.InFlight, Waiting: s.Waiting, Limit: s.Limit, Level: s.Level}
	}
	return f
}
