// Package plant is a server like most, for benches: some workers behind one queue,
// first in, first out, that knows nothing of deadlines and goes on working for
// clients that have left.
package plant

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// A Plant is such a server. Make one with [New].
//
// A worker that finds work waiting begins it at the instant at which it should
// have ended the one before, so that late timers do not lower its capacity.
type Plant struct {
	mu      sync.Mutex
	workers int
	mean    time.Duration
	law     string // constant or exponential
	speed   float64
	queue   []*job
	busy    int
	rng     *rand.Rand
	stats   Stats
}

// Stats is what a Plant has done, and holds now.
type Stats struct {
	Served     int `json:"served"`
	Inside     int `json:"inside"`      // in service and queued
	Ghosts     int `json:"ghosts"`      // of them, for clients that have left
	PeakGhosts int `json:"peak_ghosts"` // the most at any time
	PeakInside int `json:"peak_inside"`
}

type job struct {
	done  chan struct{}
	ghost bool
	over  bool
}

// New returns a plant at full speed; law is constant or exponential.
func New(workers int, law string, mean time.Duration) *Plant {
	return &Plant{workers: workers, mean: mean, law: law, speed: 1, rng: rand.New(rand.NewPCG(1, 2))}
}

// ServeHTTP answers when the work is done.
func (p *Plant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.Do(r.Context()) == nil {
		_, _ = w.Write([]byte("ok\n"))
	}
}

// Do returns when the work is done, or with an error when ctx ends. The work
// goes on then.
func (p *Plant) Do(ctx context.Context) error {
	j := &job{done: make(chan struct{})}
	p.mu.Lock()
	p.queue = append(p.queue, j)
	p.stats.Inside++
	p.stats.PeakInside = max(p.stats.PeakInside, p.stats.Inside)
	p.dispatch(time.Now())
	p.mu.Unlock()
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		if !j.over {
			j.ghost = true
			p.stats.Ghosts++
			p.stats.PeakGhosts = max(p.stats.PeakGhosts, p.stats.Ghosts)
		}
		p.mu.Unlock()
		return ctx.Err()
	}
}

// dispatch gives work to free workers. The lock is held.
func (p *Plant) dispatch(from time.Time) {
	for p.busy < p.workers && len(p.queue) > 0 {
		j := p.queue[0]
		p.queue = p.queue[1:]
		p.busy++
		took := p.mean
		if p.law == "exponential" {
			took = time.Duration(p.rng.ExpFloat64() * float64(p.mean))
		}
		end := from.Add(time.Duration(float64(took) / p.speed))
		time.AfterFunc(time.Until(end), func() { p.finish(j, end) })
	}
}

func (p *Plant) finish(j *job, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.stats.Inside--
	p.stats.Served++
	j.over = true
	if j.ghost {
		p.stats.Ghosts--
	}
	close(j.done)
	p.dispatch(end)
}

// Control changes the plant as [Plant.Change] does, and answers with its Stats.
func (p *Plant) Control(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		http.Error(w, "malformed query", http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(p.Change(r.Form))
}

// Change changes the plant: speed=0.25, workers=2, reset=1 for the peaks.
func (p *Plant) Change(to url.Values) Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, err := strconv.ParseFloat(to.Get("speed"), 64); err == nil && v > 0 {
		p.speed = v
	}
	if v, err := strconv.Atoi(to.Get("workers")); err == nil && v >= 0 {
		p.workers = v
		p.dispatch(time.Now())
	}
	if to.Get("reset") != "" {
		p.stats.PeakGhosts, p.stats.PeakInside = p.stats.Ghosts, p.stats.Inside
	}
	return p.stats
}
