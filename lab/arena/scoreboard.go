package arena

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Scoreboard is everybody on every plant, over the seeds.
type Scoreboard struct {
	// Source says where the runs of real code are from; empty if there are none.
	Source string `json:"source,omitempty"`
	Seeds  int    `json:"seeds"` // of the virtual runs
	// LiveSeeds is how often those of real code were repeated.
	LiveSeeds int       `json:"live_seeds,omitempty"`
	Limiters  []Limiter `json:"limiters"`
	Overall   []Overall `json:"overall"`
	Tables    []Table   `json:"tables"`
	Losses    []Loss    `json:"losses"`
	Curves    []Curve   `json:"curves"`
}

// A Table is one phase of one plant.
type Table struct {
	Plant string `json:"plant"`
	About string `json:"about"`
	Phase string `json:"phase"`
	Rows  []Row  `json:"rows"`
}

// A Row is one limiter in one phase of one plant.
type Row struct {
	Limiter string  `json:"limiter"`
	Kind    Kind    `json:"kind"`
	Seeds   int     `json:"seeds"`
	Score   float64 `json:"score"`       // goodput / attainable, mean of the seeds
	Worst   float64 `json:"worst_seed"`  // the same of the worst seed
	P50     float64 `json:"p50_ms"`      // means of the seeds that have any good requests
	P99     float64 `json:"p99_ms"`      //
	Refused float64 `json:"refused"`     // share of what was offered
	Late    float64 `json:"late"`        // the same: neither good nor refused, work for nobody
	Settle  float64 `json:"settle_s"`    // mean of the seeds that settle; negative if none does
	Never   int     `json:"unsettled"`   // seeds that do not settle within the phase
	Has     bool    `json:"has_latency"` // whether any request was good
}

// Overall is one limiter over all phases.
type Overall struct {
	Limiter string  `json:"limiter"`
	Kind    Kind    `json:"kind"`
	Phases  int     `json:"phases"`
	Score   float64 `json:"score"`      // mean of the phases' means
	Worst   float64 `json:"worst_seed"` // of all phases
	Low     int     `json:"phases_below_95"`
	// P99 is the geometric mean, over the phases with a score of at least 0.9, of
	// p99 over the oracle's; 0 if there are none.
	P99 float64 `json:"p99_over_oracle"`
}

// A Loss is a measure on which somebody beats the default law.
type Loss struct {
	Plant   string  `json:"plant"`
	Phase   string  `json:"phase"`
	Measure string  `json:"measure"`
	Ours    float64 `json:"ours"`
	Theirs  float64 `json:"theirs"`
	Limiter string  `json:"limiter"`
	Kind    Kind    `json:"kind"`
}

// OursName is the name of the default law's runs as real code.
const OursName = "penstock"

// NewScoreboard merges virtual runs with those of real code, which may be nil.
func NewScoreboard(plants []Plant, virtual, live *Results) *Scoreboard {
	s := &Scoreboard{Limiters: slices.Clone(virtual.Limiters), Curves: slices.Clone(virtual.Curves)}
	runs := slices.Clone(virtual.Runs)
	s.Seeds = seedsOf(virtual.Runs)
	if live != nil {
		s.Source = fmt.Sprintf("%s, %s, by %s", live.Date, live.Go, live.Command)
		s.Limiters = merge(virtual.Limiters, live.Limiters)
		s.Curves = append(s.Curves, live.Curves...)
		s.LiveSeeds = seedsOf(live.Runs)
		runs = append(runs, live.Runs...)
	}
	type key struct{ plant, phase, limiter string }
	by := map[key][]Run{}
	for _, r := range runs {
		k := key{r.Plant, r.Phase, r.Limiter}
		by[k] = append(by[k], r)
	}
	for _, p := range plants {
		for _, phase := range p.Phases {
			t := Table{Plant: p.Name, About: p.About, Phase: phase.Name}
			for _, l := range s.Limiters {
				if rs := by[key{p.Name, phase.Name, l.Name}]; len(rs) > 0 {
					t.Rows = append(t.Rows, summarize(l, rs))
				}
			}
			s.Tables = append(s.Tables, t)
			s.Losses = append(s.Losses, t.losses()...)
		}
	}
	for _, l := range s.Limiters {
		if o := s.overall(l); o.Phases > 0 {
			s.Overall = append(s.Overall, o)
		}
	}
	return s
}

// seedsOf counts the different seeds of runs.
func seedsOf(runs []Run) int {
	seen := map[uint64]bool{}
	for _, r := range runs {
		seen[r.Seed] = true
	}
	return len(seen)
}

