package flow_test

import (
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/mono"
)

// A world is what is outside a core: a store that is a plain list, workers with
// their leases, two clocks, and a memory of every promise.
type world struct {
	t     *rapid.T
	core  *flow.Core
	def   flow.Definition
	now   flow.Instant
	rng   *rand.Rand
	epoch uint64
	items []flow.Item // as stored
	ended []flow.Item
	open  []*flow.Proposal // proposed, not yet committed
	held  []grant
	using map[*flow.Proposal]grant
	stale []flow.Lease
	known map[string]bool // ids that were accepted
	next  int

	latest flow.Wall      // that the wall clock has shown
	bound  map[string]int // what each stage may hold
}

type grant struct {
	flow.Lease
	item   flow.Item
	expiry mono.Time
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(1, 2)), known: map[string]bool{}, now: flow.Instant{Mono: -5000, Wall: 1e18}}
	w.def = drawDefinition(t)
	w.restart()
	return w
}

func drawDefinition(t *rapid.T) flow.Definition {
	d := flow.Definition{
		Name: "f", Spillway: rapid.IntRange(1, 4).Draw(t, "spillway"), DelayedMax: rapid.IntRange(1, 4).Draw(t, "delayed_max"),
		Remember: time.Hour, RememberMax: 1000,
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "stages") {
		d.Stages = append(d.Stages, flow.Stage{
			Name: string(rune('a' + i)), WIP: rapid.IntRange(1, 6).Draw(t, "wip"),
			Attempts: rapid.IntRange(1, 3).Draw(t, "attempts"), Ordered: rapid.Bool().Draw(t, "ordered"),
			Conflate: rapid.SampledFrom([]flow.Conflation{flow.ConflateNone, flow.ConflateLast}).Draw(t, "conflate"),
		})
	}
	return d.Normalize()
}

func (w *world) stored() iter.Seq2[flow.Item, error] {
	return func(yield func(flow.Item, error) bool) {
		for _, it := range append(slices.Clone(w.items), w.ended...) {
			if !yield(it, nil) {
				return
			}
		}
	}
}

// restart makes a core from what is stored, as after a crash: what was proposed
// and not committed never happened.
func (w *world) restart() {
	w.latest = max(w.latest, w.now.Wall)
	for _, g := range w.held {
		w.stale = append(w.stale, g.Lease)
	}
	w.held, w.open, w.using = nil, nil, map[*flow.Proposal]grant{}
	w.epoch++
	var err error
	if w.core, err = flow.New(w.now, w.def, flow.NewEpoch(w.epoch), w.stored(), w.rng); err != nil {
		w.t.Fatal(err)
	}
	w.within(true)
}

func (w *world) propose(p *flow.Proposal, err error) bool {
	if err != nil {
		return false
	}
	w.open = append(w.open, p)
	return true
}

// commit stores what is proposed, in order, and applies it.
func (w *world) commit(n int) {
	for range n {
		p := w.open[0]
		w.open = w.open[1:]
		if c := p.Change; c.Op == flow.OpDefine {
			w.def = *c.Definition
		} else if c.Op != flow.OpNone {
			w.store(c)
		}
		if ok := w.core.Apply(w.now, p); !ok && w.known[p.Change.Item.ID] {
			w.t.Fatalf("%s was accepted, and its duplicate is told it was not", p.Change.Item.ID)
		}
		w.within(p.Change.Op == flow.OpDefine)
	}
}

func (w *world) store(c flow.Change) {
	if c.Op == flow.OpMerge {
		w.put(*c.Absorbed)
	}
	w.put(c.Item)
}

func (w *world) put(it flow.Item) {
	i := slices.IndexFunc(w.items, func(o flow.Item) bool { return o.No == it.No })
	switch {
	case i < 0 && it.Hop != 1:
		w.t.Fatalf("%s comes to the store with its hop %d", it.ID, it.Hop)
	case i >= 0 && w.items[i].Hop+1 != it.Hop:
		w.t.Fatalf("%s goes from hop %d to %d", it.ID, w.items[i].Hop, it.Hop)
	case i < 0 && w.known[it.ID]:
		w.t.Fatalf("%s was accepted twice", it.ID)
	}
	w.known[it.ID] = true
	if i >= 0 {
		w.items = slices.Delete(w.items, i, i+1)
	}
	if it.State == flow.Ended {
		w.ended = append(w.ended, it)
	} else {
		w.items = append(w.items, it)
	}
}

