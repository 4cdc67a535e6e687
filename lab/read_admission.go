package lab

import (
	"fmt"
	"math"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/sim"
)

// The ranges of admission's keys: those of a gateway's routes.
const (
	maxLimit         = 1_000_000
	minWait, maxWait = time.Millisecond, time.Hour
	maxBurst         = 1_000_000
	minRate, maxRate = 0.001, 10_000_000
	burstPerSecond   = 0.1 // where rate names no burst: a tenth of a second's worth
)

// An admissionSpec is admission as a file writes it: the keys of a gateway's
// route.
type admissionSpec struct {
	sim.Admit
	deadline    time.Duration
	law         string
	max         int
	rate        sim.RateLimit
	criticality penstock.Criticality
}

var limitKeys = table[admissionSpec]{
	{
		"law", "how the limit of each machine is found: auto finds it, fixed is max, the others are published laws, for comparison", "auto",
		word(func(a *admissionSpec) *string { return &a.law }, limit.Names()...),
	},
	{
		"max", "most slots of each machine", "no bound; law fixed needs it",
		integer(func(a *admissionSpec) *int { return &a.max }, 1, maxLimit),
	},
}

var roomKeys = table[admissionSpec]{
	{"for", "longest wait", "auto: found from the service time", orWord("auto", func(*admissionSpec) {},
		orWord("none", func(a *admissionSpec) { a.WaitFor = -1 },
			duration(func(a *admissionSpec) *time.Duration { return &a.WaitFor }, minWait, maxWait)))},
	{"order", "order of service", "auto", word2(func(a *admissionSpec, name string) {
		a.CoDel = name == "codel"
		a.Order = map[string]queue.Order{"codel": queue.FIFO, "fifo": queue.FIFO, "lifo": queue.LIFO, "fair": queue.Fair}[name]
	}, "auto", "fifo", "lifo", "fair", "codel")},
}

// word2 reads one of some names through a function.
func word2[T any](set func(*T, string), names ...string) form[T] {
	f := word(func(*T) *string { return new(string) }, names...)
	f.read = func(v value, into *T) {
		if i := v.place.Enum(-1, names...); i >= 0 {
			set(into, names[i])
		}
	}
	return f
}

var rateKeys = table[sim.RateLimit]{
	{"per", "sustained rate", "", perSecond(func(r *sim.RateLimit) *float64 { return &r.PerSecond }, minRate, maxRate)},
	{
		"burst", "most at once after a pause", "a tenth of a second's worth",
		integer(func(r *sim.RateLimit) *int { return &r.Burst }, 1, maxBurst),
	},
}

var admissionKeys = table[admissionSpec]{
	{
		"limit", "how much may be in service: auto finds it for each machine, a number caps all that is inside, waiting included, none leaves the rate limit alone", "auto",
		either(orWord("auto", func(a *admissionSpec) { a.law = "auto" }, orWord("none", func(a *admissionSpec) { a.law = "none" }, integer(func(a *admissionSpec) *int { return &a.Cap }, 1, maxLimit))),
			form[admissionSpec]{"a mapping of law and max", limitKeys.jsonSchema(), readLaw}),
	},
	{
		"waiting_room", "how long work may wait, and in which order it is served", "auto",
		mappingOf(func(a *admissionSpec) *admissionSpec { return a }, roomKeys),
	},
	{"deadline", "given to work that brings none", "none", orWord("none", func(*admissionSpec) {},
		duration(func(a *admissionSpec) *time.Duration { return &a.deadline }, minTime, maxTime))},
	{
		"rate", "a rate limit in front", "none",
		either(perSecond(func(a *admissionSpec) *float64 { return &a.rate.PerSecond }, minRate, maxRate),
			mappingOf(func(a *admissionSpec) *sim.RateLimit { return &a.rate }, rateKeys)),
	},
	{
		"criticality", "of work that brings none", "critical",
		criticality(func(a *admissionSpec) *penstock.Criticality { return &a.criticality }),
	},
	{
		"inside", "a controller inside each machine, in place of one in front of all", "false",
		boolean(func(a *admissionSpec) *bool { return &a.Inside }),
	},
	{"observe", "refuse nothing", "false", boolean(func(a *admissionSpec) *bool { return &a.Observe })},
}

// readLaw reads the long form of limit.
func readLaw(v value, a *admissionSpec) {
	limitKeys.read(v, a)
	get := v.fields(limitKeys.names()...)
	if a.law == "fixed" && a.max == 0 && !get("max").present() {
		get("max").place.Bad("missing", fmt.Sprintf("the number of slots, from 1 to %d, for law fixed", maxLimit))
	}
}

// admissionOf reads admission for a stage.
func admissionForm(at func(*stageSpec) *admissionSpec) form[stageSpec] {
	return form[stageSpec]{
		"a mapping such as {limit: auto}, or {}", admissionKeys.jsonSchema(),
		func(v value, s *stageSpec) {
			a := at(s)
			admissionKeys.read(v, a)
			s.admitted = true
			a.Law = limit.Named(a.law, float64(a.max))
			if a.rate.PerSecond > 0 && a.rate.Burst == 0 {
				a.rate.Burst = max(1, int(math.Ceil(min(maxBurst, a.rate.PerSecond*burstPerSecond))))
			}
		},
	}
}
