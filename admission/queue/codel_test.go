package queue_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// rfcQueue is RFC 8289's queue as its section 5 lays it out, step by step: it owns
// its packets, loops inside dequeue, and takes instant 0 for "unset".
type rfcQueue struct {
	TARGET, INTERVAL time.Duration

	packets []rfcPacket
	dropped []int

	firstAboveTime, dropNext mono.Time
	count, lastCount         uint32
	dropping                 bool
}

type rfcPacket struct {
	id     int
	tstamp mono.Time
}

func (q *rfcQueue) controlLaw(t mono.Time, count uint32) mono.Time {
	return t + mono.Time(float64(q.INTERVAL)/math.Sqrt(float64(count)))
}

func (q *rfcQueue) dodequeue(now mono.Time) (p *rfcPacket, okToDrop bool) {
	if len(q.packets) == 0 {
		q.firstAboveTime = 0
		return nil, false
	}
	p = &rfcPacket{q.packets[0].id, q.packets[0].tstamp}
	q.packets = q.packets[1:]
	sojournTime := time.Duration(now - p.tstamp)
	if sojournTime < q.TARGET || len(q.packets) <= 1 {
		q.firstAboveTime = 0
	} else {
		if q.firstAboveTime == 0 {
			q.firstAboveTime = now + mono.Time(q.INTERVAL)
		} else if now >= q.firstAboveTime {
			okToDrop = true
		}
	}
	return p, okToDrop
}

func (q *rfcQueue) dequeue(now mono.Time) *rfcPacket {
	p, okToDrop := q.dodequeue(now)
	if q.dropping {
		if !okToDrop {
			q.dropping = false
		}
		for now >= q.dropNext && q.dropping {
			q.dropped = append(q.dropped, p.id)
			q.count++
			p, okToDrop = q.dodequeue(now)
			if !okToDrop {
				q.dropping = false
			} else {
				q.dropNext = q.controlLaw(q.dropNext, q.count)
			}
		}
	} else if okToDrop {
		q.dropped = append(q.dropped, p.id)
		p, _ = q.dodequeue(now)
		q.dropping = true
		delta := q.count - q.lastCount
		q.count = 1
		if delta > 1 && now-q.dropNext < 16*mono.Time(q.INTERVAL) {
			q.count = delta
		}
		q.dropNext = q.controlLaw(now, q.count)
		q.lastCount = q.count
	}
	return p
}

// Property: CoDel over a Room drops and serves what the RFC's queue does, unit
// by unit, wherever the clock's origin is.
func TestCoDelIsTheRFC(t *testing.T) { rapid.Check(t, codelIsTheRFC) }
func FuzzCoDelIsTheRFC(f *testing.F) { f.Fuzz(rapid.MakeFuzz(codelIsTheRFC)) }

func codelIsTheRFC(t *rapid.T) {
	target := rapid.SampledFrom([]time.Duration{time.Millisecond, 5 * time.Millisecond}).Draw(t, "target")
	interval := rapid.SampledFrom([]time.Duration{10 * time.Millisecond, 100 * time.Millisecond}).Draw(t, "interval")
	shift := mono.Time(rapid.SampledFrom([]int64{0, -1e9, -1 << 50, 1 << 50}).Draw(t, "origin"))
	rfc := &rfcQueue{TARGET: target, INTERVAL: interval}
	ours := &codelQueue{room: queue.New(queue.Config{Length: 1 << 16, Order: queue.FIFO})}
	ours.law.Target, ours.law.Interval = target, interval

	now, id := mono.Time(1), 0
	for range rapid.IntRange(1, 40).Draw(t, "phases") {
		// A phase is a steady load: so many arrivals for every departure.
		arrivals := rapid.IntRange(0, 6).Draw(t, "arrivals")
		departures := rapid.IntRange(1, 3).Draw(t, "departures")
		gap := mono.Time(rapid.Int64Range(1, 20e6).Draw(t, "gap"))
		for range rapid.IntRange(1, 60).Draw(t, "length") {
			now += gap
			for range arrivals {
				id++
				rfc.packets = append(rfc.packets, rfcPacket{id, now})
				ours.push(now+shift, id)
			}
			for range departures {
				want := 0
				if p := rfc.dequeue(now); p != nil {
					want = p.id
				}
				if got := ours.dequeue(now + shift); got != want {
					t.Fatalf("at %v: served %d, want %d", time.Duration(now), got, want)
				}
			}
		}
	}
	if !slices.Equal(ours.dropped, rfc.dropped) {
		t.Fatalf("dropped %v, want %v", ours.dropped, rfc.dropped)
	}
}