func (w *world) abort(n int) {
	for range n {
		p := w.open[len(w.open)-1]
		w.open = w.open[:len(w.open)-1]
		w.core.Abort(w.now, p)
		if g, ok := w.using[p]; ok { // the lease acts again
			w.held = append(w.held, g)
			w.stale = slices.DeleteFunc(w.stale, func(l flow.Lease) bool { return l == g.Lease })
		}
	}
}

func (w *world) offer() {
	t := w.t
	w.next++
	o := flow.Offer{
		ID: "i" + string(rune('0'+w.next%10)) + string(rune('a'+w.next/10%26)), Key: rapid.SampledFrom([]string{"", "k", "l"}).Draw(t, "key"),
		Cost:        rapid.IntRange(1, 8).Draw(t, "cost"),
		Criticality: penstock.Criticality(rapid.IntRange(0, 4).Draw(t, "criticality")),
	}
	switch rapid.IntRange(0, 5).Draw(t, "extra") {
	case 0:
		o.Due = w.now.Wall.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "due")))
	case 1:
		o.Deadline = w.now.Wall.Add(time.Duration(rapid.IntRange(-1, 200).Draw(t, "deadline")))
	case 2:
		if len(w.items) > 0 {
			o.ID = w.items[rapid.IntRange(0, len(w.items)-1).Draw(t, "duplicate of")].ID
		}
	}
	p, err := w.core.Offer(w.now, o)
	if err == nil && p.Outcome != flow.Duplicate && w.known[o.ID] {
		t.Fatalf("%s is known and was taken in again", o.ID)
	}
	var rejected *penstock.RejectedError
	if errors.As(err, &rejected) && rejected.Reason == penstock.ReasonLimit && w.room(o.Cost) {
		t.Fatalf("refused a cost of %d though there is room: %+v", o.Cost, w.core.Stats(w.now).Stages[0])
	}
	w.propose(p, err)
}

// room is the plain question whether the entrance has room, asked of lists.
func (w *world) room(cost int) bool {
	s := w.def.Stages[0]
	used := 0
	for _, it := range w.items {
		if it.Stage != s.Name {
			continue
		}
		if it.State == flow.Delayed && it.Due <= w.latest {
			return false // it was there first
		}
		used += int(it.Charge)
	}
	for _, p := range w.open {
		if p.Change.Item.Stage == s.Name && p.Change.Item.State != flow.Ended {
			used += int(p.Change.Item.Charge) // perhaps twice: then the answer is no
		}
	}
	return used+min(cost, s.WIP) <= s.WIP
}

