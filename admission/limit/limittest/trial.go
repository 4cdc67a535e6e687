// Package limittest puts a limit.Law through plants, loads, steps and outages
// in virtual time, and judges it against an oracle: the best fixed limit in
// hindsight, behind the same waiting room, with the same arrivals and the same
// service draws.
//
// [Suite] is the liveness suite for any law:
//
//	func TestMyLaw(t *testing.T) {
//		limittest.Suite(t, func() limit.Law { return mylaw.New() })
//	}
//
// It demands that a law works and finds its way back, not that it is good: how
// good it is, [Check.Score] says, as goodput and p99 beside the oracle's.
package limittest

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/arrival"
)

// A Trial is one run: a plant, a load on it, and what happens meanwhile.
type Trial struct {
	Plant   Plant
	Workers int            // of the plant
	Service sim.ServiceLaw // of one worker
	// Reports says that the plant tells the law by how much others have held each
	// request up: how long it queued, at the database of Behind too, or how much
	// longer than alone it took where all are served at once, which no server knows.
	Reports bool
	// Deadline is how long clients wait before they leave.
	Deadline time.Duration
	// Untold keeps the deadline from the admission core: it learns only that
	// clients leave.
	Untold bool
	// Retries is how often a client whose request failed asks again, after
	// Backoff x U(0, 1) x 2^attempt.
	Retries int
	Backoff time.Duration

	Load   []Load    // one after another; the trial ends with the last
	Events []Event   // in order of At
	From   mono.Time // results count from here on

	New  func() limit.Law // the law under trial; nil is no admission at all
	Seed uint64
}

// Load is a stretch of Poisson arrivals.
type Load struct {
	For time.Duration
	Of  float64 // share of the plant's nominal capacity
}

// An Event changes the server.
type Event struct {
	At      time.Duration
	Speed   float64 // divides service times; 0 leaves them
	Workers int     // 0 leaves them
	Stall   bool    // no worker works, until the next event with Workers
}

// Capacity is the plant's nominal capacity in requests per second.
func (t Trial) Capacity() float64 { return t.units() / t.Service.Mean().Seconds() }

// Length is the virtual duration of the trial.
func (t Trial) Length() time.Duration {
	var d time.Duration
	for _, l := range t.Load {
		d += l.For
	}
	return d
}

// WindowLength is the length of one entry of Result.Windows.
const WindowLength = 100 * time.Millisecond

// A Result is what came of a trial.
type Result struct {
	Counts
	Windows   []Counts        // by when the client asked, WindowLength each
	Latencies []time.Duration // of good requests, sorted
	Limits    []float64       // at the end of each window
	Limit     float64         // mean of Limits from Trial.From on
	// PeakGhosts is the most jobs that the server held for clients that had
	// left.
	PeakGhosts int
	Events     uint64 // simulated
}

// Counts of requests, by when the client asked. A retry is a request.
type Counts struct {
	Offered int // asked, retries included
	First   int // asked for the first time
	Good    int // answered within the deadline
	Late    int // answered or given up after it
	Refused int
}

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	c.Offered += o.Offered
	c.First += o.First
	c.Good += o.Good
	c.Late += o.Late
	c.Refused += o.Refused
}

// Between sums the windows from one instant to another.
func (r Result) Between(from, to time.Duration) Counts {
	var sum Counts
	for i := int(from / WindowLength); i < int(to/WindowLength) && i < len(r.Windows); i++ {
		sum.Add(r.Windows[i])
	}
	return sum
}

// P returns the p-quantile of the latency of good requests, 0 if there are none.
func (r Result) P(p float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(len(r.Latencies)-1, int(math.Ceil(p*float64(len(r.Latencies))))-1)]
}

// request is one client's request.
type request struct {
	asked   mono.Time
	sent    mono.Time     // to the plant
	begun   mono.Time     // service, where there is a queue
	alone   time.Duration // how long it would take alone, where there is none
	ticket  admission.Ticket
	attempt int
	state   requestState
}

type requestState uint8

const (
	asking requestState = iota
	waiting
	running
	gone // the client has left, the server works on
	over
)

type run struct {
	Trial
	loop     sim.Loop
	gate     *sim.Admission
	server   server
	requests []request
	bySlot   []uint32 // the request that waits in a slot
	arrivals arrival.Process
	retries  *rand.Rand
	result   Result
	ghosts   int
	left     leaver
	arrive   arriver

	report  time.Duration // while a request ends: by how much others held it up
	reports bool          // and that the plant says so
}

// Run runs the trial.
func (t Trial) Run() Result {
	r := &run{Trial: t, retries: rand.New(rand.NewPCG(t.Seed, 3))}
	r.left.r, r.arrive.r = r, r
	r.result.Windows = make([]Counts, int(t.Length()/WindowLength)+1)
	r.server = r.build()
	if t.New != nil {
		law := t.New()
		if t.Reports {
			law = told{law, r}
		}
		r.gate = sim.NewAdmission(&r.loop, admission.Config{Limit: law, Seed: t.Seed}, r.settled)
	}
	var steps []arrival.Step
	for _, l := range t.Load {
		steps = append(steps, arrival.Step{PerSecond: l.Of * t.Capacity(), For: l.For})
	}
	profile, err := arrival.Steps(steps...)
	if err != nil {
		panic("limittest: " + err.Error())
	}
	r.arrivals = arrival.Poisson(profile, rand.New(rand.NewPCG(t.Seed, 1)))
	r.arrive.next()
	for i, e := range t.Events {
		r.loop.At(mono.Time(e.At), sim.HandlerFunc(r.happen), uint64(i))
	}
	for at := WindowLength; at <= t.Length() && r.gate != nil; at += WindowLength {
		r.loop.At(mono.Time(at), sim.HandlerFunc(r.look), 0)
	}
	r.loop.Run(mono.Time(t.Length() + 2*t.Deadline))
	return r.finish()
}

