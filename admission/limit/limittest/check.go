package limittest

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// A Check is one demand on a law.
type Check struct {
	Name    string
	cases   func() []*contest
	reports bool
}

// Reporting returns the check with callees that report by how much others held each
// request up, for laws that need it ([limit.Delay]): see [Trial.Reports]. The oracle
// is the same.
func (c Check) Reporting() Check {
	c.reports = true
	return c
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
	start Start

	once    sync.Once
	oracles []Result // under each limit of the grid
	p99s    []time.Duration
}

// A stretch of a trial, and the least share of the oracle's goodput in it.
type stretch struct {
	from, to time.Duration
	least    float64
}

// oracle is the best run of the grid in a stretch. The runs are made once, when
// first needed, and keep no latencies.
func (c *contest) oracle(s stretch) summary {
	c.once.Do(func() {
		c.oracles = oracles(c.trial)
		for i := range c.oracles {
			c.p99s = append(c.p99s, c.oracles[i].P(0.99))
			c.oracles[i].Latencies = nil
		}
	})
	i := best(c.oracles, s.from, s.to)
	return summarise(c.oracles[i], s, c.p99s[i])
}

// Checks returns all the demands. Each contest's oracle is computed once, when
// first needed.
func Checks() []Check { return checks() }

var checks = sync.OnceValue(func() (all []Check) {
	for _, d := range []struct {
		name  string
		cases func() []*contest
	}{
		{"steady", steady},
		{"sizes", sizes},
		{"plants", plants},
		{"scales", scales},
		{"starts", starts},
		{"steps", steps},
		{"bursts", bursts},
		{"lull", lull},
		{"timeouts", timeouts},
		{"incident", incident},
		{"floor", floor},
		{"soak", soak},
	} {
		all = append(all, Check{Name: d.name, cases: sync.OnceValue(d.cases)})
	}
	return all
})

// FullEnv is the environment variable that, set to 1, makes the checks run at
// full size: all plants, service laws and loads, several seeds, a finer oracle.
// A law takes some minutes, and the oracle as many.
const FullEnv = "PENSTOCK_FULL"

func full() bool {
	on, err := strconv.ParseBool(os.Getenv(FullEnv))
	return err == nil && on
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

// A demand is contests that differ in service law and seed.
type demand struct {
	name     string
	trial    Trial
	start    Start
	mean     time.Duration // of service; 0 means 10 ms
	services int           // how many of the service laws, at full size; 0 means the first two
	only     int           // 1 + the service law to take where not at full size; 0 means as many as services
	judge    []stretch
}

const (
	serviceMean = 10 * time.Millisecond
	patience    = 10 // clients wait for so many mean service times
	fullSeeds   = 3
	fewServices = 2
)

func (d demand) contests() (all []*contest) {
	mean, seeds := d.mean, 1
	if mean == 0 {
		mean = serviceMean
	}
	laws := services(float64(mean))
	switch {
	case full():
		seeds = fullSeeds
		laws = laws[:max(d.services, fewServices)]
	case d.only > 0:
		laws = laws[d.only-1 : d.only]
	default:
		laws = laws[:fewServices]
	}
	for _, law := range laws {
		for seed := range seeds {
			t := d.trial
			t.Service, t.Deadline, t.Seed = law.law, patience*mean, uint64(seed)
			t.From = mono.Time(d.judge[0].from)
			all = append(all, &contest{
				name:  fmt.Sprintf("%s, %s service, seed %d", d.name, law.name, seed),
				trial: t, judge: d.judge, start: d.start,
			})
		}
	}
	return all
}
