package sim

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/mono"
)

// A callee takes calls. Each that it takes it gives back once, by answer.
type callee interface {
	// take takes a call.
	take(now mono.Time, c *call)
	// leave says that the client of a call has left. The callee may go on.
	leave(now mono.Time, c *call)
}

// An asker is told what came of what it asked, all attempts included.
type asker interface {
	ended(now mono.Time, owner uint64, r result)
}

// A client is one side of a connection between two parts: it sends calls, waits,
// gives up and tries again. Whether to is decided by the cores of package caller.
type client struct {
	Client
	world    *World
	owner    asker
	to       callee
	link     *link
	budget   *retry.Budget
	throttle *throttle.Throttle
	breaker  *breaker.Breaker
	peer     *caller.Peer
	rival    rivalClient
	rng      *rand.Rand // draws of backoff and throttle
	led      *ledger    // a source's; nil for the calls of stages and caches
	patience *Refresh
	patient  *rand.Rand
}

func (w *World) newClient(part string, cfg Client, owner asker) *client {
	c := &client{Client: cfg, world: w, owner: owner, rng: Stream(w.plan.Seed, part, "client")}
	if cfg.Retry.Budget != nil {
		c.budget = retry.NewBudget(*cfg.Retry.Budget)
	}
	if cfg.Throttle != nil {
		c.throttle = throttle.New(*cfg.Throttle)
	}
	if cfg.Breaker != nil {
		c.breaker = breaker.New(*cfg.Breaker)
	}
	if cfg.Listen != nil {
		c.peer = caller.NewPeer(*cfg.Listen)
	}
	return c
}

// ask sends a request for owner. The caller may be told the end before ask
// returns.
func (cl *client) ask(now mono.Time, owner uint64, r request) {
	c := cl.world.newCall()
	if c == nil {
		return
	}
	c.client, c.owner, c.request, c.asked = cl, owner, r, now
	c.work.Attempt = 1
	cl.send(now, c)
}

// send makes an attempt.
func (cl *client) send(now mono.Time, c *call) {
	c.sent = now
	if cl.led != nil {
		cl.led.enter(now)
	}
	if cl.budget != nil && c.work.Attempt == 1 {
		cl.budget.First(now)
	}
	c.state = callSent
	c.worth, c.hasWorth = c.work.Deadline, c.work.HasDeadline // of whom we work for
	if cl.Deadline > 0 {
		if at := now.Add(cl.Deadline); !c.hasWorth || at < c.worth {
			c.worth, c.hasWorth = at, true
		}
	}
	switch {
	case c.hasWorth && c.worth <= now:
		cl.local(now, c, result{fate: late})
		return
	case cl.throttle != nil && cl.throttle.Refuse(now, cl.rng.Float64()),
		cl.breaker != nil && !cl.breaker.Allow(now):
		cl.local(now, c, result{fate: refused, reason: penstock.ReasonBreaker})
		return
	case cl.peer != nil:
		t, err := cl.peer.Ask(now, c.outgoing(), c.relayed, cl.rng.Float64())
		if err != nil {
			cl.local(now, c, refusal(err))
			return
		}
		c.asks = t
	case !cl.rival.sends(now, c):
		cl.local(now, c, result{fate: refused, reason: penstock.ReasonPriority})
		return
	}
	cl.setTimer(now, c)
	if cl.link != nil {
		cl.link.request(now, c)
		return
	}
	cl.to.take(now, c)
}

// shown is the work as the callee learns of it.
func (c *call) shown() penstock.Work {
	w := c.work
	w.Deadline, w.HasDeadline = c.worth, c.hasWorth && !c.client.Untold
	return w
}

// outgoing is the work as its caller judges it: what it costs is the callee's
// affair, and the caller knows the deadline.
func (c *call) outgoing() penstock.Work {
	w := c.work
	w.Deadline, w.HasDeadline, w.Cost, w.Flow = c.worth, c.hasWorth, 0, 0
	return w
}

