package sim

import (
	"math/rand/v2"

	"github.com/penstock-go/penstock/mono"
)

// cache is a look-aside cache. It holds its keys in a list, from the latest used
// to the one that goes next.
type cache struct {
	cfg     *Cache
	world   *World
	led     *ledger
	client  *client
	rng     *rand.Rand
	entries []entry // by key; key 0 is the list's two ends
	held    int
}

// entry is one key.
type entry struct {
	newer, older int32
	held         bool
	expires      mono.Time
	first, last  *call // who waits for one answer (Coalesce)
}

// coalesced marks an owner that is a key, not a call.
const coalesced = 1 << 63

func newCache(w *World, cfg *Cache, keys int) *cache {
	c := &cache{
		cfg: cfg, world: w, led: w.ledger(cfg.Name, CachePart, true),
		rng: Stream(w.plan.Seed, cfg.Name, "hits"), entries: make([]entry, keys+1),
	}
	c.client = w.newClient(cfg.Name, cfg.Client, c)
	if cfg.Filled {
		for k := min(keys, cfg.Capacity); k > 0; k-- {
			c.keep(0, uint64(k))
		}
	}
	return c
}

// take looks for the key, and asks for it if it is not there.
func (h *cache) take(now mono.Time, c *call) {
	h.led.enter(now)
	if c.work.Attempt <= 1 {
		h.led.cur.First++
	}
	c.arrived = now
	r := c.request
	r.work = c.shown()
	if c.key == 0 || c.key >= uint64(len(h.entries)) {
		h.client.ask(now, c.id, r)
		return
	}
	e := &h.entries[c.key]
	if e.held && h.cfg.TTL > 0 && now >= e.expires {
		h.drop(c.key)
	}
	if e.held {
		h.hit(now, c)
		return
	}
	if !h.cfg.Coalesce {
		h.client.ask(now, c.id, r)
		return
	}
	if e.first == nil {
		e.first, e.last = c, c
		h.client.ask(now, coalesced|c.key, r)
		return
	}
	e.last.next, e.last = c, c
}

func (h *cache) hit(now mono.Time, c *call) {
	h.led.cur.Hits++
	h.unlink(c.key)
	h.link(c.key)
	if h.cfg.Hit == nil {
		h.end(now, c, result{})
		return
	}
	h.world.loop.At(now.Add(h.cfg.Hit.Draw(h.rng)), h, c.id)
}

// Fire is the end of a hit.
func (h *cache) Fire(now mono.Time, id uint64) { h.end(now, h.world.calls.get(id), result{}) }

// leave does nothing: whoever comes next will be glad of the answer.
func (*cache) leave(mono.Time, *call) {}

// ended is the answer from behind the cache.
func (h *cache) ended(now mono.Time, owner uint64, r result) {
	if r.fate == late {
		r = result{fate: failed}
	}
	if owner&coalesced == 0 {
		c := h.world.calls.get(owner)
		if r.fate == good && c.key > 0 && c.key < uint64(len(h.entries)) {
			h.keep(now, c.key)
		}
		h.end(now, c, r)
		return
	}
	key := owner &^ coalesced
	e := &h.entries[key]
	c := e.first
	e.first, e.last = nil, nil
	if r.fate == good {
		h.keep(now, key)
	}
	for c != nil {
		next := c.next
		h.end(now, c, r)
		c = next
	}
}

func (h *cache) end(now mono.Time, c *call, r result) {
	booked := r
	if c.gone || r.fate == good && c.hasWorth && now > c.worth {
		booked.fate = late
	}
	h.led.leave(now, c.arrived, booked, c.work.Criticality)
	if booked.fate == good {
		h.led.latency(now.Sub(c.arrived))
	}
	h.world.answer(now, c, r)
}

// keep holds a key from now on.
func (h *cache) keep(now mono.Time, key uint64) {
	e := &h.entries[key]
	e.expires = now.Add(h.cfg.TTL)
	if e.held {
		h.unlink(key)
	} else {
		e.held = true
		h.held++
	}
	h.link(key)
	if h.held > h.cfg.Capacity {
		h.drop(uint64(h.entries[0].newer)) // the oldest
	}
}

func (h *cache) drop(key uint64) {
	h.unlink(key)
	h.entries[key].held = false
	h.held--
}

// flush forgets everything.
func (h *cache) flush() {
	for h.held > 0 {
		h.drop(uint64(h.entries[0].newer))
	}
}

// link puts a key at the newest end: entries[0].older is the newest, and
// entries[0].newer the oldest.
func (h *cache) link(key uint64) {
	ends, e := &h.entries[0], &h.entries[key]
	e.newer, e.older = 0, ends.older
	h.entries[e.older].newer = int32(key)
	ends.older = int32(key)
}

func (h *cache) unlink(key uint64) {
	e := &h.entries[key]
	h.entries[e.older].newer = e.newer
	h.entries[e.newer].older = e.older
}
