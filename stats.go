package penstock

import (
	"encoding/json"
	"math"
	"time"
)

// Stats is what a controller says of itself at one instant: one struct for
// metrics, the admin interface, the dashboard and --json. Counters count from
// the controller's start and never fall.
//
// Offered = Admitted + Refused + waiting + those that left the room, exactly.
type Stats struct {
	Offered  uint64        `json:"offered"`  // asked to enter
	Admitted uint64        `json:"admitted"` // entered a gate
	Left     uint64        `json:"left"`     // gave up while waiting
	Refused  RefusedCounts `json:"refused"`  // by reason and criticality
	// WouldRefuse is what observe mode would have refused; those are admitted.
	WouldRefuse RefusedCounts `json:"would_refuse"`
	Explored    uint64        `json:"explored"` // admitted to test an estimate that says no

	Good    uint64 `json:"good"`    // finished, in time
	Wasted  uint64 `json:"wasted"`  // finished too late, or for nobody
	Dropped uint64 `json:"dropped"` // lost to load: timed out, callee overloaded
	Ignored uint64 `json:"ignored"` // ended for reasons that say nothing of load
	// StaleDone counts Done calls on permits already done: bugs of the caller.
	StaleDone uint64 `json:"stale_done"`

	InFlight int     `json:"in_flight"` // slots taken, zombies included
	Zombies  int     `json:"zombies"`   // slots taken for callers that have left
	Waiting  int     `json:"waiting"`   // in the waiting room
	Limit    float64 `json:"limit"`     // sum over the gates
	Level    float64 `json:"level"`     // how full, 0 to 1
	Price    Price   `json:"price"`     // lowest rank admitted

	Sojourn Quantiles `json:"sojourn"` // time waited by work that was admitted
	Service Quantiles `json:"service"` // time from entering a gate to the answer

	Little Little `json:"little"`

	Gates []GateStats `json:"gates"`
}

// GateStats is one gate of a pool.
type GateStats struct {
	Name     string    `json:"name"`
	Limit    float64   `json:"limit"`
	InFlight int       `json:"in_flight"`
	Away     int       `json:"away"` // runs, but is with a callee that limits itself, and holds no slot meanwhile
	Zombies  int       `json:"zombies"`
	Admitted uint64    `json:"admitted"`
	Good     uint64    `json:"good"`
	Dropped  uint64    `json:"dropped"`
	Service  Quantiles `json:"service"`
	Explain  string    `json:"explain"` // which term binds the limit, in words
}

// Little holds both sides of Little's law over the last seconds: L is the mean
// number in flight, Lambda the completions per second, W their mean time in
// seconds. Gap is L - Lambda x W: far from 0 it means a leak (permits never
// returned) or a queue that the controller cannot see.
type Little struct {
	L      float64 `json:"l"`
	Lambda float64 `json:"lambda"`
	W      float64 `json:"w"`
	Gap    float64 `json:"gap"`
}

// Quantiles of a duration over the last seconds; all 0 when nothing was seen.
// In JSON they are milliseconds: p50_ms, p90_ms, p99_ms.
type Quantiles struct{ P50, P90, P99 time.Duration }

type quantilesJSON struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
}

// MarshalJSON writes milliseconds.
func (q Quantiles) MarshalJSON() ([]byte, error) {
	return json.Marshal(quantilesJSON{milliseconds(q.P50), milliseconds(q.P90), milliseconds(q.P99)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (q *Quantiles) UnmarshalJSON(data []byte) error {
	var j quantilesJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*q = Quantiles{fromMilliseconds(j.P50), fromMilliseconds(j.P90), fromMilliseconds(j.P99)}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
func fromMilliseconds(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

// RefusedCounts counts refusals by reason and criticality. In JSON it is an
// object of objects that names only what is not zero.
type RefusedCounts [Reasons][Criticalities]uint64

// Total is the sum over all reasons and criticalities.
func (c *RefusedCounts) Total() uint64 {
	var sum uint64
	for r := range c {
		sum += c.Of(Reason(r))
	}
	return sum
}

// Of is the sum over the criticalities for one reason.
func (c *RefusedCounts) Of(r Reason) uint64 {
	var sum uint64
	for _, n := range c[r] {
		sum += n
	}
	return sum
}

// MarshalJSON writes {"queue_full": {"sheddable": 3}}.
func (c RefusedCounts) MarshalJSON() ([]byte, error) {
	out := map[string]map[string]uint64{}
	for r := range c {
		for k, n := range c[r] {
			if n == 0 {
				continue
			}
			name := Reason(r).String()
			if out[name] == nil {
				out[name] = map[string]uint64{}
			}
			out[name][Criticality(k).String()] = n
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote; names that it does not know are
// skipped, so that an older reader understands a newer writer.
func (c *RefusedCounts) UnmarshalJSON(data []byte) error {
	var in map[string]map[string]uint64
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*c = RefusedCounts{}
	for r := range c {
		for k := range c[r] {
			c[r][k] = in[Reason(r).String()][Criticality(k).String()]
		}
	}
	return nil
}