func (r *run) finish() Result {
	res := &r.result
	res.Counts = res.Between(time.Duration(r.From), r.Length())
	slices.Sort(res.Latencies)
	from := int(time.Duration(r.From) / WindowLength)
	if len(res.Limits) > from {
		for _, l := range res.Limits[from:] {
			res.Limit += l / float64(len(res.Limits)-from)
		}
	}
	res.Events = r.loop.Fired()
	return *res
}

func (r *run) look(now mono.Time, _ uint64) {
	r.result.Limits = append(r.result.Limits, r.gate.Core.Stats(now).Limit)
}

func (r *run) happen(now mono.Time, i uint64) {
	e := r.Events[i]
	if e.Speed > 0 {
		r.server.SetSpeed(e.Speed)
	}
	switch {
	case e.Stall:
		r.server.SetWorkers(now, 0)
	case e.Workers > 0:
		r.server.SetWorkers(now, e.Workers)
	}
}

// An arriver fires when a new client asks.
type arriver struct{ r *run }

func (a *arriver) next() {
	if at, ok := a.r.arrivals.Next(); ok {
		a.r.loop.At(mono.Time(at), a, 0)
	}
}

// Fire is a client's first request, or (arg > 0) the retry of request arg-1.
func (a *arriver) Fire(now mono.Time, arg uint64) {
	attempt := 1
	if arg > 0 {
		attempt = a.r.requests[arg-1].attempt + 1
	} else {
		a.next()
	}
	a.r.ask(now, attempt)
}

func (r *run) window(q *request) *Counts {
	return &r.result.Windows[min(int(time.Duration(q.asked)/WindowLength), len(r.result.Windows)-1)]
}

func (r *run) ask(now mono.Time, attempt int) {
	i := len(r.requests)
	r.requests = append(r.requests, request{asked: now, attempt: attempt})
	q := &r.requests[i]
	w := r.window(q)
	w.Offered++
	if attempt == 1 {
		w.First++
	}
	r.loop.At(now.Add(r.Deadline), &r.left, uint64(i))
	if r.gate == nil {
		q.state = running
		r.submit(now, i)
		return
	}
	work := penstock.Work{
		Criticality: penstock.Critical, Attempt: attempt, Cohort: penstock.CohortAt(r.retries.Uint64()),
	}
	if !r.Untold {
		work.Deadline, work.HasDeadline = now.Add(r.Deadline), true
	}
	d := r.gate.Offer(now, 0, work)
	q = &r.requests[i]
	q.ticket = d.Ticket
	switch d.State {
	case admission.Admitted:
		q.state = running
		r.submit(now, i)
	case admission.Waiting:
		q.state = waiting
		for len(r.bySlot) <= d.Ticket.Slot() {
			r.bySlot = append(r.bySlot, 0)
		}
		r.bySlot[d.Ticket.Slot()] = uint32(i)
	default:
		r.refused(now, i)
	}
}

func (r *run) submit(now mono.Time, i int) {
	r.requests[i].sent = now
	r.server.Submit(now, uint64(i))
}

func (r *run) settled(now mono.Time, d admission.Decision) {
	i := int(r.bySlot[d.Ticket.Slot()])
	if d.State == admission.Admitted {
		r.requests[i].state = running
		r.submit(now, i)
		return
	}
	r.refused(now, i)
}

func (r *run) refused(now mono.Time, i int) {
	q := &r.requests[i]
	q.state = over
	r.window(q).Refused++
	r.again(now, i)
}

func (r *run) again(now mono.Time, i int) {
	q := &r.requests[i]
	if q.attempt > r.Retries {
		return
	}
	wait := time.Duration(r.retries.Float64() * float64(r.Backoff) * math.Pow(2, float64(q.attempt-1)))
	if at := now.Add(wait); time.Duration(at) < r.Length() {
		r.loop.At(at, &r.arrive, uint64(i)+1)
	}
}

// A leaver fires when a client's patience ends.
type leaver struct{ r *run }

// Fire makes client arg leave, if it is still there.
func (l *leaver) Fire(now mono.Time, arg uint64) {
	r, i := l.r, int(arg)
	q := &r.requests[i]
	switch q.state {
	case over, gone:
		return
	case waiting:
		q.state = over
		r.window(q).Late++
		r.gate.Leave(now, q.ticket)
	default:
		q.state = gone
		r.ghosts++
		r.result.PeakGhosts = max(r.result.PeakGhosts, r.ghosts)
		r.window(q).Late++
		if r.gate != nil {
			r.gate.Abandon(now, q.ticket)
		}
	}
	r.again(now, i)
}

// served is the server's answer.
func (r *run) served(now mono.Time, job uint64) {
	q := &r.requests[job]
	if q.state == gone {
		r.ghosts--
	} else {
		r.window(q).Good++
		if q.asked >= r.From && time.Duration(q.asked) < r.Length() {
			r.result.Latencies = append(r.result.Latencies, now.Sub(q.asked))
		}
	}
	q.state = over
	if r.gate != nil {
		r.reports = r.Reports
		r.report = q.begun.Sub(q.sent)
		if r.Plant == Sharing || r.Plant == Scaling {
			r.report = now.Sub(q.sent) - q.alone
		}
		r.gate.Done(now, q.ticket, penstock.OK)
		r.reports = false
	}
}
