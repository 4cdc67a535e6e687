package services

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
	done  uint64
	left  uint64 // clients that left
}

// NewDatabase returns a database at full speed.
func NewDatabase() *Database { return &Database{speed: 1, rng: rand.New(rand.NewPCG(1, 2))} }

// SetSpeed throttles it: 1 is full speed.
func (d *Database) SetSpeed(x float64) {
	d.mu.Lock()
	d.speed = x
	d.mu.Unlock()
}

// Speed is what it was throttled to.
func (d *Database) Speed() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.speed
}

// Queries is how many queries it has finished, and how many clients had left
// before theirs was, or is.
func (d *Database) Queries() (finished, left uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done, d.left
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
		d.mu.Lock()
		d.left++
		d.mu.Unlock()
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
			d.done++
			d.dispatch()
			d.mu.Unlock()
		})
	}
}
