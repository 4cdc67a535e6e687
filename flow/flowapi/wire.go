// Package flowapi holds the messages of the flow API as they are in JSON, for the
// server and the client. proto/penstock/flow/v1/flow.proto defines them.
package flowapi

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// Duration is a duration in JSON: "1.5s", as protobuf writes it; also "2m", "1h".
type Duration time.Duration

// MarshalText writes seconds.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(time.Duration(d).Seconds(), 'f', -1, 64) + "s"), nil
}

// UnmarshalText reads what [time.ParseDuration] reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is no duration, as \"1.5s\" or \"2m\" is", b)
	}
	*d = Duration(v)
	return nil
}

// Content is what an item carries: a JSON value, or any bytes. Neither is none.
type Content struct {
	JSON    json.RawMessage `json:"json,omitempty"`
	Payload []byte          `json:"payload,omitempty"`
}

// ContentOf shows a payload as JSON if it is.
func ContentOf(payload []byte) Content {
	if len(payload) > 0 && json.Valid(payload) {
		return Content{JSON: payload}
	}
	return Content{Payload: payload}
}

// Bytes is the payload; given says whether there is one.
func (c Content) Bytes() (payload []byte, given bool) {
	if c.JSON != nil {
		return c.JSON, true
	}
	return c.Payload, c.Payload != nil
}

// Item is an item that is offered.
type Item struct {
	ID          string    `json:"id,omitempty"`
	Key         string    `json:"key,omitempty"`
	Criticality string    `json:"criticality,omitempty"`
	Cost        int       `json:"cost,omitempty"`
	Due         time.Time `json:"due,omitzero"`
	Deadline    time.Time `json:"deadline,omitzero"`
	Content
}

// Offer converts to what the core takes.
func (it *Item) Offer() (flow.Offer, error) {
	o := flow.Offer{ID: it.ID, Key: it.Key, Cost: it.Cost, Due: flow.WallOf(it.Due), Deadline: flow.WallOf(it.Deadline)}
	o.Payload, _ = it.Bytes()
	if it.Criticality != "" {
		c, ok := penstock.ParseCriticality(it.Criticality)
		if !ok {
			return o, &flow.InvalidError{Field: "criticality", Text: fmt.Sprintf("%.40q is none of critical_plus, critical, sheddable_plus, sheddable", it.Criticality)}
		}
		o.Criticality = c
	}
	return o, nil
}

// OfferRequest offers items.
type OfferRequest struct {
	Items []Item `json:"items"`
}

// ReasonStoreFull says that the store had no room for an item, where others of the
// batch found some. It may be offered again.
const ReasonStoreFull = "store_full"

