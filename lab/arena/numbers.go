package arena

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
)

// A Case is one trial by which a law is held to a number that it is to reach.
type Case struct {
	Row   string // of the table
	Name  string // load, service
	Trial limittest.Trial
	Start limittest.Start
	// Stretches are judged one by one, each against the oracle for it.
	Stretches []Stretch
	// P99 and Refusals say which of the two counts, besides goodput.
	P99, Refusals bool
	// Grid are the oracle's limits, as shares of the trial's workers.
	Grid []float64
}

// A Stretch is a part of a trial, and what is due in it.
type Stretch struct {
	Name     string
	From, To time.Duration
	// Mean and Worst are the least goodput that is due, over the oracle's: the mean
	// over all of the row, and in each run. 0 demands nothing.
	Mean, Worst float64
}

// numberGrid is the oracle's usual grid.
var numberGrid = []float64{0.5, 0.75, 1, 1.25, 1.5, 2, 3}

// A Sum is what a limiter came to in one stretch of one run.
type Sum struct {
	Offered, Good, Refused int
	P99                    time.Duration // of good requests from the first stretch on
}

func (c Case) sums(t limittest.Trial) []Sum {
	t.From = 0
	t.From = t.From.Add(c.Stretches[0].From)
	r := t.Run()
	p99 := r.P(0.99)
	var out []Sum
	for _, s := range c.Stretches {
		n := r.Between(s.From, s.To)
		out = append(out, Sum{n.Offered, n.Good, n.Refused, p99})
	}
	return out
}

// Run lets a law run a case.
func (c Case) Run(newLaw func() limit.Law, seed uint64) []Sum {
	t := c.Trial
	t.Seed = seed
	t.New = func() limit.Law { return c.Start.Lead(newLaw(), t) }
	return c.sums(t)
}

// Fixed runs a case under each limit of the grid: of each stretch, a sum for each
// limit, the smallest first.
func (c Case) Fixed(seed uint64) [][]Sum {
	out := make([][]Sum, len(c.Stretches))
	var done []int
	for _, share := range c.Grid {
		n := max(1, int(math.Round(share*float64(c.Trial.Workers))))
		if slices.Contains(done, n) {
			continue
		}
		done = append(done, n)
		t := c.Trial
		t.Seed = seed
		t.New = func() limit.Law { return limit.Fixed(float64(n)) }
		for i, s := range c.sums(t) {
			out[i] = append(out[i], s)
		}
	}
	return out
}

// mostGood is the index of the sum with the most good requests, the first of
// equals.
func mostGood(sums []Sum) int {
	best := 0
	for i, s := range sums {
		if s.Good > sums[best].Good {
			best = i
		}
	}
	return best
}

// A Ratio is a run's stretch beside the oracle's.
type Ratio struct{ Goodput, P99, Refused float64 }

func ratio(got, oracle Sum) Ratio {
	share := func(s Sum) float64 { return float64(s.Refused) / float64(max(1, s.Offered)) }
	return Ratio{
		Goodput: float64(got.Good) / float64(max(1, oracle.Good)),
		P99:     float64(got.P99) / float64(max(1, oracle.P99)),
		Refused: share(got) - share(oracle),
	}
}

// A Figure sums up the runs of a row's stretch, or of a case's.
type Figure struct {
	Runs        int
	Mean, Worst float64 // goodput over the oracle's
	P99         float64 // over the oracle's, geometric mean
	P99Worst    float64 // of the cases
	Refused     float64 // share, less the oracle's
	RefusedMost float64 // of the cases
}

// Sides are a law's figure, and that of the one fixed limit which is best on the
// mean of all seeds: it knows the plant, and not the seed's luck, as the oracle
// does. What it cannot reach, nobody can who keeps a limit.
type Sides struct{ Law, Told Figure }

func figure(ratios []Ratio) Figure {
	f := Figure{Runs: len(ratios), Worst: math.Inf(1)}
	for _, r := range ratios {
		f.Mean += r.Goodput / float64(len(ratios))
		f.Worst = min(f.Worst, r.Goodput)
		f.P99 += math.Log(max(r.P99, 1e-3)) / float64(len(ratios))
		f.Refused += r.Refused / float64(len(ratios))
	}
	f.P99 = math.Exp(f.P99)
	f.P99Worst, f.RefusedMost = f.P99, f.Refused
	return f
}

