package arena

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/penstock-go/penstock/admission/limit/limittest"
)

// An Outcome is what came of one limiter on one plant with one seed.
type Outcome struct {
	// Windows are counts by when the client asked, limittest.WindowLength each.
	Windows []limittest.Counts
	// Good holds every good request: when it was asked, and how long it took.
	Good []Answer
}

// An Answer is one good request.
type Answer struct{ Asked, Took time.Duration }

// settleShare is the share of the oracle's goodput at which a limiter counts as
// settled, if it stays there for settleFor, looked at in steps of settleStep.
const (
	settleShare = 0.8
	settleFor   = 2 * time.Second
	settleStep  = 500 * time.Millisecond
)

// Judge makes the runs of a limiter's outcome, one for each of the plant's phases.
func (p Plant) Judge(limiter string, seed uint64, out Outcome) []Run {
	var runs []Run
	for _, phase := range p.Phases {
		run := p.judged(phase, limiter, seed, out.Windows)
		var took []time.Duration
		for _, a := range out.Good {
			if a.Asked >= phase.From && a.Asked < phase.To {
				took = append(took, a.Took)
			}
		}
		slices.Sort(took)
		run.P50, run.P99 = quantiles(took)
		runs = append(runs, run)
	}
	return runs
}

// judged is a run without latencies.
func (p Plant) judged(phase Phase, limiter string, seed uint64, windows []limittest.Counts) Run {
	run := p.counted(phase, limiter, seed, windows)
	run.Attainable = p.attainable(phase, seed).Good
	run.Settle = settle(windows, phase, perSecond(phase, run.Attainable))
	return run
}

func (p Plant) counted(phase Phase, limiter string, seed uint64, windows []limittest.Counts) Run {
	c := limittest.Result{Windows: windows}.Between(phase.From, phase.To)
	return Run{
		Plant: p.Name, Phase: phase.Name, Limiter: limiter, Seed: seed,
		Offered: c.Offered, Good: c.Good, Refused: c.Refused,
	}
}

func perSecond(phase Phase, good int) float64 {
	return float64(good) / (phase.To - phase.From).Seconds()
}

// quantiles are the median and the 99th percentile in milliseconds.
func quantiles(sorted []time.Duration) (p50, p99 float64) {
	r := limittest.Result{Latencies: sorted}
	ms := func(p float64) float64 { return round(r.P(p).Seconds()*1000, 3) }
	return ms(0.5), ms(0.99)
}

// settle is how long after phase.Since goodput is back, in seconds; negative if
// it is not within the phase.
func settle(windows []limittest.Counts, phase Phase, perSecond float64) float64 {
	res := limittest.Result{Windows: windows}
	due := settleShare * perSecond * settleStep.Seconds()
	for at := phase.Since; at+settleFor <= phase.To || at == phase.Since; at += limittest.WindowLength {
		good := true
		for t := at; t < min(at+settleFor, phase.To) && good; t += settleStep {
			good = float64(res.Between(t, t+settleStep).Good) >= due
		}
		if good {
			return round((at - phase.Since).Seconds(), 3)
		}
	}
	return -1
}

func round(v float64, digits int) float64 {
	power := math.Pow(10, float64(digits))
	return math.Round(v*power) / power
}

// cut is the plant's trial up to the end of a phase, counting from its start. As
// every draw comes in order, what happens in it is what happens in the whole.
func (p Plant) cut(phase Phase, seed uint64) limittest.Trial {
	t := p.Trial
	t.Seed, t.From, t.Load = seed, 0, nil
	t.From = t.From.Add(phase.From)
	left := phase.To + t.Deadline // whoever waits at the end has the same company
	for _, l := range p.Trial.Load {
		l.For = min(l.For, left)
		left -= l.For
		if l.For > 0 {
			t.Load = append(t.Load, l)
		}
	}
	return t
}

// attainable is what the oracle comes to in a phase.
func (p Plant) attainable(phase Phase, seed uint64) Run {
	key := oracleKey{p.Name, phase.Name, seed}
	once, _ := oracles.LoadOrStore(key, sync.OnceValue(func() Run {
		r := limittest.Oracle(p.cut(phase, seed), phase.From, phase.To)
		run := p.counted(phase, OracleName, seed, r.Windows)
		run.Attainable = run.Good
		run.P50, run.P99 = quantiles(r.Latencies)
		run.Settle = settle(r.Windows, phase, perSecond(phase, run.Good))
		return run
	}))
	return once.(func() Run)()
}

// oracles remembers what was attainable, by oracleKey: a func() Run. There are as
// many as plants, phases and seeds.
var oracles sync.Map

type oracleKey struct {
	plant, phase string
	seed         uint64
}

// OracleName is the oracle's name in the tables.
const OracleName = "oracle"

// curveStep is the step of curves.
const curveStep = 500 * time.Millisecond

// MeanCurve makes a plant's curve of the windows of all seeds.
func (p Plant) MeanCurve(limiter string, seeds [][]limittest.Counts) Curve {
	c := Curve{Plant: p.Name, Limiter: limiter, Step: curveStep.Seconds()}
	for at := time.Duration(0); at < p.Trial.Length(); at += curveStep {
		sum := 0
		for _, windows := range seeds {
			sum += limittest.Result{Windows: windows}.Between(at, at+curveStep).Good
		}
		c.Good = append(c.Good, round(float64(sum)/curveStep.Seconds()/float64(max(1, len(seeds))), 1))
	}
	return c
}
