package flow

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Bounds of a definition.
const (
	StagesMax   = 64
	WIPMax      = math.MaxInt32
	NameMax     = 64
	AttemptsMax = 1000
	LeaseMax    = 24 * time.Hour
	PayloadCap  = 16 << 20 // the most that PayloadMax may be, in bytes
)

// A Definition describes a flow: a line of stages and what surrounds them.
type Definition struct {
	Name   string  `json:"name"`
	Stages []Stage `json:"stages"`

	// Spillway is how many items the spillway holds, at least 1; a full one
	// blocks. Default 10000.
	Spillway int `json:"spillway"`

	// DelayedMax is how many items may be delayed outside the stages; further
	// ones count against their stage's limit. Default 10000.
	DelayedMax int `json:"delayed_max"`

	// Remember is how long the id of an ended item is refused as a duplicate.
	// Default 10 minutes.
	Remember time.Duration `json:"remember"`

	// RememberMax is how many ended items are remembered; beyond it the oldest
	// are forgotten early. Default 100000.
	RememberMax int `json:"remember_max"`

	// PayloadMax is the largest payload in bytes, at most [PayloadCap].
	// Default 1 MiB.
	PayloadMax int `json:"payload_max"`
}

// A Stage is one station of the line.
type Stage struct {
	Name string `json:"name"`

	// WIP is the most that may be inside: waiting, leased, or finished and
	// blocked, each weighted by its cost. At least 1. An item that costs more
	// counts as WIP, and is alone.
	WIP int `json:"wip"`

	// Lease is how long a worker keeps an item without a sign of life.
	// Default 30 s.
	Lease time.Duration `json:"lease"`

	// Attempts is how often an item may be sent back or time out before it is
	// spilled, at least 1. Default 5.
	Attempts int `json:"attempts"`

	// Backoff is the delay after the first failed attempt. It doubles with each,
	// up to BackoffMax, and is drawn from its upper half. Defaults 1 s and 5 min.
	Backoff    time.Duration `json:"backoff"`
	BackoffMax time.Duration `json:"backoff_max"`

	// Ordered hands out the items of one key one at a time and the oldest first.
	// While an item backs off, its key waits; one that is spilled lets it go on.
	Ordered bool `json:"ordered,omitempty"`

	// Conflate says what becomes of an item that finds the stage full and an
	// item of its key waiting in it.
	Conflate Conflation `json:"conflate,omitempty"`

	// Paused hands out nothing.
	Paused bool `json:"paused,omitempty"`

	// Draining lets nothing in.
	Draining bool `json:"draining,omitempty"`

	// TargetDelay is how long an item should wait at most; it is the aim of the
	// hint how many workers are needed. Default 1 s.
	TargetDelay time.Duration `json:"target_delay"`
}

// Conflation says how items of one key become one while a stage is full.
type Conflation string

// The ways to conflate.
const (
	ConflateNone  Conflation = ""      // not at all: the item waits outside, or is refused
	ConflateLast  Conflation = "last"  // the later payload replaces the earlier
	ConflateMerge Conflation = "merge" // the later JSON object's fields replace the earlier's (RFC 7396)
)

// Normalize returns the definition with defaults for what is zero.
func (d Definition) Normalize() Definition {
	d.Stages = slices.Clone(d.Stages)
	set(&d.Spillway, 10_000)
	set(&d.DelayedMax, 10_000)
	set(&d.Remember, 10*time.Minute)
	set(&d.RememberMax, 100_000)
	set(&d.PayloadMax, 1<<20)
	for i := range d.Stages {
		s := &d.Stages[i]
		set(&s.Lease, 30*time.Second)
		set(&s.Attempts, 5)
		set(&s.Backoff, time.Second)
		set(&s.BackoffMax, max(5*time.Minute, s.Backoff))
		set(&s.TargetDelay, time.Second)
	}
	return d
}

func set[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// A DefinitionError is one thing that is wrong with a definition, and where.
type DefinitionError struct {
	Stage int    // index of the stage; -1 for the flow itself
	Field string // as in JSON
	Text  string // what is wrong, and what is allowed
}

// Error reads "stages[1].wip: 0 ...".
func (p *DefinitionError) Error() string {
	if p.Stage < 0 {
		return p.Field + ": " + p.Text
	}
	return fmt.Sprintf("stages[%d].%s: %s", p.Stage, p.Field, p.Text)
}

// Problems lists everything that is wrong with a normalized definition.
func (d Definition) Problems() []*DefinitionError {
	var ps []*DefinitionError
	bad := func(stage int, field, format string, args ...any) {
		ps = append(ps, &DefinitionError{stage, field, fmt.Sprintf(format, args...)})
	}
	within := func(stage int, field string, v, lo, hi int) {
		if v < lo || v > hi {
			bad(stage, field, "%d is not a whole number from %d to %d", v, lo, hi)
		}
	}
	lasting := func(stage int, field string, v, hi time.Duration) {
		if v <= 0 || v > hi {
			bad(stage, field, "%v is not a duration above 0 and up to %v", v, hi)
		}
	}
	if !validName(d.Name) {
		bad(-1, "name", "%q is no name: %s", d.Name, nameRule)
	}
	if n := len(d.Stages); n < 1 || n > StagesMax {
		bad(-1, "stages", "%d stages, where 1 to %d are allowed", n, StagesMax)
	}
	within(-1, "spillway", d.Spillway, 1, WIPMax)
	within(-1, "delayed_max", d.DelayedMax, 1, WIPMax)
	within(-1, "remember_max", d.RememberMax, 1, WIPMax)
	within(-1, "payload_max", d.PayloadMax, 1, PayloadCap)
	lasting(-1, "remember", d.Remember, 365*LeaseMax)
	seen := map[string]bool{}
	for i, s := range d.Stages {
		if !validName(s.Name) {
			bad(i, "name", "%q is no name: %s", s.Name, nameRule)
		} else if seen[s.Name] {
			bad(i, "name", "%q is the name of an earlier stage, too", s.Name)
		}
		seen[s.Name] = true
		within(i, "wip", s.WIP, 1, WIPMax)
		within(i, "attempts", s.Attempts, 1, AttemptsMax)
		lasting(i, "lease", s.Lease, LeaseMax)
		lasting(i, "backoff", s.Backoff, LeaseMax)
		lasting(i, "backoff_max", s.BackoffMax, LeaseMax)
		lasting(i, "target_delay", s.TargetDelay, LeaseMax)
		if s.BackoffMax < s.Backoff {
			bad(i, "backoff_max", "%v is below the backoff of %v", s.BackoffMax, s.Backoff)
		}
		switch s.Conflate {
		case ConflateNone, ConflateLast, ConflateMerge:
		default:
			bad(i, "conflate", "%q is neither %q nor %q", string(s.Conflate), ConflateLast, ConflateMerge)
		}
	}
	return ps
}

// Validate joins the problems of a normalized definition.
func (d Definition) Validate() error {
	var errs []error
	for _, p := range d.Problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

const nameRule = "1 to 64 lower-case letters, digits, - and _, beginning with a letter or a digit"

func validName(s string) bool {
	if len(s) < 1 || len(s) > NameMax {
		return false
	}
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_') {
			return false
		}
	}
	return true
}

func (d Definition) find(stage string) int {
	return slices.IndexFunc(d.Stages, func(s Stage) bool { return s.Name == stage })
}
