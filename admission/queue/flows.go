package queue

import "math/bits"

const (
	// flowsPerBand bounds the flows that a band tells apart at any one time.
	flowsPerBand = 256
	// flowWays is how many places of the table a flow may be put in.
	flowWays = 8
)

// A band shares service between the flows of one band by deficit round robin
// (Shreedhar and Varghese, "Efficient Fair Queueing Using Deficit Round Robin",
// SIGCOMM 1995) with a quantum of one cost unit, in its surplus form: a flow is
// served when its turn comes and then sits out as many rounds as the unit cost,
// less the one it was served in. Walking the rounds would take time in
// proportion to the cost, so each flow carries the number of the round of its
// next turn, and a heap yields the earliest.
//
// At any instant the next turns of all flows with units lie within one maximal
// cost of each other. So two flows that both have units waiting, from an
// instant at which they were level, are served equal cost to within one maximal
// cost.
//
// Flows are hashed into sets of flowWays places, as in a set-associative cache
// (the idea is CAKE's, Høiland-Jørgensen, Täht and Morton 2018, over RFC 8290's
// plain hash). A flow keeps its place while it has units or has been served
// ahead of its share. When all places of its set are kept by others it shares
// one of them: the two then get one share between them, in order of arrival.
// Once a place comes free, what the flow pushes from then on goes there, and may
// be served before what it left behind.
type band struct {
	flows  []flow    // flowsPerBand, or one where the order is not fair
	turns  indexHeap // flows with units, by (round, order of queueing up)
	finish indexHeap // flows with units, the last to be served out first
	round  int64     // of the unit served last
	top    int64     // the highest round in which any flow ever got a turn
	units  int
	cost   int
}

// A flow is one place of a band's table.
type flow struct {
	key            uint64
	round          int64  // of its next turn
	cost           int    // of its units
	pushed         uint64 // seq of the latest push
	oldest, newest int32  // ends of the list of its units
}

func (b *band) init(o Order) {
	n := 1
	if o == Auto || o == Fair {
		n = flowsPerBand
	}
	b.flows = make([]flow, n)
	for i := range b.flows {
		b.flows[i].oldest, b.flows[i].newest = none, none
	}
	b.turns.grow(n)
	b.finish.grow(n)
}

// place finds the place of the flow with the given key.
func (b *band) place(key, seed uint64) int32 {
	if len(b.flows) == 1 {
		return 0
	}
	h := hash(key, seed)
	set := int32(h%(flowsPerBand/flowWays)) * flowWays
	vacant := int32(none)
	for i := set; i < set+flowWays; i++ {
		f := &b.flows[i]
		if f.key == key {
			return i
		}
		if vacant == none && f.oldest == none && f.round <= b.round+1 {
			vacant = i
		}
	}
	if vacant == none {
		return set + int32(h>>32%flowWays)
	}
	b.flows[vacant].key = key
	return vacant
}

// join adds a unit to a flow, as its newest, and returns the unit that was so
// far.
func (b *band) join(place, i int32, cost int, seq uint64) (prev int32) {
	f := &b.flows[place]
	prev = f.newest
	f.newest = i
	f.cost += cost
	f.pushed = seq
	b.units++
	b.cost += cost
	if prev == none {
		f.oldest = i
		// A flow joins at the end of the round under way: behind every flow
		// that waits, before every flow that will have been served by then.
		f.round = max(f.round, b.round+1)
		b.top = max(b.top, f.round)
		b.turns.set(place, f.round, seq)
	}
	b.rankFinish(place)
	return prev
}

// charge moves a flow's next turn by the cost of the unit that it is served.
func (b *band) charge(place int32, cost int) {
	b.round = max(b.round, b.turns.entries[0].key)
	f := &b.flows[place]
	f.round += int64(cost)
	b.top = max(b.top, f.round)
}

// part accounts for a unit that has been unlinked from its flow.
func (b *band) part(place int32, cost int, served bool, seq uint64) {
	f := &b.flows[place]
	f.cost -= cost
	b.units--
	b.cost -= cost
	switch {
	case f.oldest == none:
		b.turns.remove(place)
		b.finish.remove(place)
	case served:
		b.turns.set(place, f.round, seq)
	default:
		b.rankFinish(place)
	}
	if b.units == 0 {
		b.round = b.top // nobody waits: all flows are level again
	}
}

// rankFinish orders a flow by the round in which it will be served out. Being
// served does not change that round: the turn moves on by what the backlog
// loses.
func (b *band) rankFinish(place int32) {
	f := &b.flows[place]
	b.finish.set(place, -(f.round + int64(f.cost)), ^f.pushed)
}

// hash spreads keys by a folded multiplication.
func hash(key, seed uint64) uint64 {
	hi, lo := bits.Mul64(key^seed^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	hi, lo = bits.Mul64(hi^lo^seed, 0xa0761d6478bd642f)
	return hi ^ lo
}
