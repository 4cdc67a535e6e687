package arena

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/admission/limit/limittest"
	lab "github.com/penstock-go/penstock/lab/arena"
	"github.com/penstock-go/penstock/sim/arrival"
)

// Run runs one competitor on one plant with one seed.
func Run(t *testing.T, c Competitor, p lab.Plant, seed uint64) (out lab.Outcome) {
	t.Helper()
	var after time.Duration
	if c.Global {
		global.Lock()
		defer global.Unlock()
		after = globalTime
		globalTime += p.Trial.Length() + time.Hour
	}
	if c.Leaks {
		defer forgiveLeaks()
	}
	synctest.Test(t, func(*testing.T) {
		time.Sleep(after)
		out = run(c, p, seed)
	})
	return out
}

// One run at a time of limiters with package variables. Every bubble starts in the
// year 2000, and such a limiter was made at the process's own time: each of its
// runs first lets a century pass, and the time of the runs before.
var (
	global     sync.Mutex
	globalTime = 100 * 365 * 24 * time.Hour
)

// forgiveLeaks recovers from the bubble's complaint about goroutines that nothing
// stops. The run is over by then.
func forgiveLeaks() {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && strings.Contains(err.Error(), "main bubble goroutine has exited") {
		return
	}
	panic(v)
}

// clients are the requests of a run.
type clients struct {
	guard    Guard
	server   *server
	patience time.Duration
	start    time.Time

	mu  sync.Mutex
	out lab.Outcome
}

func run(c Competitor, p lab.Plant, seed uint64) lab.Outcome {
	trial := p.Trial
	s := &server{
		skips: p.Skips, rng: rand.New(rand.NewPCG(seed, 2)), law: trial.Service, workers: trial.Workers, slow: 1,
	}
	cs := &clients{guard: c.New(seed), server: s, patience: trial.Deadline, start: time.Now()}
	cs.out.Windows = make([]limittest.Counts, int(trial.Length()/limittest.WindowLength)+1)
	slow, workers := 1.0, trial.Workers
	for _, e := range trial.Events {
		if e.Speed > 0 {
			slow = 1 / e.Speed
		}
		if e.Workers > 0 || e.Stall {
			workers = e.Workers
		}
		slow, workers := slow, workers // as they are now
		time.AfterFunc(e.At, func() { s.change(slow, workers) })
	}
	ids := rand.New(rand.NewPCG(seed, 3))
	arrivals := arrival.Poisson(profile(trial), rand.New(rand.NewPCG(seed, 1)))
	var all sync.WaitGroup
	for {
		at, ok := arrivals.Next()
		if !ok {
			break
		}
		time.Sleep(at - time.Since(cs.start))
		call := &Call{server: s, ID: ids.Uint64()}
		all.Go(func() { cs.ask(at, call) })
	}
	time.Sleep(2 * trial.Deadline)
	s.close()
	all.Wait()
	synctest.Wait() // for what guards do after the call
	return cs.out
}

func profile(trial limittest.Trial) arrival.Profile {
	var steps []arrival.Step
	for _, l := range trial.Load {
		steps = append(steps, arrival.Step{PerSecond: l.Of * trial.Capacity(), For: l.For})
	}
	p, err := arrival.Steps(steps...)
	if err != nil {
		panic("arena: " + err.Error())
	}
	return p
}

// ask is one client's request.
func (cs *clients) ask(asked time.Duration, call *Call) {
	ctx, cancel := context.WithTimeout(context.Background(), cs.patience)
	defer cancel()
	began := time.Now()
	err := cs.guard(ctx, call)
	took := time.Since(began)

	cs.mu.Lock()
	defer cs.mu.Unlock()
	w := &cs.out.Windows[min(int(asked/limittest.WindowLength), len(cs.out.Windows)-1)]
	w.Offered++
	w.First++
	switch {
	case took > cs.patience || err != nil && took == cs.patience:
		w.Late++
	case err != nil:
		w.Refused++
	default:
		w.Good++
		cs.out.Good = append(cs.out.Good, lab.Answer{Asked: asked, Took: took})
	}
}
