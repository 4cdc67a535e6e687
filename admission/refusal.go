package admission

import (
	"fmt"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// refuse counts and returns a refusal of work that never entered the room. allowed is
// how long it might have waited there.
func (c *Core) refuse(now mono.Time, p *pool, rank penstock.Rank, why penstock.Reason, allowed time.Duration) Decision {
	c.total.refused[why][rank.Criticality()]++
	p.refusals++
	p.denied = p.denied || why == penstock.ReasonSojourn
	c.pressed = true
	return Decision{Refusal: &c.errorsFor(now, p, why, allowed)[c.rng.Uint64()%jitters]}
}

// settleRefused refuses work that the room has just let go.
func (c *Core) settleRefused(now mono.Time, i int32, why penstock.Reason) {
	s := &c.slots[i]
	c.total.waiting--
	d := c.refuse(now, s.pool, s.rank, why, now.Sub(s.arrived))
	d.Ticket = c.ticket(i)
	c.settled = append(c.settled, d)
	c.release(i)
}

// errorsFor returns the errors of one reason, made once per tick. allowed is how
// long the first of them might have waited.
func (c *Core) errorsFor(now mono.Time, p *pool, why penstock.Reason, allowed time.Duration) *[jitters]penstock.RejectedError {
	if errs := p.refusedBy[why]; errs != nil {
		return errs
	}
	id := c.memory.add(c.record(now, p, why, allowed))
	base := max(p.retry, pressure.MinRetry)
	errs := new([jitters]penstock.RejectedError)
	for i := range errs {
		errs[i] = penstock.RejectedError{
			Reason: why, Pressure: 1, ID: id,
			RetryAfter: pressure.Jitter(base, (float64(i)+c.rng.Float64())/jitters),
		}
	}
	p.refusedBy[why] = errs
	return errs
}

// decisions is how many refusal IDs can be explained: each stands for all that
// one pool refused for one reason in one tick.
const decisions = 1 << 16

// A memory is the ring of the last decisions.
type memory struct {
	base    uint64 // the first ID
	next    uint64 // decisions made
	records []record
}

// A record is the state behind one decision.
type record struct {
	at               mono.Time
	why              penstock.Reason
	price            penstock.Price
	stands, lifo     bool
	inFlight, zombie int32
	waiting          int32
	gates            int32
	limit            float64
	level            float64
	oldest, allowed  time.Duration
	p50, p90         time.Duration
	retry            time.Duration
}

func (c *Core) record(now mono.Time, p *pool, why penstock.Reason, allowed time.Duration) record {
	r := record{
		at: now, why: why, price: p.pricer.Price(), stands: p.stands, lifo: p.lifo && p.order != queue.Fair,
		waiting: int32(p.room.Len()), gates: int32(len(p.gates)), level: p.level(now),
		allowed: allowed, p50: p.service.P50, p90: p.service.P90, retry: p.retry,
	}
	for _, i := range p.gates {
		g := &c.gates[i]
		r.inFlight += int32(g.inFlight)
		r.zombie += int32(g.zombies)
		r.limit += g.limit
	}
	if oldest, ok := p.room.Oldest(); ok {
		r.oldest = now.Sub(oldest)
	}
	return r
}

func (m *memory) add(r record) penstock.RefusalID {
	if len(m.records) < decisions {
		m.records = append(m.records, r)
	} else {
		m.records[m.next%decisions] = r
	}
	m.next++
	return penstock.RefusalID(m.base + m.next)
}

// ExplainRefusal returns the state behind a refusal in words, while it is among
// the last 65,536 decisions.
func (c *Core) ExplainRefusal(now mono.Time, id penstock.RefusalID) (string, bool) {
	n := uint64(id) - c.memory.base // 1 is the first
	if n == 0 || n > c.memory.next || c.memory.next-n >= decisions {
		return "", false
	}
	return c.memory.records[(n-1)%decisions].explain(now), true
}

func (r record) explain(now mono.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %v ago: ", r.why, now.Sub(r.at).Round(time.Millisecond))
	switch r.why {
	case penstock.ReasonLimit:
		b.WriteString("the route's own cap was reached.")
	case penstock.ReasonQueueFull:
		b.WriteString("the waiting room was full of work at least as important, or allows no waiting.")
	case penstock.ReasonSojourn:
		fmt.Fprintf(&b, "it waited, or would have waited, longer than the %v that the room allowed.", short(r.allowed))
	case penstock.ReasonDeadline:
		fmt.Fprintf(&b, "its deadline had passed, or would have left too little for a service time of %v (p90).", short(r.p90))
	case penstock.ReasonPriority:
		fmt.Fprintf(&b, "more important work took its place, or its rank was below the price of %d.", r.price)
	case penstock.ReasonDraining:
		b.WriteString("the server was shutting down.")
	default:
		b.WriteString("refused in front of the pool.")
	}
	fmt.Fprintf(&b, " Then: %d of %.1f slots taken over %d gate(s), %d of them by callers that had left;", r.inFlight, r.limit, r.gates, r.zombie)
	fmt.Fprintf(&b, " %d waiting, the oldest for %v;", r.waiting, short(r.oldest))
	fmt.Fprintf(&b, " service p50 %v, p90 %v; level %.2f, price %d; retry after about %v.", short(r.p50), short(r.p90), r.level, r.price, short(max(r.retry, pressure.MinRetry)))
	if r.stands {
		b.WriteString(" The queue was standing.")
	}
	if r.lifo {
		b.WriteString(" The newest went first.")
	}
	return b.String()
}

// short rounds a duration for reading.
func short(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}
