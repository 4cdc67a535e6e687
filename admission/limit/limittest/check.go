package limittest

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// A Check is one demand on a law.
type Check struct {
	Name  string
	cases func() []*contest
}

// A Failure is a demand that a law did not meet.
type Failure struct {
	Check string // its name
	Case  string // on which plant, under which load
	Got   string
}

func (f Failure) String() string { return f.Check + ", " + f.Case + ": " + f.Got }

// A contest is one trial of a law, judged against the oracle on the requests
// asked within some windows.
type contest struct {
	name  string
	trial Trial
	judge []stretch
	sink  bool // the law has seen nothing but losses before the trial begins

	oracle func(stretch) Counts
}

// A stretch of a trial, and the least share of the oracle's goodput in it.
type stretch struct {
	from, to time.Duration
	least    float64
}

// Checks returns all the demands. Each contest's oracle is computed once, when
// first needed.
func Checks() []Check { return checks() }

var checks = sync.OnceValue(func() []Check {
	seeds := 1
	if full() {
		seeds = 10
	}
	return []Check{
		{"steady", sync.OnceValue(func() []*contest { return steady(seeds) })},
		{"sizes", sync.OnceValue(func() []*contest { return sizes(seeds) })},
		{"steps", sync.OnceValue(func() []*contest { return steps(seeds) })},
		{"timeouts", sync.OnceValue(func() []*contest { return timeouts(seeds) })},
		{"lull", sync.OnceValue(func() []*contest { return lull(seeds) })},
		{"floor", sync.OnceValue(func() []*contest { return floor(seeds) })},
	}
})

// FullEnv is the environment variable that, set to 1, makes the checks run at
// full size: ten seeds instead of one, and a finer oracle. It takes minutes.
const FullEnv = "PENSTOCK_FULL"

func full() bool {
	on, err := strconv.ParseBool(os.Getenv(FullEnv))
	return err == nil && on
}

// Run holds laws against one demand. newLaw must return a fresh law.
func (c Check) Run(newLaw func() limit.Law) (failures []Failure) {
	for _, contest := range c.cases() {
		failures = append(failures, contest.run(c.Name, newLaw)...)
	}
	return failures
}

// Suite runs every [Check] as a subtest.
func Suite(t *testing.T, newLaw func() limit.Law) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			for _, f := range c.Run(newLaw) {
				t.Error(f)
			}
		})
	}
}

func (c *contest) run(check string, newLaw func() limit.Law) (failures []Failure) {
	trial := c.trial
	trial.New = newLaw
	if c.sink {
		trial.New = func() limit.Law { return sunk(newLaw()) }
	}
	got := trial.Run()
	for _, s := range c.judge {
		best, good := c.oracle(s).Good, got.Between(s.from, s.to).Good
		if share := float64(good) / float64(max(best, 1)); share < s.least {
			failures = append(failures, Failure{check, c.name, fmt.Sprintf(
				"%d good between %v and %v, %.3f of the oracle's %d; at least %.2f is due (limit at the end %.1f)",
				good, s.from, s.to, share, best, s.least, got.Limits[len(got.Limits)-1])})
		}
	}
	return failures
}

// sunk shows a law nothing but losses, until just before the trial.
func sunk(law limit.Law) limit.Law {
	starter, _ := law.(limit.Starter)
	stepper, _ := law.(limit.Stepper)
	const each = 100 * time.Millisecond
	for now := mono.Time(-60 * time.Second); now < 0; now = now.Add(each) {
		inFlight := max(1, int(law.Limit()))
		for k := 1; k <= inFlight; k++ {
			if starter != nil {
				starter.Start(now, k)
			}
		}
		for k := 1; k <= inFlight; k++ {
			law.Observe(now.Add(each-1), limit.Sample{
				Started: now, InFlightAtStart: k, Outcome: penstock.Dropped, Late: true, Cost: 1, Budget: each - 1,
			})
		}
		if stepper != nil {
			stepper.Step(now.Add(each - 1))
		}
	}
	return law
}

// contests makes one contest per seed and service law.
func contests(seeds int, name string, t Trial, sink bool, judge ...stretch) (all []*contest) {
	for _, law := range []struct {
		name string
		law  sim.ServiceLaw
	}{{"constant", sim.Constant(serviceMean)}, {"exponential", sim.Exponential(serviceMean)}} {
		for seed := range seeds {
			t := t
			t.Service, t.Deadline, t.Seed = law.law, clientDeadline, uint64(seed)
			c := &contest{name: fmt.Sprintf("%s, %s service, seed %d", name, law.name, seed), trial: t, judge: judge, sink: sink}
			var once sync.Mutex
			best := map[stretch]Counts{}
			c.oracle = func(s stretch) Counts {
				once.Lock()
				defer once.Unlock()
				counts, known := best[s]
				if !known {
					counts = Oracle(c.trial, s.from, s.to).Between(s.from, s.to)
					best[s] = counts
				}
				return counts
			}
			all = append(all, c)
		}
	}
	return all
}

const (
	serviceMean    = 10 * time.Millisecond
	clientDeadline = 100 * time.Millisecond
)
