package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A plant is a server like most: some workers behind one queue, first in, first
// out, that knows nothing of deadlines and goes on working for clients that
// have left.
//
// A worker that finds work waiting begins it at the instant at which it should
// have ended the one before, so that late timers do not lower its capacity.
type plant struct {
	mu      sync.Mutex
	workers int
	mean    time.Duration
	law     string // constant or exponential
	speed   float64
	queue   []*plantJob
	busy    int
	rng     *rand.Rand
	stats   plantStats
}

type plantStats struct {
	Served     int `json:"served"`
	Inside     int `json:"inside"`      // in service and queued
	Ghosts     int `json:"ghosts"`      // of them, for clients that have left
	PeakGhosts int `json:"peak_ghosts"` // the most at any time
	PeakInside int `json:"peak_inside"`
}

type plantJob struct {
	done  chan struct{}
	ghost bool
	over  bool
}

func newPlant(workers int, law string, mean time.Duration) *plant {
	return &plant{workers: workers, mean: mean, law: law, speed: 1, rng: rand.New(rand.NewPCG(1, 2))}
}

func (p *plant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	job := &plantJob{done: make(chan struct{})}
	p.mu.Lock()
	p.queue = append(p.queue, job)
	p.stats.Inside++
	p.stats.PeakInside = max(p.stats.PeakInside, p.stats.Inside)
	p.dispatch(time.Now())
	p.mu.Unlock()
	select {
	case <-job.done:
		_, _ = w.Write([]byte("ok\n"))
	case <-r.Context().Done():
		p.mu.Lock()
		if !job.over {
			job.ghost = true
			p.stats.Ghosts++
			p.stats.PeakGhosts = max(p.stats.PeakGhosts, p.stats.Ghosts)
		}
		p.mu.Unlock()
	}
}

// dispatch gives work to free workers. The lock is held.
func (p *plant) dispatch(from time.Time) {
	for p.busy < p.workers && len(p.queue) > 0 {
		job := p.queue[0]
		p.queue = p.queue[1:]
		p.busy++
		took := p.mean
		if p.law == "exponential" {
			took = time.Duration(p.rng.ExpFloat64() * float64(p.mean))
		}
		end := from.Add(time.Duration(float64(took) / p.speed))
		time.AfterFunc(time.Until(end), func() { p.finish(job, end) })
	}
}

func (p *plant) finish(job *plantJob, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.stats.Inside--
	p.stats.Served++
	job.over = true
	if job.ghost {
		p.stats.Ghosts--
	}
	close(job.done)
	p.dispatch(end)
}

// control changes the plant: ?speed=0.25, ?workers=2, ?reset=1 for the peaks.
func (p *plant) control(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, err := strconv.ParseFloat(r.FormValue("speed"), 64); err == nil && v > 0 {
		p.speed = v
	}
	if v, err := strconv.Atoi(r.FormValue("workers")); err == nil && v >= 0 {
		p.workers = v
		p.dispatch(time.Now())
	}
	if r.FormValue("reset") != "" {
		p.stats.PeakGhosts, p.stats.PeakInside = p.stats.Ghosts, p.stats.Inside
	}
	_ = json.NewEncoder(w).Encode(p.stats)
}

// servePlant runs a plant, with its control on a second listener, and prints
// both addresses.
func servePlant(workers int, law string, mean time.Duration) error {
	p := newPlant(workers, law, mean)
	work, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(work.Addr(), control.Addr())
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(control, http.HandlerFunc(p.control)) }()
	go func() { failed <- http.Serve(work, p) }()
	return errors.Join(<-failed)
}
