package flow

import (
	"fmt"
	"slices"
)

// A loader collects what a store has for a core.
type loader struct {
	core  *Core
	all   []*entry
	ended []remembered
	keys  map[string]string // equal keys share their bytes
}

func (l *loader) add(it *Item) error {
	c := l.core
	if it.State == Ended {
		l.ended = append(l.ended, remembered{hashID(it.ID), it.No, it.Due})
		return nil
	}
	e := &entry{Item: *it, deadPos: -1}
	if e.stage = c.stage(it.Stage); e.stage == nil {
		return fmt.Errorf("flow %s: item %q is in stage %q, which the definition does not have", c.def.Name, it.ID, it.Stage)
	}
	e.Flow, e.Stage = c.def.Name, e.stage.Name
	if k, ok := l.keys[e.Key]; ok {
		e.Key = k
	} else {
		if l.keys == nil {
			l.keys = map[string]string{}
		}
		l.keys[e.Key] = e.Key
	}
	l.all = append(l.all, e)
	return nil
}

// end hands over what was collected, the oldest items first.
func (l *loader) end(now Instant) {
	c := l.core
	slices.SortFunc(l.all, func(a, b *entry) int { return cmpUint(a.No, b.No) })
	c.items = make(map[uint64]*entry, len(l.all))
	c.ids = make(map[idHash]uint64, len(l.all)+len(l.ended))
	slices.SortStableFunc(l.ended, func(a, b remembered) int { return cmpUint(uint64(a.until), uint64(b.until)) })
	for _, r := range l.ended {
		c.ids[r.id] = r.no
		c.ended.push(r)
	}
	for _, e := range l.all {
		switch e.State {
		case Delayed:
			e.at = place{kind: outsidePlace}
		case Spilled:
			e.at = place{kind: spillwayPlace}
		default:
			e.at = place{kind: insidePlace, stage: e.stage, charge: e.Charge}
		}
		c.take(e.at)
		c.items[e.No] = e
		c.ids[hashID(e.ID)] = e.No
		if e.Attempts > 0 && e.State == Waiting {
			e.stage.ready.hold(e)
		}
		c.settle(now, e)
	}
}
