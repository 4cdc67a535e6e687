package limittest

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
)

// A Score is how a law did in one stretch of one trial, beside the oracle.
type Score struct {
	Check, Case string
	From, To    time.Duration // the stretch
	Goodput     float64       // over the oracle's
	P99         float64       // of good requests from the trial's first stretch on, over the oracle's
	Refused     float64       // share of the requests, less the oracle's
	Limit       float64       // mean over the trial, over the oracle's
	Least       float64       // what the suite demands of Goodput
	good, best  int
}

// Passes reports whether the suite is content.
func (s Score) Passes() bool { return s.Goodput >= s.Least }

// Score lets a law run all trials of a check. newLaw must return a fresh law.
func (c Check) Score(newLaw func() limit.Law) (scores []Score) {
	for _, contest := range c.cases() {
		scores = append(scores, contest.run(c, newLaw)...)
	}
	return scores
}

// Run holds laws against one demand. newLaw must return a fresh law.
func (c Check) Run(newLaw func() limit.Law) (failures []Failure) {
	for _, s := range c.Score(newLaw) {
		if !s.Passes() {
			failures = append(failures, Failure{s.Check, s.Case, fmt.Sprintf(
				"%d good between %v and %v, %.3f of the oracle's %d; at least %.2f is due (mean limit %.1f of the oracle's)",
				s.good, s.From, s.To, s.Goodput, s.best, s.Least, s.Limit)})
		}
	}
	return failures
}

func (c *contest) run(check Check, newLaw func() limit.Law) (scores []Score) {
	trial := c.trial
	trial.Reports = check.reports
	trial.New = func() limit.Law { return c.start.Lead(newLaw(), trial) }
	got := trial.Run()
	p99 := got.P(0.99)
	for _, s := range c.judge {
		best, mine := c.oracle(s), summarise(got, s, p99)
		scores = append(scores, Score{
			Check: check.Name, Case: c.name, From: s.from, To: s.to, Least: s.least,
			Goodput: float64(mine.good) / float64(max(best.good, 1)),
			P99:     float64(mine.p99) / float64(max(best.p99, 1)),
			Refused: mine.refused - best.refused,
			Limit:   mine.limit / best.limit,
			good:    mine.good, best: best.good,
		})
	}
	return scores
}

// A summary is what is compared of a result.
type summary struct {
	good           int
	p99            time.Duration
	refused, limit float64
}

func summarise(r Result, s stretch, p99 time.Duration) summary {
	c := r.Between(s.from, s.to)
	return summary{c.Good, p99, float64(c.Refused) / float64(max(c.Offered, 1)), r.Limit}
}
