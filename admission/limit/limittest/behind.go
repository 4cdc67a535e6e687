package limittest

import (
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
	"github.com/penstock-go/penstock/sim/arrival"
)

// behind is the plant Behind. The workers in front are more than any limit that
// makes sense, and their own work is short: what matters is the database.
type behind struct {
	*sim.Server // in front

	database *sim.Server
	workers  int
	loop     *sim.Loop
	others   arrival.Process
}

// others is the number of every job of the database's other users.
const others = 1 << 63

func newBehind(r *run, rng *rand.Rand) *behind {
	b := &behind{workers: r.Workers, loop: &r.loop}
	mean := r.Service.Mean()
	b.database = sim.NewServer(&r.loop, r.Workers, r.Service, rng, func(now mono.Time, job uint64) {
		if job != others {
			b.Release(now)
			r.served(now, job)
		}
	})
	b.database.Begun = func(now mono.Time, job uint64) {
		if job != others {
			q := &r.requests[job]
			q.begun = q.sent.Add(now.Sub(q.begun)) // what it queued for, as if it had queued first
		}
	}
	b.Server = sim.NewServer(&r.loop, behindFront*r.Workers, sim.Constant(float64(mean)*behindOwn), rng, func(now mono.Time, job uint64) {
		b.Hold()
		r.requests[job].begun = now
		b.database.Submit(now, job)
	})
	profile, err := arrival.Steps(arrival.Step{PerSecond: behindOthers * float64(r.Workers) / mean.Seconds(), For: r.Length() + time.Nanosecond})
	if err != nil {
		panic("limittest: " + err.Error())
	}
	b.others = arrival.Poisson(profile, rand.New(rand.NewPCG(r.Seed, 4)))
	b.next()
	return b
}

func (b *behind) next() {
	if at, ok := b.others.Next(); ok {
		b.loop.At(mono.Time(at), b, 0)
	}
}

// Fire is another user's job for the database.
func (b *behind) Fire(now mono.Time, _ uint64) {
	b.database.Submit(now, others)
	b.next()
}

// SetWorkers changes the database's connections.
func (b *behind) SetWorkers(now mono.Time, n int) { b.database.SetWorkers(now, n) }

// SetSpeed changes the database's speed.
func (b *behind) SetSpeed(speed float64) { b.database.SetSpeed(speed) }