// merge puts the oracle first, then what is ours, then the others.
func merge(virtual, live []Limiter) []Limiter {
	all := slices.Concat(virtual[:1], live, virtual[1:])
	rank := func(l Limiter) int {
		switch {
		case l.Name == OracleName:
			return 0
		case strings.HasPrefix(l.Name, "penstock"):
			return 1
		case l.Kind == Peer:
			return 2
		case l.Kind == Told:
			return 3
		}
		return 4
	}
	slices.SortStableFunc(all, func(a, b Limiter) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

func summarize(l Limiter, runs []Run) Row {
	row := Row{Limiter: l.Name, Kind: l.Kind, Seeds: len(runs), Worst: math.Inf(1), Settle: -1}
	n, withGood, settled, settle := float64(len(runs)), 0.0, 0.0, 0.0
	for _, r := range runs {
		row.Score += r.Score() / n
		row.Worst = min(row.Worst, r.Score())
		row.Refused += share(r.Refused, r.Offered) / n
		row.Late += share(r.Offered-r.Good-r.Refused, r.Offered) / n
		if r.Good > 0 {
			withGood++
			row.P50 += r.P50
			row.P99 += r.P99
		}
		if r.Settle >= 0 {
			settled++
			settle += r.Settle
		}
	}
	row.Has, row.Never = withGood > 0, len(runs)-int(settled)
	row.P50, row.P99 = round(row.P50/max(1, withGood), 2), round(row.P99/max(1, withGood), 2)
	if settled > 0 {
		row.Settle = round(settle/settled, 2)
	}
	row.Score, row.Worst = round(row.Score, 4), round(row.Worst, 4)
	row.Refused, row.Late = round(row.Refused, 4), round(row.Late, 4)
	return row
}

func (t Table) row(limiter string) (Row, bool) {
	for _, r := range t.Rows {
		if r.Limiter == limiter {
			return r, true
		}
	}
	return Row{}, false
}

// What counts as a loss: the least difference in each measure. Latency and
// refusals count only against somebody who keeps as much goodput.
const (
	lossScore   = 0.01
	lossWorst   = 0.02
	lossLatency = 0.1 // share
	lossRefused = 0.005
	lossSettle  = 0.25 // seconds
)

// losses compares the default law with everybody else's, and names for each
// measure the best of those who find their limit and of those who are told it.
func (t Table) losses() []Loss {
	us, ok := t.row(OursName)
	if !ok {
		return nil
	}
	var out []Loss
	for _, m := range measures {
		for _, kind := range []Kind{Peer, Told} {
			best, found := Row{}, false
			for _, r := range t.Rows {
				if r.Kind == kind && !strings.HasPrefix(r.Limiter, OursName) && m.beats(r, us) && (!found || m.of(r)*m.sign > m.of(best)*m.sign) {
					best, found = r, true
				}
			}
			if found {
				out = append(out, Loss{t.Plant, t.Phase, m.name, m.of(us), m.of(best), best.Limiter, kind})
			}
		}
	}
	return out
}

// A measure of a row; sign is 1 where more is better.
type measure struct {
	name  string
	sign  float64
	of    func(Row) float64
	beats func(they, we Row) bool
}

var measures = []measure{
	{"goodput", 1, func(r Row) float64 { return r.Score }, func(they, we Row) bool { return they.Score > we.Score+lossScore }},
	{"goodput, worst seed", 1, func(r Row) float64 { return r.Worst }, func(they, we Row) bool { return they.Worst > we.Worst+lossWorst }},
	{"p99, ms", -1, func(r Row) float64 { return r.P99 }, func(they, we Row) bool {
		return asGood(they, we) && they.Has && we.Has && they.P99 < we.P99*(1-lossLatency)
	}},
	{"refused", -1, func(r Row) float64 { return r.Refused }, func(they, we Row) bool {
		return asGood(they, we) && they.Refused < we.Refused-lossRefused && they.Late < we.Late+lossRefused
	}},
	{"settles, s", -1, func(r Row) float64 { return r.Settle }, func(they, we Row) bool {
		return asGood(they, we) && they.Never == 0 && (we.Never > 0 || they.Settle < we.Settle-lossSettle)
	}},
}

// asGood: they keep as much goodput, so that the rest can be compared.
func asGood(they, we Row) bool { return they.Score >= we.Score-lossScore }

// enough is the score below which latency says nothing.
const enough = 0.9

func (s *Scoreboard) overall(l Limiter) Overall {
	o := Overall{Limiter: l.Name, Kind: l.Kind, Worst: math.Inf(1)}
	logs, n := 0.0, 0.0
	for _, t := range s.Tables {
		r, ok := t.row(l.Name)
		if !ok {
			continue
		}
		o.Phases++
		o.Score += r.Score
		o.Worst = min(o.Worst, r.Worst)
		if r.Score < 0.95 {
			o.Low++
		}
		if best, ok := t.row(OracleName); ok && r.Score >= enough && r.P99 > 0 && best.P99 > 0 {
			logs += math.Log(r.P99 / best.P99)
			n++
		}
	}
	o.Score = round(o.Score/float64(max(1, o.Phases)), 4)
	if n > 0 {
		o.P99 = round(math.Exp(logs/n), 3)
	}
	return o
}
