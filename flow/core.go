package flow

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A Core is one flow. It is single-threaded: its shell has the lock.
//
// After any call the shell calls [Core.Step], and again when [Core.Next] says.
type Core struct {
	def     Definition
	epoch   *Epoch
	rng     *rand.Rand
	stages  []*stage
	items   map[uint64]*entry
	ids     map[idHash]uint64 // of all items, and of ended ones while they are remembered
	ended   ring              // the remembered, in order of when they are forgotten
	leaseNo uint64
	stirred bool // something has happened since the last Step

	leases    heap[*entry, byExpiry]
	due       heap[*entry, byDue]
	deadlines heap[*entry, byDeadline]
	spillers  heap[*entry, byAge] // to be spilled, once the spillway has room
	spillway  list
	spilled   int // places taken in the spillway, reserved ones included
	delayed   int // places taken outside, reserved ones included
	defining  bool
	entrance  entrance
	counts    Counts
}

// idHash stands for an item's id: half of its SHA-256.
type idHash [16]byte

func hashID(id string) idHash {
	sum := sha256.Sum256([]byte(id))
	return idHash(sum[:16])
}

// An entry is an item in memory.
type entry struct {
	Item
	stage   *stage
	at      place     // what it takes up
	queue   *keyQueue // while it is ready
	prev    *entry    // among the ready, or in the spillway
	next    *entry
	lease   uint64 // number of the latest lease
	expiry  mono.Time
	since   mono.Time // when it became ready, was leased, or was blocked
	pos     int32     // in the structure that where names
	deadPos int32     // in deadlines; -1 if it is not there
	where   where
	holds   bool // its key waits for it
}

// where says which structure an entry is in: one at most.
type where uint8

const (
	nowhere    where = iota
	inReady          // of its stage
	inLeases         // handed out
	inDue            // waits for its time, inside or outside its stage
	inEntering       // of its stage: outside, due, waits for room
	inBlocked        // of its stage
	inSpillers
	inSpillway
	inProposal // a change of it is being committed
)

type byExpiry struct{}

func (byExpiry) less(a, b *entry) bool {
	return a.expiry < b.expiry || a.expiry == b.expiry && a.No < b.No
}
func (byExpiry) place(e *entry, i int32) { e.pos = i }

type byDue struct{}

func (byDue) less(a, b *entry) bool   { return a.Due < b.Due || a.Due == b.Due && a.No < b.No }
func (byDue) place(e *entry, i int32) { e.pos = i }

type byDeadline struct{}

func (byDeadline) less(a, b *entry) bool {
	return a.Deadline < b.Deadline || a.Deadline == b.Deadline && a.No < b.No
}
func (byDeadline) place(e *entry, i int32) { e.deadPos = i }

// A stage is one station with its limit.
type stage struct {
	Stage
	index    int
	used     int // cost of what is inside, reserved places included
	leased   int
	leaving  bool // a definition without it is being stored
	demand   int  // workers that wait
	ready    ready
	entering heap[*entry, byAge] // outside, due, waiting for room
	blocked  heap[*entry, byAge] // finished, waiting for room in the next
	clock    stageClock
}

// charge is what an item counts in a stage: one that costs more than the limit
// counts as the limit, so that it can enter alone.
func (s *stage) charge(e *Item) int { return min(int(e.Cost), s.WIP) }

func (s *stage) fits(charge int) bool { return s.used+charge <= s.WIP }

// A place is what an item takes up: part of a stage's limit, or one of those
// outside, or one of the spillway's. The zero place is none.
type place struct {
	stage  *stage
	charge int32
	kind   placeKind
}

type placeKind uint8

const (
	noPlace placeKind = iota
	insidePlace
	outsidePlace
	spillwayPlace
)

func inside(s *stage, it *Item) place {
	return place{kind: insidePlace, stage: s, charge: int32(s.charge(it))}
}

func (c *Core) take(p place) {
	switch p.kind {
	case noPlace:
	case insidePlace:
		p.stage.used += int(p.charge)
	case outsidePlace:
		c.delayed++
	case spillwayPlace:
		c.spilled++
	}
}

func (c *Core) give(p place) {
	switch p.kind {
	case noPlace:
	case insidePlace:
		p.stage.used -= int(p.charge)
	case outsidePlace:
		c.delayed--
	case spillwayPlace:
		c.spilled--
	}
}

// ErrUnknownStage says that the flow has no stage of that name.
var ErrUnknownStage = errors.New("flow: no such stage")

// New returns the core of a flow as a store has it. The definition must be valid
// and normalized; the cores of one store share its epoch. Items of other flows are
// passed over. The generator spreads backoff and retry-after; the core keeps it.
func New(now Instant, def Definition, epoch *Epoch, items iter.Seq2[Item, error], rng *rand.Rand) (*Core, error) {
	c, err := empty(now, def, epoch, rng)
	if err != nil {
		return nil, err
	}
	l := loader{core: c}
	for it, err := range items {
		if err != nil {
			return nil, err
		}
		if it.Flow != def.Name {
			continue
		}
		if err := l.add(&it); err != nil {
			return nil, err
		}
	}
	l.end(now)
	return c, nil
}