// Result is what became of one item.
type Result struct {
	ID           string `json:"id,omitempty"`
	Outcome      string `json:"outcome,omitempty"`
	Error        string `json:"error,omitempty"`
	Reason       string `json:"reason,omitempty"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
}

// Results answers a request about several items, in their order.
type Results struct {
	Results []Result `json:"results"`
}

// PullRequest asks for items.
type PullRequest struct {
	Max   int      `json:"max,omitempty"`
	Wait  Duration `json:"wait,omitempty"`
	Lease Duration `json:"lease,omitempty"`
}

// Job is an item in a worker's hands.
type Job struct {
	ID       string   `json:"id"`
	Lease    string   `json:"lease"`
	LeaseFor Duration `json:"lease_for"`
	Key      string   `json:"key,omitempty"`
	Stage    string   `json:"stage"`
	Attempt  int      `json:"attempt"`
	Reason   string   `json:"reason,omitempty"`
	Content
}

// JobOf shows an item that was handed out.
func JobOf(j flow.Leased, payload []byte) Job {
	return Job{
		ID: j.Item.ID, Lease: j.Lease.String(), LeaseFor: Duration(j.For), Key: j.Item.Key, Stage: j.Item.Stage,
		Attempt: int(j.Item.Attempts) + 1, Reason: j.Item.Reason, Content: ContentOf(payload),
	}
}

// PullResponse has the jobs; none if there were none in time.
type PullResponse struct {
	Jobs []Job `json:"jobs"`
}

// Done says that a job is done; with content, that it is the item's from now on.
type Done struct {
	Lease string `json:"lease"`
	Content
}

// AckRequest acknowledges jobs.
type AckRequest struct {
	Done []Done `json:"done"`
}

// LeaseRequest is about one job: nack (delay, reason), spill (reason), extend
// (lease_for).
type LeaseRequest struct {
	Lease    string    `json:"lease"`
	LeaseFor Duration  `json:"lease_for,omitempty"`
	Delay    *Duration `json:"delay,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

// Spilled is an item in the spillway.
type Spilled struct {
	ID       string    `json:"id"`
	Key      string    `json:"key,omitempty"`
	Stage    string    `json:"stage"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	Size     int       `json:"size"`
	Created  time.Time `json:"created"`
}

// SpillwayResponse lists the spillway.
type SpillwayResponse struct {
	Items []Spilled `json:"items"`
}

// IDsRequest names items of the spillway.
type IDsRequest struct {
	IDs []string `json:"ids"`
}

// Stage is [flow.Stage] in JSON.
type Stage struct {
	Name        string          `json:"name"`
	WIP         int             `json:"wip"`
	Lease       Duration        `json:"lease,omitempty"`
	Attempts    int             `json:"attempts,omitempty"`
	Backoff     Duration        `json:"backoff,omitempty"`
	BackoffMax  Duration        `json:"backoff_max,omitempty"`
	Ordered     bool            `json:"ordered,omitempty"`
	Conflate    flow.Conflation `json:"conflate,omitempty"`
	Paused      bool            `json:"paused,omitempty"`
	Draining    bool            `json:"draining,omitempty"`
	TargetDelay Duration        `json:"target_delay,omitempty"`
}

// Definition is [flow.Definition] in JSON.
type Definition struct {
	Name        string   `json:"name,omitempty"`
	Stages      []Stage  `json:"stages"`
	Spillway    int      `json:"spillway,omitempty"`
	DelayedMax  int      `json:"delayed_max,omitempty"`
	Remember    Duration `json:"remember,omitempty"`
	RememberMax int      `json:"remember_max,omitempty"`
	PayloadMax  int      `json:"payload_max,omitempty"`
}

// Flow converts to what the core takes.
func (d Definition) Flow() flow.Definition {
	out := flow.Definition{
		Name: d.Name, Spillway: d.Spillway, DelayedMax: d.DelayedMax,
		Remember: time.Duration(d.Remember), RememberMax: d.RememberMax, PayloadMax: d.PayloadMax,
	}
	for _, s := range d.Stages {
		out.Stages = append(out.Stages, flow.Stage{
			Name: s.Name, WIP: s.WIP, Lease: time.Duration(s.Lease), Attempts: s.Attempts,
			Backoff: time.Duration(s.Backoff), BackoffMax: time.Duration(s.BackoffMax), Ordered: s.Ordered,
			Conflate: s.Conflate, Paused: s.Paused, Draining: s.Draining, TargetDelay: time.Duration(s.TargetDelay),
		})
	}
	return out
}

// DefinitionOf converts from what the core has.
func DefinitionOf(d flow.Definition) Definition {
	out := Definition{
		Name: d.Name, Spillway: d.Spillway, DelayedMax: d.DelayedMax,
		Remember: Duration(d.Remember), RememberMax: d.RememberMax, PayloadMax: d.PayloadMax,
	}
	for _, s := range d.Stages {
		out.Stages = append(out.Stages, Stage{
			Name: s.Name, WIP: s.WIP, Lease: Duration(s.Lease), Attempts: s.Attempts,
			Backoff: Duration(s.Backoff), BackoffMax: Duration(s.BackoffMax), Ordered: s.Ordered,
			Conflate: s.Conflate, Paused: s.Paused, Draining: s.Draining, TargetDelay: Duration(s.TargetDelay),
		})
	}
	return out
}

// Description is a flow as it is.
type Description struct {
	Definition Definition `json:"definition"`
	Stats      flow.Stats `json:"stats"`
}

// Flows names the flows.
type Flows struct {
	Flows []string `json:"flows"`
}