// codelQueue is what a room's owner does with CoDel.
type codelQueue struct {
	room    *queue.Room
	law     queue.CoDel
	dropped []int
	drops   []mono.Time
}

func (q *codelQueue) push(now mono.Time, id int) {
	q.room.Push(queue.Item{ID: int32(id), Cost: 1, Arrived: now, Expires: mono.Never})
}

func (q *codelQueue) dequeue(now mono.Time) (id int) {
	for {
		it, h, ok := q.room.Peek()
		if !ok {
			q.law.Drop(now, 0, 0)
			return 0
		}
		if !q.law.Drop(now, now.Sub(it.Arrived), q.room.Len()-1) {
			q.room.Take(h)
			return int(it.ID)
		}
		q.room.Remove(h)
		q.dropped = append(q.dropped, int(it.ID))
		q.drops = append(q.drops, now)
	}
}

// ExampleCoDel is a queue that stays above target: the drops come closer by the
// control law, 100 ms over the square root of their number.
func ExampleCoDel() {
	var law queue.CoDel
	for ms := range 500 {
		now := mono.Time(0).Add(time.Duration(ms) * time.Millisecond)
		if law.Drop(now, 20*time.Millisecond, 10) {
			fmt.Println(ms)
		}
	}
	// Output:
	// 100
	// 200
	// 271
	// 329
	// 379
	// 424
	// 464
}

// One row per question: the edges of the law.
func TestCoDelEdges(t *testing.T) {
	const ms = time.Millisecond
	var c queue.CoDel
	for i, step := range []struct {
		at      time.Duration
		sojourn time.Duration
		backlog int
		drop    bool
	}{
		{at: -200 * ms, sojourn: 5 * ms, backlog: 2},             // above from here
		{at: -101 * ms, sojourn: 9 * ms, backlog: 2},             // not for an interval
		{at: -100 * ms, sojourn: 9 * ms, backlog: 1},             // only one behind it: starts again
		{at: -99 * ms, sojourn: 9 * ms, backlog: 2},              // above from here
		{at: 0, sojourn: 5*ms - 1, backlog: 2},                   // below: starts again
		{at: 1 * ms, sojourn: 5 * ms, backlog: 2},                // above from here
		{at: 101 * ms, sojourn: 5 * ms, backlog: 2, drop: true},  // a whole interval above
		{at: 101 * ms, sojourn: 99 * ms, backlog: 9},             // the one behind is served
		{at: 200 * ms, sojourn: 99 * ms, backlog: 9},             // not due
		{at: 201 * ms, sojourn: 99 * ms, backlog: 9, drop: true}, // due
		{at: 201 * ms, sojourn: 4 * ms, backlog: 9},              // below: ends
		{at: 400 * ms, sojourn: 99 * ms, backlog: 9},             // and begins anew
	} {
		if got := c.Drop(mono.Time(step.at), step.sojourn, step.backlog); got != step.drop {
			t.Errorf("step %d: Drop(%v, %v, %d) = %v", i, step.at, step.sojourn, step.backlog, got)
		}
	}
}

// CoDel alone, at twice the capacity and with callers that do not slow down,
// serves almost everybody too late. A bound on the wait is what saves it.
func TestCoDelNeedsABound(t *testing.T) {
	const (
		ms       = time.Millisecond
		deadline = 50 * ms
		service  = 1 * ms
		arrivals = 2 // per service time
		length   = 5000
	)
	goodput := func(bound time.Duration) float64 {
		q := &codelQueue{room: queue.New(queue.Config{Length: 1 << 16, Order: queue.FIFO})}
		good := 0
		for i := range length {
			now := mono.Time(0).Add(time.Duration(i) * service)
			for range arrivals {
				q.room.Push(queue.Item{ID: int32(i) + 1, Cost: 1, Arrived: now, Expires: now.Add(bound)})
			}
			for {
				_, h, ok := q.room.Expired(now)
				if !ok {
					break
				}
				q.room.Remove(h)
			}
			id := q.dequeue(now)
			arrived := mono.Time(0).Add(time.Duration(id-1) * service)
			if id > 0 && now.Add(service).Sub(arrived) <= deadline {
				good++
			}
		}
		return float64(good) / length
	}
	alone, bounded := goodput(time.Hour), goodput(deadline-service)
	if alone > 0.1 {
		t.Errorf("CoDel alone has a goodput of %.3f: correct its warning", alone)
	}
	if bounded < 0.98 {
		t.Errorf("with a bound the goodput is %.3f, want all but the first of it", bounded)
	}
}

func BenchmarkCoDel(b *testing.B) {
	var c queue.CoDel
	now := mono.Time(0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		c.Drop(now, 10*time.Millisecond, 10)
	}
}
