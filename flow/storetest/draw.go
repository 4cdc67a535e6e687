package storetest

import (
	"bytes"
	"fmt"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// Far is a wall instant that no test reaches.
const Far flow.Wall = 1 << 62

// Draw makes changes that fit what a store holds.
type Draw struct {
	T    *rapid.T
	last uint64
}

// Changes draws one commit's changes, of different items.
func (d *Draw) Changes(c *Content) []flow.Change {
	var out []flow.Change
	touched := map[uint64]bool{}
	for range rapid.IntRange(1, 8).Draw(d.T, "changes") {
		if ch, ok := d.change(c, touched); ok {
			out = append(out, ch)
		}
	}
	return out
}

func (d *Draw) payload() []byte {
	n := rapid.SampledFrom([]int{0, 1, 100, 3000, 20_000}).Draw(d.T, "size")
	return bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(d.T, "byte"))}, n)
}

func (d *Draw) change(c *Content, touched map[uint64]bool) (flow.Change, bool) {
	kind := rapid.IntRange(0, 9).Draw(d.T, "kind")
	switch {
	case kind == 0:
		def := flow.Definition{Name: "f", Stages: []flow.Stage{{Name: "a", WIP: rapid.IntRange(1, 9).Draw(d.T, "wip")}}, RememberMax: 1 << 20}.Normalize()
		return flow.Change{Op: flow.OpDefine, Definition: &def}, true
	case kind < 5:
		return d.put(touched), true
	}
	var present []flow.Item
	for _, it := range c.Items {
		if it.State != flow.Ended && !touched[it.No] {
			present = append(present, it)
		}
	}
	if len(present) == 0 {
		return flow.Change{}, false
	}
	it := present[rapid.IntRange(0, len(present)-1).Draw(d.T, "which")]
	touched[it.No] = true
	it.Hop++
	ch := flow.Change{Op: flow.OpMove, Item: it}
	switch kind {
	case 5, 6:
		ch.Op, ch.Item.State, ch.Item.Due = flow.OpFinish, flow.Ended, Far
	case 7:
		ch.Op, ch.Item.State, ch.Item.Reason = flow.OpSpill, flow.Spilled, "no good"
	case 8:
		for _, other := range present {
			if other.No != it.No {
				touched[other.No] = true
				other.Hop++
				other.State, other.Due = flow.Ended, Far
				absorbed := other
				ch.Op, ch.Absorbed = flow.OpMerge, &absorbed
				ch.Payload, ch.HasPayload = d.payload(), true
				ch.Item.Size = int32(len(ch.Payload))
				break
			}
		}
	default:
		ch.Item.Stage, ch.Item.State = "b", flow.Blocked
		ch.Payload, ch.HasPayload = d.payload(), true
		ch.Item.Size = int32(len(ch.Payload))
	}
	return ch, true
}

func (d *Draw) put(touched map[uint64]bool) flow.Change {
	d.last++
	touched[d.last] = true
	p := d.payload()
	return flow.Change{Op: flow.OpPut, Payload: p, HasPayload: true, Item: flow.Item{
		No: d.last, Hop: 1, Flow: "f", ID: fmt.Sprint("item ", d.last), Stage: "a", Size: int32(len(p)),
		Key:     rapid.SampledFrom([]string{"", "k", "ключ"}).Draw(d.T, "key"),
		Created: 1e18, Due: flow.Wall(rapid.Int64Range(0, 1<<62).Draw(d.T, "due")),
		Deadline: flow.Wall(rapid.Int64Range(0, 1<<62).Draw(d.T, "deadline")),
		Cost:     int32(rapid.IntRange(1, penstock.MaxCost).Draw(d.T, "cost")), Charge: 1,
		Rank: penstock.Rank(rapid.IntRange(0, int(penstock.MaxRank)).Draw(d.T, "rank")), Attempts: 3,
	}}
}