func (w *world) pull() {
	s := rapid.IntRange(0, len(w.def.Stages)-1).Draw(w.t, "stage")
	lease := time.Duration(rapid.IntRange(1, 100).Draw(w.t, "lease"))
	got, err := w.core.Pull(w.now, w.def.Stages[s].Name, rapid.IntRange(1, 3).Draw(w.t, "n"), lease, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range got {
		w.checkPull(l, w.def.Stages[s])
		w.held = append(w.held, grant{l.Lease, l.Item, w.now.Mono.Add(lease)})
	}
}

// checkPull asks the lists whether the item could be handed out.
func (w *world) checkPull(l flow.Leased, s flow.Stage) {
	i := slices.IndexFunc(w.items, func(o flow.Item) bool { return o.No == l.Item.No })
	if i < 0 || w.items[i] != l.Item || l.Item.Stage != s.Name || l.Item.State != flow.Waiting || l.Item.Due > max(w.latest, w.now.Wall) {
		w.t.Fatalf("handed out %+v, which is not stored so, or not due", l.Item)
	}
	if s.Paused {
		w.t.Fatal("handed out while paused")
	}
	for _, g := range w.held {
		if g.expiry > w.now.Mono && g.item.No == l.Item.No {
			w.t.Fatalf("%s is handed out twice", l.Item.ID)
		}
	}
	if !s.Ordered || l.Item.Key == "" {
		return
	}
	for _, g := range w.held {
		if g.expiry > w.now.Mono && g.item.Stage == s.Name && g.item.Key == l.Item.Key {
			w.t.Fatalf("key %s has %s out, and gets %s", l.Item.Key, g.item.ID, l.Item.ID)
		}
	}
}

// use lets a worker act on a lease that is good, or one that must be refused.
func (w *world) use() {
	t := w.t
	var l flow.Lease
	var g grant
	good := false
	if n := len(w.stale); n > 0 && rapid.IntRange(0, 3).Draw(t, "stale") == 0 {
		l = w.stale[rapid.IntRange(0, n-1).Draw(t, "which")]
	} else if n := len(w.held); n > 0 {
		i := rapid.IntRange(0, n-1).Draw(t, "which")
		g = w.held[i]
		l, good = g.Lease, g.expiry > w.now.Mono
		if rapid.IntRange(0, 9).Draw(t, "extend") == 0 {
			w.extend(i, good)
			return
		}
		w.held = slices.Delete(w.held, i, i+1)
		w.stale = append(w.stale, l)
	} else {
		return
	}
	var p *flow.Proposal
	var err error
	switch rapid.IntRange(0, 5).Draw(t, "act") {
	case 0:
		p, err = w.core.Nack(w.now, l, time.Duration(rapid.IntRange(-1, 50).Draw(t, "delay")), "try again")
	case 1:
		p, err = w.core.Spill(w.now, l, "no good")
	default:
		p, err = w.core.Ack(w.now, l, []byte("out"), rapid.Bool().Draw(t, "output"))
	}
	if err == nil {
		w.using[p] = g
	}
	if good != (err == nil) || !good && !errors.Is(err, flow.ErrStale) {
		t.Fatalf("a lease that is good: %v, is answered %v", good, err)
	}
	w.propose(p, err)
}

func (w *world) extend(i int, good bool) {
	d, err := w.core.Extend(w.now, w.held[i].Lease, 70)
	if good != (err == nil) || good && d != 70 {
		w.t.Fatalf("extending a lease that is good: %v: %v, %v", good, d, err)
	}
	if good {
		w.held[i].expiry = w.now.Mono.Add(d)
	}
}

func (w *world) spillway() {
	spilled, err := w.core.Spillway("", 100, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(spilled) == 0 {
		return
	}
	id := spilled[rapid.IntRange(0, len(spilled)-1).Draw(w.t, "spilled")].ID
	if rapid.Bool().Draw(w.t, "replay") {
		w.propose(w.core.Replay(w.now, id))
	} else {
		w.propose(w.core.Discard(w.now, id))
	}
}

func (w *world) define() {
	d := w.def
	d.Stages = slices.Clone(d.Stages)
	s := &d.Stages[rapid.IntRange(0, len(d.Stages)-1).Draw(w.t, "stage")]
	switch rapid.IntRange(0, 5).Draw(w.t, "define") {
	case 0:
		s.Paused = !s.Paused
	case 1:
		s.Draining = !s.Draining
	case 2:
		s.Ordered = !s.Ordered
	case 3:
		if len(d.Stages) > 1 {
			i := rapid.IntRange(0, len(d.Stages)-1).Draw(w.t, "gone")
			d.Stages = slices.Delete(d.Stages, i, i+1)
		}
	default:
		s.WIP = rapid.IntRange(1, 6).Draw(w.t, "wip")
	}
	w.propose(w.core.Define(d))
}

func (w *world) pass() {
	d := time.Duration(rapid.IntRange(1, 80).Draw(w.t, "pass"))
	w.now.Mono = w.now.Mono.Add(d)
	w.now.Wall = w.now.Wall.Add(d)
	defer func() { w.latest = max(w.latest, w.now.Wall) }()
	if rapid.IntRange(0, 19).Draw(w.t, "jump") == 0 {
		w.now.Wall = w.now.Wall.Add(time.Duration(rapid.IntRange(-200, 200).Draw(w.t, "by")))
	}
}

func (w *world) step() {
	w.latest = max(w.latest, w.now.Wall)
	w.open = append(w.open, w.core.Step(w.now, 100, nil)...)
}

// check compares the core with the lists, once with what is stored and once with
// what will be when all that is proposed is.
func (w *world) check() {
	if err := w.core.Check(w.open); err != nil {
		w.t.Fatal(err)
	}
	inside := map[string]int{}
	changed := map[uint64]bool{}
	for _, p := range slices.Backward(w.open) {
		if p.Change.Op != flow.OpNone {
			w.count(inside, changed, p.Change.Item)
		}
		if p.Change.Op == flow.OpMerge {
			w.count(inside, changed, *p.Change.Absorbed)
		}
	}
	for _, it := range w.items {
		w.count(inside, changed, it)
	}
	for _, s := range w.core.Stats(w.now).Stages {
		if s.Used != inside[s.Stage] {
			w.t.Fatalf("stage %s counts %d used, and %d will be stored in it", s.Stage, s.Used, inside[s.Stage])
		}
		if s.Used > w.bound[s.Stage] {
			w.t.Fatalf("stage %s holds %d of %d", s.Stage, s.Used, s.Limit)
		}
	}
	if got := w.core.Stats(w.now); got.Spillway > w.def.Spillway || got.Delayed > w.def.DelayedMax {
		w.t.Fatalf("%d in the spillway, %d delayed", got.Spillway, got.Delayed)
	}
}

// count adds what an item takes up of its stage, if it is not counted yet.
func (w *world) count(inside map[string]int, counted map[uint64]bool, it flow.Item) {
	if it.No == 0 || counted[it.No] {
		return
	}
	counted[it.No] = true
	if it.State != flow.Ended {
		inside[it.Stage] += int(it.Charge)
	}
}

// within demands that no limit is exceeded by what is stored, after each change by
// itself. Where a limit has just been lowered, what had its place already may come.
func (w *world) within(defined bool) {
	if defined {
		w.bound = w.most()
	}
	for stage, n := range w.inside() {
		if n > w.bound[stage] {
			w.t.Fatalf("%d are stored in stage %s, where %d may be", n, stage, w.bound[stage])
		}
	}
	if len(w.open) == 0 {
		w.bound = w.most()
	}
}

func (w *world) inside() map[string]int {
	inside := map[string]int{}
	for _, it := range w.items {
		inside[it.Stage] += int(it.Charge)
	}
	return inside
}

// most is what each stage will hold at the most while what is proposed comes to be
// stored, and what it may hold.
func (w *world) most() map[string]int {
	inside, at := w.inside(), map[uint64]flow.Item{}
	for _, it := range w.items {
		at[it.No] = it
	}
	bound := map[string]int{}
	for _, s := range w.def.Stages {
		bound[s.Name] = max(s.WIP, inside[s.Name])
	}
	for _, p := range w.open {
		c := p.Change
		switch c.Op {
		case flow.OpNone, flow.OpDefine:
			continue
		case flow.OpMerge:
			c.Item = *c.Absorbed
		default:
		}
		if c.Item.State == flow.Ended {
			c.Item.Charge = 0
		}
		if old, ok := at[c.Item.No]; ok {
			inside[old.Stage] -= int(old.Charge)
		}
		inside[c.Item.Stage] += int(c.Item.Charge)
		at[c.Item.No] = c.Item
		bound[c.Item.Stage] = max(bound[c.Item.Stage], inside[c.Item.Stage])
	}
	return bound
}

// drain takes every hindrance away and works until nothing is left: there is no
// state that an item cannot leave.
func (w *world) drain() {
	d := w.def
	d.Stages = slices.Clone(d.Stages)
	for i := range d.Stages {
		d.Stages[i].Paused, d.Stages[i].Draining = false, false
	}
	w.commit(len(w.open))
	w.propose(w.core.Define(d))
	for range 2000 {
		w.step()
		w.commit(len(w.open))
		if len(w.items) == 0 {
			return
		}
		for _, s := range d.Stages {
			got, _ := w.core.Pull(w.now, s.Name, 10, time.Hour, nil)
			for _, l := range got {
				w.propose(w.core.Ack(w.now, l.Lease, nil, false))
			}
		}
		w.commit(len(w.open))
		if spilled, _ := w.core.Spillway("", 1, nil); len(spilled) > 0 {
			w.propose(w.core.Discard(w.now, spilled[0].ID))
		}
		w.commit(len(w.open))
		if at, ok := w.core.Next(w.now); ok && at > w.now.Mono {
			w.now.Wall = w.now.Wall.Add(at.Sub(w.now.Mono))
			w.now.Mono = at
		}
	}
	w.t.Fatalf("%d items cannot leave: %+v; %+v", len(w.items), w.items[0], w.core.Stats(w.now))
}

func lives(t *rapid.T) {
	w := newWorld(t)
	for range rapid.IntRange(1, 80).Draw(t, "steps") {
		switch rapid.IntRange(0, 19).Draw(t, "do") {
		case 0, 1, 2, 3, 4:
			w.offer()
		case 5, 6, 7, 8:
			w.pull()
		case 9, 10, 11, 12:
			w.use()
		case 13:
			w.spillway()
		case 14:
			w.define()
		case 15, 16:
			w.pass()
		case 17:
			if n := len(w.open); n > 0 {
				w.abort(rapid.IntRange(1, n).Draw(t, "abort"))
			}
		case 18:
			w.step()
		case 19:
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				w.restart()
			}
		}
		w.check()
		if n := len(w.open); n > 0 && rapid.IntRange(0, 2).Draw(t, "commit") > 0 {
			w.commit(rapid.IntRange(1, n).Draw(t, "n"))
		}
		w.check()
	}
	w.drain()
}

// TestLives lets cores live through anything, and asks lists whether each
// answer was right.
func TestLives(t *testing.T) { rapid.Check(t, lives) }

func FuzzLives(f *testing.F) { f.Fuzz(rapid.MakeFuzz(lives)) }
