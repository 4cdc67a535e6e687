package load

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// generator hands requests to workers, each of which has one connection. There
// are never more than Config.Connections of them.
type generator struct {
	cfg     Config
	request *request
	tls     *tls.Config
	rec     *recorder
	alarm   alarm

	start mono.Time
	wall  time.Time // the same instant, for connections

	cut         atomic.Bool // hangUp was called
	stopDialing func()

	workers sync.WaitGroup

	mu sync.Mutex // guards the rest
	// warm and cold are the idle workers with and without a connection. The
	// one that finished last is taken first, so that a low rate keeps few
	// connections busy.
	warm, cold []*worker
	all        []*worker
	waiting    jobQueue // for a connection
	retries    jobHeap
	rng        *rand.Rand // of the retries' jitter
	inFlight   int        // sent, or waiting for a connection
	offering   bool       // false: no more requests are offered
	wake       mono.Time  // when the alarm goes off
}

// offer sends a first attempt or a retry, now or as soon as there is a
// connection, unless too many are outstanding. ctx is for connecting.
func (g *generator) offer(ctx context.Context, j job) {
	g.rec.offered(j)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight+len(g.retries) >= g.cfg.Outstanding {
		g.rec.notSent(j)
		return
	}
	g.inFlight++
	if w := g.idle(); w != nil {
		w.jobs <- j // never blocks: the worker is idle
		return
	}
	if len(g.all) < g.cfg.Connections {
		w := &worker{g: g, jobs: make(chan job, 1)}
		g.all = append(g.all, w)
		g.workers.Go(func() { w.run(ctx, j) })
		return
	}
	j.queued = true
	g.rec.lag(j, mono.Now())
	g.waiting.push(j)
}

// idle takes an idle worker, if there is one.
func (g *generator) idle() *worker {
	for _, stack := range []*[]*worker{&g.warm, &g.cold} {
		if n := len(*stack); n > 0 {
			w := (*stack)[n-1]
			*stack = (*stack)[:n-1]
			return w
		}
	}
	return nil
}

// finish takes in how a worker's request ended, and gives the worker the next
// one; ok is false if it shall wait for one.
func (g *generator) finish(w *worker, j job, res result) (next job, ok bool) {
	if g.cut.Load() && (res.fate == Late || res.fate == Failed) {
		res.fate = Unfinished // because we hung up
	}
	g.rec.finished(j, res)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	if g.offering {
		g.retry(j, res)
	}
	if g.waiting.len() > 0 {
		return g.waiting.pop(), true
	}
	if !g.offering && g.inFlight == 0 {
		g.alarm.set(0) // the run is over
	}
	if w.conn != nil {
		g.warm = append(g.warm, w)
	} else {
		g.cold = append(g.cold, w)
	}
	return job{}, false
}

// retry schedules the client's next attempt, if it makes one before the end.
func (g *generator) retry(j job, res result) {
	wait, again := g.cfg.Retry.after(j.attempt, res, g.rng)
	at := res.done.Add(wait)
	if !again || at >= g.start.Add(g.cfg.For) {
		return
	}
	g.retries.push(job{intended: at, deadline: at.Add(g.cfg.Deadline), attempt: j.attempt + 1})
	if at < g.wake {
		g.wake = at
		g.alarm.set(at.Sub(res.done))
	}
}

// stop ends the offering; what is outstanding goes on.
func (g *generator) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offering = false
	g.alarm.set(0)
}

// hangUp gives up on everything outstanding.
func (g *generator) hangUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut.Store(true)
	g.stopDialing()
	for _, w := range g.all {
		if w.conn != nil {
			_ = w.conn.SetDeadline(past)
		}
	}
}

// close ends the workers, all of which are idle.
func (g *generator) close() {
	g.mu.Lock()
	for _, w := range g.all {
		close(w.jobs)
	}
	g.mu.Unlock()
	g.workers.Wait()
	_ = g.alarm.close()
}

// wallTime converts an instant for a connection's deadline.
func (g *generator) wallTime(t mono.Time) time.Time { return g.wall.Add(t.Sub(g.start)) }

// jobQueue is first in, first out. It never holds more than Config.Outstanding.
type jobQueue struct {
	jobs []job
	head int
}

func (q *jobQueue) len() int { return len(q.jobs) - q.head }

func (q *jobQueue) push(j job) {
	if q.head > 1024 && q.head > len(q.jobs)/2 {
		q.jobs = q.jobs[:copy(q.jobs, q.jobs[q.head:])]
		q.head = 0
	}
	q.jobs = append(q.jobs, j)
}

func (q *jobQueue) pop() job {
	j := q.jobs[q.head]
	q.head++
	if q.head == len(q.jobs) {
		q.jobs, q.head = q.jobs[:0], 0
	}
	return j
}
