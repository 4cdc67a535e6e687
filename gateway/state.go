package gateway

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
)

// State is what a gateway says of itself at one instant: /v1/state.
type State struct {
	Build    Build     `json:"build"`
	Started  time.Time `json:"started"`
	UptimeMS int64     `json:"uptime_ms"`
	Ready    bool      `json:"ready"`
	Draining bool      `json:"draining"`
	Observe  bool      `json:"observe"`
	Reloads  uint64    `json:"reloads"`

	Stats    penstock.Stats    `json:"stats"` // of the controller
	Explain  string            `json:"explain"`
	Routes   []RouteState      `json:"routes"`
	Backends []BackendState    `json:"backends"`
	Front    FrontState        `json:"front"`
	Faults   map[string]uint64 `json:"faults"` // by name, those that are not 0

	Recording *RecordingState `json:"recording,omitempty"`
}

// Build says which program it is.
type Build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

// RouteState is one route. Its counters count from the gateway's start, across
// reloads.
type RouteState struct {
	Route       string            `json:"route"` // host and path
	Backends    []string          `json:"backends"`
	Requests    uint64            `json:"requests"`
	Refused     map[string]uint64 `json:"refused"` // by reason, those that are not 0
	WouldRefuse map[string]uint64 `json:"would_refuse"`
	Answers     map[string]uint64 `json:"answers"` // by class: 2xx
}

// BackendState is one backend.
type BackendState struct {
	Backend string `json:"backend"`
	Failing bool   `json:"failing"` // its last exchange failed without an answer
	Faults  uint64 `json:"faults"`
}

// FrontState is the front listener.
type FrontState struct {
	Connections    int64  `json:"connections"`
	MaxConnections int    `json:"max_connections"`
	AcceptStopped  uint64 `json:"accept_stopped"` // how often MaxConnections was reached
	InHand         int64  `json:"in_hand"`        // requests that a client waits for, streams apart
	Streams        int64  `json:"streams"`
	MaxStreams     int    `json:"max_streams"`
}

// RecordingState is the recording.
type RecordingState struct {
	Written uint64 `json:"written"`
	Dropped uint64 `json:"dropped"`
	Failed  bool   `json:"failed"` // a write failed, or the file is full
}

// State returns a snapshot.
func (g *Gateway) State() State {
	t := g.table.Load()
	s := State{
		Build: build(), Started: g.since, UptimeMS: mono.Now().Sub(g.started).Milliseconds(),
		Ready: g.ready.Load(), Draining: g.draining.Load(), Observe: t.observe,
		Reloads: g.counts.reloads.Load(),
		Stats:   g.ctl.Stats(), Explain: g.ctl.Explain(),
		Faults: map[string]uint64{},
		Front: FrontState{
			MaxConnections: g.opts.maxConnections, InHand: g.work.n.Load(),
			Streams: g.streams.count.Load(), MaxStreams: t.streams,
		},
	}
	for f := range faults {
		if n := g.counts.faults[f].Load(); n > 0 {
			s.Faults[f.String()] = n
		}
	}
	known := *g.backends.Load()
	seen := map[string]bool{}
	for _, r := range t.routes {
		rs := routeState(r)
		for _, name := range rs.Backends {
			if be := known[name]; be != nil && !seen[name] {
				seen[name] = true
				s.Backends = append(s.Backends, BackendState{Backend: name, Failing: be.failing.Load(), Faults: be.faults.Load()})
			}
		}
		s.Routes = append(s.Routes, rs)
	}
	if front, _ := g.listeners(); front != nil {
		s.Front.Connections, s.Front.AcceptStopped = front.open.Load(), front.full.Load()
	}
	if r := g.recorder; r != nil {
		s.Recording = &RecordingState{Written: r.written.Load(), Dropped: r.dropped.Load(), Failed: r.failed.Load()}
	}
	return s
}

var answerClasses = [6]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}

func routeState(r *route) RouteState {
	rs := RouteState{
		Route: r.name, Requests: r.counts.requests.Load(),
		Refused: map[string]uint64{}, WouldRefuse: map[string]uint64{}, Answers: map[string]uint64{},
	}
	for _, u := range r.To {
		rs.Backends = append(rs.Backends, backendName(u))
	}
	for reason := range penstock.Reasons {
		name := penstock.Reason(reason).String()
		if n := r.counts.refused[reason].Load(); n > 0 {
			rs.Refused[name] = n
		}
		if n := r.counts.wouldRefuse[reason].Load(); n > 0 {
			rs.WouldRefuse[name] = n
		}
	}
	for class, name := range answerClasses {
		if n := r.counts.answers[class].Load(); n > 0 {
			rs.Answers[name] = n
		}
	}
	return rs
}

func build() Build {
	b := Build{Version: "unknown", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	return b
}
