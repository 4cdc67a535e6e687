package lab

import (
	"strings"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/config"
)

// Scope says whose a metric is.
type Scope uint16

// The scopes. A term without parentheses is about the whole system: what all
// sources see, or the sum over all stages.
const (
	OfSources     = Scope(aSource)
	OfStages      = Scope(aStage)
	OfCaches      = Scope(aCache)
	OfLines       = Scope(aLine)
	OfStations    = Scope(aStation)
	OfBottlenecks = Scope(aBottleneck)
	OfReservoirs  = Scope(aReservoir)
	OfAll         = Scope(1 << 15) // may name none

	ofWorkers = OfStages | OfStations
	ofPlaces  = ofWorkers | OfLines | OfBottlenecks
	ofCallees = OfStages | OfCaches | OfLines
)

// kinds are the kinds of parts of a scope.
func (s Scope) kinds() partKind { return partKind(s) }

// String lists the kinds of parts.
func (s Scope) String() string {
	var names []string
	for k := aSource; k <= aReservoir && k > 0; k <<= 1 {
		if s.kinds()&k != 0 {
			names = append(names, "a "+partNames[k])
		}
	}
	if s&OfAll != 0 {
		names = append(names, "nothing")
	}
	return config.Alternatives(names...)
}

// A Metric is something that a run measures.
type Metric struct {
	Name      string
	Dimension Dimension
	Scope     Scope
	About     string // without a full stop
	// Whole is true for what has no value in a part of a run: it cannot have a
	// window.
	Whole bool
}

// Metrics are all that expectations may name.
var Metrics = append([]Metric{
	{"offered", Rate, OfSources | ofCallees | OfAll, "attempts, retries and refreshes among them; of a stage: all that reach it", false},
	{"first_offered", Rate, OfSources | OfAll, "first attempts: what users ask for, without retries and refreshes", false},
	{"amplification", Number, OfSources | OfAll, "offered over first_offered: 1 without retries", false},
	{"goodput", Rate, OfSources | ofPlaces | OfCaches | OfAll, "work finished within its deadline, counted when it finishes; of a bottleneck: packets delivered for the first time", false},
	{"late", Rate, OfSources | OfStages | OfAll, "attempts whose caller stopped waiting before the answer", false},
	{"failed", Rate, OfSources | OfStages | OfAll, "attempts that died with the process, or with what they needed", false},
	{"refused", Rate, OfSources | ofCallees | OfAll, "attempts answered with a refusal, whatever the reason", false},
	{"satisfied", Share, OfSources | OfAll, "requests that got a good answer in the end, after all retries, of those that ended", false},
	{"wasted", Rate, OfStages | OfAll, "services that ended for a caller that had left", false},
	{"p50", Time, OfSources | ofCallees | OfAll, "median time from asking to a good answer, retries included; of a stage: from arriving there", false},
	{"p90", Time, OfSources | ofCallees | OfAll, "90th percentile of the time from asking to a good answer", false},
	{"p99", Time, OfSources | ofCallees | OfAll, "99th percentile of the time from asking to a good answer", false},
	{"delay", Time, ofPlaces, "mean time that work waited before its service began, in the waiting room and the queue", false},
	{"queue", Number, ofPlaces | OfAll, "mean number waiting", false},
	{"queue_max", Number, ofPlaces, "most waiting at once", false},
	{"in_flight", Number, OfSources | ofPlaces | OfCaches | OfAll, "mean number inside, waiting or in service; of sources: attempts without an answer yet", false},
	{"limit", Number, OfStages, "mean concurrency limit that admission gives, over all machines", false},
	{"level", Share, OfStages, "mean pressure level that the stage tells its callers", false},
	{"utilisation", Share, ofWorkers, "share of the servers' time in which they are not free: busy or blocked", false},
	{"busy", Share, ofWorkers, "share of the servers' time spent serving", false},
	{"blocked", Share, ofWorkers, "share spent holding work that what follows does not take or answer", false},
	{"starved", Share, ofWorkers, "share without work while what comes before holds some", false},
	{"idle", Share, ofWorkers, "share without work because there is none", false},
	{"down", Share, OfStages, "share in which the process is dead or restarting", false},
	{"deaths", Number, OfStages | OfAll, "processes that died, were killed, or ran out of memory", true},
	{"recovery", Time, OfSources | OfAll, "time from the last disturbance (the end of an event, a change of a rate) until the share of good answers is 90% of what it was before the first, and stays so; the rest of the run where it never does", true},
	{"felt", Time, ofPlaces, "time from the first disturbance until the part refuses, is blocked, or tells a level of 0.8; the rest of the run where it never does", true},
	{"fairness", Share, OfBottlenecks | OfAll, "Jain's index of what the flows, or the sources, get: 100% is equal shares", true},
	{"hit_rate", Share, OfCaches, "what is answered from memory", false},
	{"duplicates", Rate, OfBottlenecks, "packets delivered that were delivered before", false},
	{"spilled", Rate, OfReservoirs, "water that goes over the crest, per second", false},
	{"held", Number, OfReservoirs, "mean water held", false},
}, refusedMetrics()...)

// refusedMetrics are the refusals by reason and by criticality, one metric each.
func refusedMetrics() []Metric {
	var out []Metric
	for r := penstock.ReasonLimit; r < penstock.Reasons; r++ {
		out = append(out, Metric{
			Name: refusedPrefix + r.String(), Dimension: Rate, Scope: OfSources | OfStages | OfAll,
			About: "attempts refused for the reason " + r.String(),
		})
	}
	for _, name := range criticalityNames {
		out = append(out, Metric{
			Name: refusedPrefix + name, Dimension: Rate, Scope: OfSources | OfStages | OfAll,
			About: "attempts refused of work that is " + name,
		})
	}
	return out
}

const refusedPrefix = "refused_"

// MetricNamed finds a metric.
func MetricNamed(name string) (Metric, bool) {
	for _, m := range Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

func metricNames() []string {
	var names []string
	for _, m := range Metrics {
		if !strings.HasPrefix(m.Name, refusedPrefix) {
			names = append(names, m.Name)
		}
	}
	return names
}

// A Probe asks for one value of a run.
type Probe struct {
	Metric string
	Of     string // the part; empty: the whole system
	Window Window
}

// Measured is what a run has measured.
type Measured interface {
	// Measure returns the value in the unit of the metric's dimension. What there
	// was nothing to measure of (a percentile of no answers) is not a number.
	Measure(p Probe) float64
	// Stopped says why the run ended before its time; empty if it did not.
	Stopped() string
}