func (cl *client) setTimer(now mono.Time, c *call) {
	at, set := c.worth, c.hasWorth
	if cl.Timeout > 0 {
		at, set = now.Add(cl.Timeout), true
	}
	c.refresh = false
	if cl.patience != nil && c.refreshes < cl.patience.Most {
		if p := now.Add(cl.patience.After.Draw(cl.patient)); !set || p < at {
			at, set, c.refresh = p, true, true
		}
	}
	if set {
		c.timer = cl.world.loop.Set(at, cl, c.id)
	}
}

// local ends an attempt that was never sent.
func (cl *client) local(now mono.Time, c *call, r result) {
	cl.over(now, c, r)
	cl.world.calls.remove(c)
}

// Fire is the end of a wait: to be sent again, or for the answer.
func (cl *client) Fire(now mono.Time, id uint64) {
	c := cl.world.calls.get(id)
	if c.state == callBack {
		cl.send(now, c)
		return
	}
	c.timer = Timer{}
	c.gone = true
	r := result{fate: late}
	cl.learn(now, c, r)
	cl.over(now, c, r)
	switch {
	case c.lost:
		cl.world.calls.remove(c)
	case c.rid: // the answer is on its way
	case cl.link != nil:
		cl.link.leave(now, c)
	default:
		cl.to.leave(now, c)
	}
}

// answered is the callee's answer, as it reaches the client.
func (cl *client) answered(now mono.Time, c *call) {
	if !c.gone {
		cl.world.loop.Cancel(c.timer)
		r := c.answer
		if r.fate == good && c.hasWorth && now > c.worth {
			r.fate = late
		}
		cl.learn(now, c, r)
		cl.over(now, c, r)
	}
	cl.world.calls.remove(c)
}

// learn tells the cores what came of an attempt that was sent.
func (cl *client) learn(now mono.Time, c *call, r result) {
	if cl.throttle != nil && (r.fate == good || r.fate == failed) {
		cl.throttle.Accepted(now)
	}
	if cl.breaker != nil {
		cl.breaker.Report(now, r.fate != good, now.Sub(c.sent))
	}
	if c.told {
		cl.rival.heard(c.tells)
	}
	if cl.peer != nil {
		cl.peer.Answer(now, c.asks, caller.Answer{
			Signal: c.said, Said: c.says, Refused: r.fate == refused, Failed: r.fate == failed || r.fate == late,
		})
	}
}

// over ends an attempt for the client, and decides what follows.
func (cl *client) over(now mono.Time, c *call, r result) {
	c.state = callOver
	if cl.led != nil {
		cl.led.leave(now, c.sent, r, c.work.Criticality)
		if r.fate == good {
			cl.led.latency(now.Sub(c.asked))
		}
	}
	switch {
	case r.fate == good:
	case c.refresh && r.fate == late:
		cl.again(now, c, 1, c.refreshes+1)
		return
	case c.work.Attempt < cl.Retry.Attempts && (cl.budget == nil || cl.budget.Allow(now)):
		var least time.Duration
		if cl.Retry.Heed {
			least = r.retry
		}
		wait := cl.Retry.Backoff.Wait(c.work.Attempt, cl.rng.Float64(), least)
		cl.again(now.Add(wait), c, c.work.Attempt+1, c.refreshes)
		return
	}
	cl.owner.ended(now, c.owner, r)
}

// again makes the next attempt, at an instant that has not passed.
func (cl *client) again(at mono.Time, c *call, attempt, refreshes int) {
	n := cl.world.newCall()
	if n == nil {
		return
	}
	n.client, n.owner, n.request, n.asked = cl, c.owner, c.request, c.asked
	n.work.Attempt, n.refreshes = attempt, refreshes
	cl.world.loop.At(at, cl, n.id)
}

// answer gives a call back to its client. The callee must not touch it again.
func (w *World) answer(now mono.Time, c *call, r result) {
	c.rid, c.answer = true, r
	switch {
	case c.gone:
		w.calls.remove(c)
	case c.client.link != nil:
		c.client.link.reply(now, c)
	default:
		c.client.answered(now, c)
	}
}

// newCall returns a new call; nil, and the world stops, if there are too many.
func (w *World) newCall() *call {
	c := w.calls.add()
	if c == nil {
		w.stop("more than " + strconv.Itoa(w.calls.most) + " calls are open at once: something grows without end")
	}
	return c
}
