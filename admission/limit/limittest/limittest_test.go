package limittest_test

import (
	"math"
	"testing"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/mono"
)

func TestDefault(t *testing.T) {
	skipUnderRace(t)
	limittest.Suite(t, limit.Default)
}

func skipUnderRace(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("a single-threaded simulation has no races, and takes long under the race detector: go test without -race runs it")
	}
}

// A whole law is a law with all that it may have.
type whole interface {
	limit.Law
	limit.Starter
	limit.Stepper
}

func newDefault() whole { return limit.Default().(whole) }

// always answers the same, whatever it has learned.
type always struct {
	whole

	slots float64
}

func (a always) Limit() float64 { return a.slots }

// frozen stops learning after so many samples.
type frozen struct {
	whole

	after int
}

func (f *frozen) Observe(now mono.Time, s limit.Sample) {
	if f.after > 0 {
		f.after--
		f.whole.Observe(now, s)
	}
}

func (f *frozen) Start(now mono.Time, inFlight int) {
	if f.after > 0 {
		f.whole.Start(now, inFlight)
	}
}

func (f *frozen) Step(now mono.Time) {
	if f.after > 0 {
		f.whole.Step(now)
	}
}

func (f *frozen) Next() (mono.Time, bool) {
	if f.after == 0 {
		return 0, false
	}
	return f.whole.Next()
}

// shy halves its limit for ever with every fiftieth unit that comes alone.
type shy struct {
	whole

	most  float64
	alone int
}

func (s *shy) Limit() float64 { return min(s.most, s.whole.Limit()) }

func (s *shy) Start(now mono.Time, inFlight int) {
	if inFlight == 1 {
		if s.alone++; s.alone%50 == 0 {
			s.most = max(1, s.most/2)
		}
	}
	s.whole.Start(now, inFlight)
}

// stuck stays at 1 once its limit was there.
type stuck struct {
	whole

	down bool
}

func (s *stuck) Limit() float64 {
	if s.down = s.down || s.whole.Limit() < 1.5; s.down {
		return 1
	}
	return s.whole.Limit()
}

// creeping is a twentieth above its law, and a twentieth more every 200 samples.
type creeping struct {
	whole

	samples float64
}

func (c *creeping) Limit() float64 { return c.whole.Limit() * math.Pow(1.05, 1+c.samples/200) }

func (c *creeping) Observe(now mono.Time, s limit.Sample) {
	c.samples++
	c.whole.Observe(now, s)
}

// mutants are laws that do not work, and the check that each is made to fail.
var mutants = []struct {
	name  string
	new   func() limit.Law
	fails string
}{
	{"always the most", func() limit.Law { return always{newDefault(), 1000} }, "steady"},
	{"always the most, others", func() limit.Law { return always{newDefault(), 1000} }, "plants"},
	{"always the most, slow and fast", func() limit.Law { return always{newDefault(), 1000} }, "scales"},
	{"stuck at the floor", func() limit.Law { return &stuck{newDefault(), false} }, "incident"},
	{"stuck at the floor by an outage", func() limit.Law { return &stuck{newDefault(), false} }, "timeouts"},
	{"always the least", func() limit.Law { return always{newDefault(), 1} }, "floor"},
	{"always the least, later", func() limit.Law { return always{newDefault(), 1} }, "starts"},
	{"always the least, at times", func() limit.Law { return always{newDefault(), 1} }, "bursts"},
	{"frozen from the start", func() limit.Law { return &frozen{newDefault(), 0} }, "sizes"},
	{"frozen once it has learned", func() limit.Law { return &frozen{newDefault(), 1000} }, "steps"},
	{"shy of quiet moments", func() limit.Law { return &shy{newDefault(), 16, 0} }, "lull"},
	{"creeping", func() limit.Law { return &creeping{newDefault(), 0} }, "soak"},
}

// The suite must tell a law that works from one that does not: each mutant
// fails the check that it was made for, and each check has a mutant.
func TestMutantsFail(t *testing.T) {
	skipUnderRace(t)
	for _, c := range limittest.Checks() {
		tried := false
		for _, m := range mutants {
			if m.fails != c.Name {
				continue
			}
			tried = true
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				failures := c.Run(m.new)
				if len(failures) == 0 {
					t.Errorf("it passes %q", c.Name)
				}
				for _, f := range failures {
					if f.Check != c.Name || f.Case == "" || f.Got == "" {
						t.Errorf("a failure that does not say what failed: %+v", f)
					}
				}
			})
		}
		if !tried {
			t.Errorf("no mutant for %q", c.Name)
		}
	}
}

func TestTrialIsRepeatable(t *testing.T) {
	trial := limittest.Trial{
		Workers: 4, Service: exponential, Deadline: deadline, Retries: 2, Backoff: backoff,
		Load: []limittest.Load{{For: length, Of: 1.5}}, New: limit.Default, Seed: 3,
	}
	a, b := trial.Run(), trial.Run()
	if a.Counts != b.Counts || a.Events != b.Events || a.Limit != b.Limit {
		t.Errorf("two runs of one trial: %+v with %d events and %+v with %d", a.Counts, a.Events, b.Counts, b.Events)
	}
	trial.Seed = 4
	if c := trial.Run(); c.Events == a.Events && c.Counts == a.Counts {
		t.Error("another seed gives the same run")
	}
}

// Where callees report their queue, the default law does at least as well.
func TestDefaultTold(t *testing.T) {
	skipUnderRace(t)
	for _, c := range limittest.Checks() {
		for _, f := range c.Reporting().Run(limit.Default) {
			t.Error(f)
		}
	}
}