// Load returns the cores of all flows of a store, in the order of their
// definitions, and reads its items once. The rest is as in [New].
func Load(now Instant, defs []Definition, epoch *Epoch, items iter.Seq2[Item, error], rng *rand.Rand) ([]*Core, error) {
	cores, byName := make([]*Core, len(defs)), make(map[string]*loader, len(defs))
	for i, d := range defs {
		var err error
		if cores[i], err = empty(now, d, epoch, rng); err != nil {
			return nil, err
		}
		byName[d.Name] = &loader{core: cores[i]}
	}
	for it, err := range items {
		if err != nil {
			return nil, err
		}
		l := byName[it.Flow]
		if l == nil {
			return nil, fmt.Errorf("flow: the store has items of flow %q, which is not defined", it.Flow)
		}
		if err := l.add(&it); err != nil {
			return nil, err
		}
	}
	for _, c := range cores {
		byName[c.def.Name].end(now)
	}
	return cores, nil
}

// empty is a core without items.
func empty(now Instant, def Definition, epoch *Epoch, rng *rand.Rand) (*Core, error) {
	if err := def.Validate(); err != nil {
		return nil, err
	}
	c := &Core{
		def: def, epoch: epoch, rng: rng,
		items: map[uint64]*entry{}, ids: map[idHash]uint64{},
		stirred: true,
	}
	c.entrance.init(now.Mono)
	for i, s := range def.Stages {
		c.stages = append(c.stages, newStage(now.Mono, s, i))
	}
	return c, nil
}

func newStage(now mono.Time, s Stage, index int) *stage {
	st := &stage{Stage: s, index: index}
	st.ready.ordered = s.Ordered
	st.clock.init(now)
	return st
}

func cmpUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// stage finds a stage by its name, or returns nil.
func (c *Core) stage(name string) *stage {
	for _, s := range c.stages {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// after is the stage that follows, or nil.
func (c *Core) after(s *stage) *stage {
	if s.index+1 < len(c.stages) {
		return c.stages[s.index+1]
	}
	return nil
}

// settle puts an entry that is nowhere into the structure that it belongs to.
func (c *Core) settle(now Instant, e *entry) {
	e.since = now.Mono
	if e.State == Delayed {
		// No key waits for an item outside: what may only follow it could hold the
		// very place that it needs to come back.
		e.stage.ready.release(e)
	}
	switch {
	case e.State == Spilled:
		e.where = inSpillway
		e.stage.ready.release(e)
		c.spillway.push(e)
		return
	case e.State == Spilling, e.Deadline != 0 && e.Deadline <= now.Wall:
		e.where = inSpillers
		e.stage.ready.release(e)
		c.spillers.push(e)
		return
	case e.State == Blocked:
		e.where = inBlocked
		e.stage.blocked.push(e)
	case e.Due > now.Wall:
		e.where = inDue
		c.due.push(e)
	case e.State == Delayed:
		e.where = inEntering
		e.stage.entering.push(e)
	default:
		e.where = inReady
		e.stage.ready.release(e)
		e.stage.ready.push(e)
	}
	if e.Deadline != 0 {
		c.deadlines.push(e)
	}
}

// detach takes an entry out of the structure it is in.
func (c *Core) detach(e *entry) {
	switch e.where {
	case inReady:
		e.stage.ready.remove(e)
	case inLeases:
		c.leases.remove(e.pos)
		e.stage.leased--
	case inDue:
		c.due.remove(e.pos)
	case inEntering:
		e.stage.entering.remove(e.pos)
	case inBlocked:
		e.stage.blocked.remove(e.pos)
	case inSpillers:
		c.spillers.remove(e.pos)
	case inSpillway:
		c.spillway.remove(e)
	case nowhere, inProposal:
	}
	if e.deadPos >= 0 {
		c.deadlines.remove(e.deadPos)
	}
	e.where = nowhere
}

// Definition returns the definition in force.
func (c *Core) Definition() Definition { return c.def }

// Len is how many items there are, those in the spillway included.
func (c *Core) Len() int { return len(c.items) }

// Next is the instant at which [Core.Step] must be called even if nothing else
// happens. It reports false when there is none. A caller that wants to notice
// jumps of the wall clock asks again now and then.
func (c *Core) Next(now Instant) (at mono.Time, ok bool) {
	if c.stirred {
		return now.Mono, true
	}
	at = mono.Never
	if c.leases.len() > 0 {
		at = min(at, c.leases.top().expiry)
	}
	if c.due.len() > 0 {
		at = min(at, now.until(c.due.top().Due))
	}
	if c.deadlines.len() > 0 {
		at = min(at, now.until(c.deadlines.top().Deadline))
	}
	return at, at != mono.Never
}

// jitter draws from the upper half of d, so that what failed together does not
// come back together.
func (c *Core) jitter(d time.Duration) time.Duration {
	return d - time.Duration(c.rng.Int64N(int64(d/2)+1))
}

// A list is what is in the spillway, in the order of spilling.
type list struct{ first, last *entry }

func (l *list) push(e *entry) {
	e.prev, e.next = l.last, nil
	if l.last != nil {
		l.last.next = e
	} else {
		l.first = e
	}
	l.last = e
}

func (l *list) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
}
