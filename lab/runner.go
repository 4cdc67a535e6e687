package lab

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A Simulator runs a system once. The answer depends on the system and the seed
// alone.
type Simulator func(ctx context.Context, s *System, seed uint64) (Measured, error)

// A Runner spreads replications over the machine's cores. Its zero value uses
// all of them. What it computes does not depend on how many there are: every
// replication is a world of its own, and verdicts look at whole batches.
type Runner struct {
	Simulate Simulator      // nil means [Simulate]
	Workers  int            // at once; 0 means one for each core
	Progress func(Progress) // told after every replication; nil for nobody

	once  sync.Once
	slots chan struct{}
	mu    sync.Mutex
	begun mono.Time
	done  int
	most  int
}

// Progress says how far a Runner is.
type Progress struct {
	Done int // replications
	Most int // most that there may be; verdicts that are certain early save some
	// Left is how long the rest takes if all of it is needed; negative: unknown.
	Left time.Duration
}

// Options choose what is run.
type Options struct {
	Seeds    int      // most replications; 0 means as the scenario says
	Variants []string // by name; empty means all
	// Early stops as soon as every verdict is certain. See [Looks].
	Early bool
}

// A Result is what a scenario turned out to be.
type Result struct {
	Scenario     *Scenario
	Variants     []string // those that were run, in the order of the file
	Most         int      // replications that might have been run
	Replications []Replication
	Judgements   []Judgement // of the expectations about these variants
}

// Passed reports whether every expectation holds.
func (r *Result) Passed() bool {
	for _, j := range r.Judgements {
		if j.Verdict != Holds {
			return false
		}
	}
	return true
}

// Looks are the numbers of replications after which verdicts are looked at when
// at most most may be run. A verdict is certain, and stops the run, if the
// interval of [CertainAt] confidence lies on one side at any look but the last;
// the last look asks for the usual [Holds95]. A wrong verdict is then made with
// a probability of at most 5 % + 0.1 % for each earlier look (Haybittle, 1971;
// Peto et al., 1976: repeated looks with one strict boundary).
func Looks(most int) []int {
	var looks []int
	for n := firstLook; n < most; n += max(2, n/2) {
		looks = append(looks, n)
	}
	return append(looks, most)
}

const (
	// CertainAt is the confidence of a verdict that stops a run early.
	CertainAt = 0.999
	firstLook = 5
)

func (r *Runner) start() {
	r.once.Do(func() {
		workers := r.Workers
		if workers <= 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		r.slots = make(chan struct{}, workers)
		r.begun = mono.Now()
		if r.Simulate == nil {
			r.Simulate = Simulate
		}
	})
}

// Run runs a scenario. Several may be run at once: they share the cores. It ends
// early with the context's cause, or with what kept a replication from ending.
func (r *Runner) Run(ctx context.Context, s *Scenario, opt Options) (*Result, error) {
	r.start()
	res := &Result{Scenario: s}
	var systems []*System
	for i := range s.Variants {
		v := &s.Variants[i]
		if wanted(opt.Variants, v.Name) {
			res.Variants = append(res.Variants, v.Name)
			systems = append(systems, &v.System)
		}
	}
	var expect []Expectation
	for _, e := range s.Expect {
		if about(e, res.Variants) {
			expect = append(expect, e)
		}
	}
	most := s.Run.Seeds
	if opt.Seeds > 0 {
		most = opt.Seeds
	}
	res.Most = most
	return res, r.replicate(ctx, res, systems, expect, most, opt.Early)
}

// replicate runs batches until the verdicts are certain or there are most.
func (r *Runner) replicate(ctx context.Context, res *Result, systems []*System, expect []Expectation, most int, early bool) error {
	w := res.Scenario.afterWarmup()
	r.expect(most * len(systems))
	looks := []int{most}
	if early && len(expect) > 0 {
		looks = Looks(most)
	}
	for _, n := range looks {
		if err := r.batch(ctx, res, systems, n); err != nil {
			return err
		}
		if n == most {
			break
		}
		res.Judgements = judgeAll(expect, res, w, CertainAt)
		if !unsure(res.Judgements) {
			r.expect((n - most) * len(systems))
			certain := res.Judgements
			res.Judgements = judgeAll(expect, res, w, Holds95) // narrower: the same verdicts
			for i := range certain {
				res.Judgements[i].Verdict = certain[i].Verdict
			}
			return nil
		}
	}
	res.Judgements = judgeAll(expect, res, w, Holds95)
	return nil
}

func judgeAll(expect []Expectation, res *Result, w Window, confidence float64) []Judgement {
	out := make([]Judgement, 0, len(expect))
	for _, e := range expect {
		out = append(out, judge(e, res.Variants, res.Replications, w, confidence))
	}
	return out
}

func unsure(js []Judgement) bool {
	for _, j := range js {
		if j.Verdict == Unsure {
			return true
		}
	}
	return false
}

// batch runs the replications that are missing up to n. Seeds count from 1.
func (r *Runner) batch(ctx context.Context, res *Result, systems []*System, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first := len(res.Replications)
	measured := make([][]Measured, n-first)
	var wg sync.WaitGroup
	for i := range measured {
		measured[i] = make([]Measured, len(systems))
		for v := range systems {
			select {
			case <-ctx.Done():
			case r.slots <- struct{}{}:
				wg.Go(func() {
					defer func() { <-r.slots }()
					m, err := r.Simulate(ctx, systems[v], uint64(first+i+1))
					if err != nil {
						cancel(err)
						return
					}
					measured[i][v] = m
					r.tick()
				})
			}
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range measured {
		rep := Replication{Seed: uint64(first + i + 1), Variants: map[string]Measured{}}
		for v, name := range res.Variants {
			rep.Variants[name] = measured[i][v]
		}
		res.Replications = append(res.Replications, rep)
	}
	return nil
}

// expect changes how many replications there may be.
func (r *Runner) expect(more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most += more
}

// tick counts one replication. Progress is told in order.
func (r *Runner) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.Progress == nil {
		return
	}
	p := Progress{Done: r.done, Most: r.most, Left: -1}
	if r.done >= 4 {
		p.Left = mono.Now().Sub(r.begun) / time.Duration(r.done) * time.Duration(max(0, r.most-r.done))
	}
	r.Progress(p)
}

func wanted(names []string, name string) bool {
	if slices.Contains(names, name) {
		return true
	}
	return len(names) == 0
}

// about reports whether an expectation names only variants that are run.
func about(e Expectation, variants []string) bool {
	for _, c := range e.Comparisons {
		for _, t := range []*Term{&c.Left, c.Of} {
			if t != nil && t.Variant != "" && !wanted(variants, t.Variant) {
				return false
			}
		}
	}
	return true
}
