package admission_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// A start is one unit that entered a gate, as the gate's law was told of it.
type start struct {
	at       mono.Time
	inFlight int // its own slots included
	seen     int // the same, as the law was told
	slots    int // what the limit meant just before
}

// A watched law writes down every start.
type watched struct {
	limit.Law

	inFlight func() int // what the gate holds, where the law is told less
	starts   []start
}

func watch(law limit.Law) *watched { return &watched{Law: law} }

func (w *watched) Start(now mono.Time, inFlight int) {
	slots := max(1, int(math.Round(min(w.Limit(), math.MaxInt32))))
	holds := inFlight
	if w.inFlight != nil {
		holds = w.inFlight()
	}
	w.starts = append(w.starts, start{now, holds, inFlight, slots})
	if s, ok := w.Law.(limit.Starter); ok {
		s.Start(now, inFlight)
	}
}

func (w *watched) Step(now mono.Time) {
	if s, ok := w.Law.(limit.Stepper); ok {
		s.Step(now)
	}
}

// A restless law jumps between limits, with every sample and with time.
type restless struct {
	rng   *rand.Rand
	limit float64
	every time.Duration
	at    mono.Time
	timed bool
}

func newRestless(seed uint64) limit.Law {
	return &restless{rng: rand.New(rand.NewPCG(seed, 5)), limit: 1, every: time.Duration(1+seed%40) * time.Millisecond}
}

func (r *restless) jump() {
	r.limit = []float64{0.05, 0.4, 1, 1.5, 2.5, 6, 20}[r.rng.IntN(7)]
}

func (r *restless) Observe(now mono.Time, _ limit.Sample) {
	if !r.timed {
		r.at, r.timed = now.Add(r.every), true
	}
	r.jump()
}
func (r *restless) Limit() float64          { return r.limit }
func (r *restless) Next() (mono.Time, bool) { return r.at, r.timed }
func (r *restless) Explain() string         { return fmt.Sprintf("jumps about, now %g", r.limit) }

func (r *restless) Step(now mono.Time) {
	if r.timed && now >= r.at {
		r.at = now.Add(r.every)
		r.jump()
	}
}
