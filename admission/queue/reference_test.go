package queue_test

import (
	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// A reference is a waiting room in the plainest form: one slice in order of
// arrival, searched from end to end for every answer.
type reference struct {
	length int
	order  queue.Order
	lifo   bool
	seq    int
	units  []refUnit
	bands  [penstock.Bands]refBand
}

type refUnit struct {
	queue.Item
	handle queue.Handle
}

type refBand struct {
	round, top int64
	flows      map[uint64]*refFlow
}

type refFlow struct {
	round  int64
	since  int // seq at which it queued up for that round
	pushed int // seq of its latest push
}

func newReference(cfg queue.Config) *reference {
	r := &reference{length: cfg.Length, order: cfg.Order}
	for b := range r.bands {
		r.bands[b].flows = map[uint64]*refFlow{}
	}
	return r
}

// flowKey is one and the same for all work where the order is not fair.
func (r *reference) flowKey(it queue.Item) uint64 {
	if r.order == queue.FIFO || r.order == queue.LIFO {
		return 0
	}
	return it.Flow
}

func (r *reference) newestFirst() bool {
	return r.order == queue.LIFO || r.order == queue.Auto && r.lifo
}

// of returns the waiting units of a band's flow, oldest first.
func (r *reference) of(band int, key uint64) (units []refUnit) {
	for _, u := range r.units {
		if u.Band == band && r.flowKey(u.Item) == key {
			units = append(units, u)
		}
	}
	return units
}

func (r *reference) push(it queue.Item) bool {
	if len(r.units) == r.length {
		return false
	}
	r.seq++
	b := &r.bands[it.Band]
	key := r.flowKey(it)
	f := b.flows[key]
	if f == nil {
		f = &refFlow{}
		b.flows[key] = f
	}
	if len(r.of(it.Band, key)) == 0 {
		f.round = max(f.round, b.round+1)
		f.since = r.seq
	}
	f.pushed = r.seq
	b.top = max(b.top, f.round)
	r.units = append(r.units, refUnit{it, -1})
	return true
}

// named records the handle that the room under test gave the latest unit.
func (r *reference) named(h queue.Handle) { r.units[len(r.units)-1].handle = h }

// peek searches the highest band for the flow with the earliest turn.
func (r *reference) peek() (refUnit, bool) {
	for band := penstock.Bands - 1; band >= 0; band-- {
		var best []refUnit
		var turn *refFlow
		for key, f := range r.bands[band].flows {
			units := r.of(band, key)
			if len(units) > 0 && (turn == nil || f.round < turn.round || f.round == turn.round && f.since < turn.since) {
				best, turn = units, f
			}
		}
		if turn == nil {
			continue
		}
		if r.newestFirst() {
			return best[len(best)-1], true
		}
		return best[0], true
	}
	return refUnit{}, false
}

func (r *reference) leave(h queue.Handle, served bool) queue.Item {
	i := 0
	for r.units[i].handle != h {
		i++
	}
	u := r.units[i]
	b := &r.bands[u.Band]
	key := r.flowKey(u.Item)
	f := b.flows[key]
	if served {
		b.round = max(b.round, r.earliest(u.Band))
		f.round += int64(u.Cost)
		b.top = max(b.top, f.round)
	}
	r.units = append(r.units[:i:i], r.units[i+1:]...)
	r.seq++
	if served {
		f.since = r.seq
	}
	empty := true
	for _, other := range r.units {
		empty = empty && other.Band != u.Band
	}
	if empty {
		b.round = b.top
	}
	return u.Item
}

func (r *reference) earliest(band int) int64 {
	var rounds []int64
	for key, f := range r.bands[band].flows {
		if len(r.of(band, key)) > 0 {
			rounds = append(rounds, f.round)
		}
	}
	least := rounds[0]
	for _, x := range rounds {
		least = min(least, x)
	}
	return least
}

func (r *reference) expired(now mono.Time) (first refUnit, ok bool) {
	for _, u := range r.units {
		if u.Expires <= now && u.Expires != mono.Never && (!ok || u.Expires < first.Expires) {
			first, ok = u, true
		}
	}
	return first, ok
}

func (r *reference) next() (mono.Time, bool) {
	u, ok := r.expired(mono.Never)
	if !ok {
		return 0, false
	}
	return u.Expires, true
}

func (r *reference) weakest(below int) (refUnit, bool) {
	for band := range min(max(below, 0), penstock.Bands) {
		var last []refUnit
		var finish int64
		var pushed int
		for key, f := range r.bands[band].flows {
			units := r.of(band, key)
			if len(units) == 0 {
				continue
			}
			end := f.round
			for _, u := range units {
				end += int64(u.Cost)
			}
			if last == nil || end > finish || end == finish && f.pushed > pushed {
				last, finish, pushed = units, end, f.pushed
			}
		}
		if last == nil {
			continue
		}
		if r.newestFirst() {
			return last[0], true
		}
		return last[len(last)-1], true
	}
	return refUnit{}, false
}

func (r *reference) lenFrom(band int) (units, cost int) {
	for _, u := range r.units {
		if u.Band >= band {
			units++
			cost += u.Cost
		}
	}
	return units, cost
}
