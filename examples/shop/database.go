package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// connections is how many queries the database works on at once.
const connections = 8

// query is how long one takes at full speed, on average.
const query = 40 * time.Millisecond

// A Database is like most: a queue before its connections, and it goes on working
// for clients that have left.
type Database struct {
	mu    sync.Mutex
	speed float64
	busy  int
	queue []chan struct{} // oldest first; as long as there are clients
	rng   *rand.Rand
}

// NewDatabase returns a database at full speed.
func NewDatabase() *Database { return &Database{speed: 1, rng: rand.New(rand.NewPCG(1, 2))} }

// SetSpeed throttles it: 1 is full speed.
func (d *Database) SetSpeed(x float64) {
	d.mu.Lock()
	d.speed = x
	d.mu.Unlock()
}

// ServeHTTP answers when the query is done.
func (d *Database) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.query(r.Context()) != nil {
		http.Error(w, "too late", http.StatusGatewayTimeout)
	}
}

func (d *Database) query(ctx context.Context) error {
	done := make(chan struct{})
	d.mu.Lock()
	d.queue = append(d.queue, done)
	d.dispatch()
	d.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done(): // the query goes on
		return ctx.Err()
	}
}

// dispatch gives queries to free connections. The lock is held.
func (d *Database) dispatch() {
	for d.busy < connections && len(d.queue) > 0 {
		done := d.queue[0]
		d.queue = d.queue[1:]
		d.busy++
		took := time.Duration(d.rng.ExpFloat64() * float64(query) / d.speed)
		time.AfterFunc(took, func() {
			close(done)
			d.mu.Lock()
			d.busy--
			d.dispatch()
			d.mu.Unlock()
		})
	}
}