// total sums up the cases of a row.
func total(cases []Figure, p99, refusals []bool) Figure {
	f := Figure{Worst: math.Inf(1), RefusedMost: math.Inf(-1)}
	var logs, withP99, withRefusals float64
	for i, c := range cases {
		f.Runs += c.Runs
		f.Mean += c.Mean * float64(c.Runs)
		f.Worst = min(f.Worst, c.Worst)
		if p99[i] {
			logs += math.Log(c.P99)
			withP99++
			f.P99Worst = max(f.P99Worst, c.P99)
		}
		if refusals[i] {
			f.Refused += c.Refused
			withRefusals++
			f.RefusedMost = max(f.RefusedMost, c.Refused)
		}
	}
	f.Mean /= float64(max(1, f.Runs))
	if withP99 > 0 {
		f.P99 = math.Exp(logs / withP99)
	}
	if withRefusals > 0 {
		f.Refused /= withRefusals
	} else {
		f.RefusedMost = 0
	}
	return f
}

// A CaseResult is a case's figures, one for each stretch.
type CaseResult struct {
	Case
	Sides []Sides
}

// RunNumbers lets a law run cases, with seeds 0 to seeds-1. progress, unless nil,
// is told how many of the runs are done.
func RunNumbers(ctx context.Context, cases []Case, newLaw func() limit.Law, seeds int, progress func(done, of int)) ([]CaseResult, error) {
	type run struct {
		law   []Sum
		fixed [][]Sum
	}
	runs := make([]run, len(cases)*seeds)
	err := each(ctx, len(runs), progress, func(i int) {
		c, seed := cases[i/seeds], uint64(i%seeds)
		runs[i] = run{c.Run(newLaw, seed), c.Fixed(seed)}
	})
	if err != nil {
		return nil, err
	}
	var out []CaseResult
	for k, c := range cases {
		res := CaseResult{Case: c}
		own := runs[k*seeds : (k+1)*seeds]
		for s := range c.Stretches {
			var law []Sum
			var fixed [][]Sum
			for _, r := range own {
				law, fixed = append(law, r.law[s]), append(fixed, r.fixed[s])
			}
			res.Sides = append(res.Sides, Compare(law, fixed))
		}
		out = append(out, res)
	}
	return out, nil
}

// Compare sets a law's sums, one for each seed, beside those under each fixed
// limit.
func Compare(law []Sum, fixed [][]Sum) Sides {
	told, most := 0, -1
	for i := range fixed[0] {
		good := 0
		for _, seed := range fixed {
			good += seed[i].Good
		}
		if good > most {
			told, most = i, good
		}
	}
	var ours, best []Ratio
	for seed, sums := range fixed {
		oracle := sums[mostGood(sums)]
		ours = append(ours, ratio(law[seed], oracle))
		best = append(best, ratio(sums[told], oracle))
	}
	return Sides{figure(ours), figure(best)}
}

// A RowResult is what a law came to in one stretch of all cases of a row.
type RowResult struct {
	Row, Stretch        string
	DueMean, DueWorst   float64
	HasP99, HasRefusals bool
	Law, Told           Figure
}

// The dues that all rows share.
const (
	dueP99     = 1.25  // p99 of good requests over the oracle's
	dueRefused = 0.005 // refusals beyond the oracle's, as a share of what is offered
)

// Passes reports whether the law reaches what is due.
func (r RowResult) Passes() bool { return len(r.Misses()) == 0 }

// Misses says what the law does not reach.
func (r RowResult) Misses() (all []string) {
	for _, m := range []struct {
		missed bool
		what   string
	}{
		{r.Law.Mean < r.DueMean, "mean"},
		{r.Law.Worst < r.DueWorst, "worst"},
		{r.HasP99 && r.Law.P99Worst > dueP99, "p99"},
		{r.HasRefusals && r.Law.RefusedMost > dueRefused, "refused"},
	} {
		if m.missed {
			all = append(all, m.what)
		}
	}
	return all
}

// Rows sums up the results of cases by row and stretch, in their order.
func Rows(results []CaseResult) (rows []RowResult) {
	for len(results) > 0 {
		n := slices.IndexFunc(results, func(r CaseResult) bool { return r.Row != results[0].Row })
		if n < 0 {
			n = len(results)
		}
		for s, stretch := range results[0].Stretches {
			row := RowResult{Row: results[0].Row, Stretch: stretch.Name, DueMean: stretch.Mean, DueWorst: stretch.Worst}
			var law, told []Figure
			var p99, refusals []bool
			for _, r := range results[:n] {
				law, told = append(law, r.Sides[s].Law), append(told, r.Sides[s].Told)
				p99, refusals = append(p99, r.P99), append(refusals, r.Refusals)
			}
			row.HasP99, row.HasRefusals = slices.Contains(p99, true), slices.Contains(refusals, true)
			row.Law, row.Told = total(law, p99, refusals), total(told, p99, refusals)
			rows = append(rows, row)
		}
		results = results[n:]
	}
	return rows
}
