//go:build linux && recordeddisk

package boltstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/storetest"
)

// A system is a core on a store on a recorded disk, with drawn work, in virtual
// time: the same seed does the same.
type system struct {
	t      *testing.T
	rng    *rand.Rand
	dir    string
	disk   *disk
	store  *boltstore.Store
	core   *flow.Core
	now    flow.Instant
	def    flow.Definition
	open   []*flow.Proposal
	leases []flow.Lease
	states []storetest.Content // after each commit that returned
	maybe  *storetest.Content  // after the one that failed, if it was stored
	next   int
	noSync bool
	alone  bool  // folds come only when they must, so that the same seed does the same
	half   int64 // of the journal
	most   int   // bytes of a payload
	full   int
	broken int
}

func newSystem(t *testing.T, seed uint64) *system {
	s := &system{
		alone: seed%4 != 0, half: 48 << 10, most: 3000, t: t, rng: rand.New(rand.NewPCG(seed, 7)), dir: fastDir(t), now: flow.Instant{Wall: 1e18},
		def: flow.Definition{Name: "f", Spillway: 3, DelayedMax: 3, Remember: time.Hour, Stages: []flow.Stage{
			{Name: "a", WIP: 6, Attempts: 2, Conflate: flow.ConflateLast}, {Name: "b", WIP: 4, Attempts: 2, Ordered: true}, {Name: "c", WIP: 3, Attempts: 2},
		}}.Normalize(),
	}
	// A new file is made aside and then linked, which file systems do wholly or
	// not at all: the record begins with it.
	bolt.Disks = nil
	first := boltstore.New(s.path(), boltstore.Options{})
	boltstore.SetHalf(first, s.half)
	storetest.Read(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.disk = newDisk(t, s.path())
	s.disk.adopt(t, s.path())
	s.noSync = os.Getenv("PENSTOCK_NO_SYNC") == "store"
	s.disk.deaf = os.Getenv("PENSTOCK_NO_SYNC") == "disk"
	return s
}

func (s *system) path() string { return filepath.Join(s.dir, "flow.db") }

// end lets go of a system: the next may need the room.
func (s *system) end() {
	bolt.Forget()
	_ = s.disk.f.Close() // all of it was read
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

// start opens the store on what the disk has, and compares it with the promises.
func (s *system) start() {
	s.disk.use()
	s.store = s.unopened(s.path(), s.disk)
	epoch, got := storetest.Read(s.t, s.store)
	switch {
	case len(s.states) == 0:
		s.states = append(s.states, got)
	case storetest.Diff(got, s.last()) == "":
	case s.maybe != nil && storetest.Diff(got, *s.maybe) == "":
		s.states = append(s.states, *s.maybe)
	default:
		s.t.Fatalf("after a failure: %s", storetest.Diff(got, s.last()))
	}
	s.maybe = nil
	s.disk.mark(len(s.states) - 1)
	core, err := flow.New(s.now, s.def, flow.NewEpoch(epoch), func(yield func(flow.Item, error) bool) {
		for _, it := range got.Items {
			if !yield(it, nil) {
				return
			}
		}
	}, s.rng)
	if err != nil {
		s.t.Fatal(err)
	}
	s.core, s.open = core, nil
	if len(got.Defs) == 0 {
		s.propose(core.Define(s.def))
	}
}

// unopened is a store of the file at path, that is not open yet.
func (s *system) unopened(path string, d *disk) *boltstore.Store {
	wall := s.now.Wall // as it is now: folds may come at any time
	store := boltstore.New(path, boltstore.Options{Wall: func() flow.Wall { return wall }})
	boltstore.SetSlack(store, 8, 16<<10)
	boltstore.SetNoSync(store, s.noSync)
	boltstore.SetHalf(store, s.half)
	boltstore.SetFiles(store, d)
	if s.alone {
		boltstore.SetAlone(store)
	}
	return store
}

func (s *system) last() storetest.Content { return s.states[len(s.states)-1] }

func (s *system) propose(p *flow.Proposal, err error) {
	if err == nil {
		s.open = append(s.open, p)
	}
}

// work does one drawn thing.
func (s *system) work() {
	stage := s.def.Stages[s.rng.IntN(3)].Name
	switch s.rng.IntN(8) {
	case 0, 1, 2:
		s.next++
		o := flow.Offer{ID: fmt.Sprint("i", s.next), Key: []string{"", "k", "l"}[s.rng.IntN(3)], Cost: 1 + s.rng.IntN(2),
			Criticality: penstock.Criticality(s.rng.IntN(5)), Payload: make([]byte, s.rng.IntN(s.most))}
		if s.rng.IntN(5) == 0 {
			o.Deadline = s.now.Wall.Add(time.Second)
		}
		s.propose(s.core.Offer(s.now, o))
	case 3, 4:
		got, _ := s.core.Pull(s.now, stage, 2, time.Second, nil)
		for _, l := range got {
			s.leases = append(s.leases, l.Lease)
		}
	case 5, 6:
		s.use()
	case 7:
		s.now = s.now.After(time.Duration(s.rng.IntN(700)) * time.Millisecond)
		if spilled, _ := s.core.Spillway("", 1, nil); len(spilled) > 0 {
			s.propose(s.core.Discard(s.now, spilled[0].ID))
		}
	}
}

func (s *system) use() {
	if len(s.leases) == 0 {
		return
	}
	i := s.rng.IntN(len(s.leases))
	l := s.leases[i]
	s.leases = slices.Delete(s.leases, i, i+1)
	switch s.rng.IntN(6) {
	case 0:
		s.propose(s.core.Nack(s.now, l, -1, "again"))
	case 1:
		s.propose(s.core.Spill(s.now, l, "no good"))
	default:
		s.propose(s.core.Ack(s.now, l, make([]byte, s.rng.IntN(s.most/2)), s.rng.IntN(2) == 0))
	}
}

// commit stores what is proposed, as the engine does.
func (s *system) commit() error {
	s.open = append(s.open, s.core.Step(s.now, 50, nil)...)
	var changes []flow.Change
	after := s.last().Clone()
	for _, p := range s.open {
		if p.Change.Op == flow.OpMerge && !p.Change.HasPayload {
			b, err := s.store.Payload(context.Background(), p.Source)
			if err != nil {
				s.t.Fatal(err)
			}
			p.Change.Payload, p.Change.HasPayload = b, true
		}
		if p.Change.Op != flow.OpNone {
			changes = append(changes, p.Change)
			after.Apply(p.Change)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	err := s.store.Commit(context.Background(), changes)
	for _, p := range s.open {
		if err == nil {
			s.core.Apply(s.now, p)
		} else {
			s.core.Abort(s.now, p)
		}
	}
	s.open = s.open[:0]
	switch {
	case err == nil:
		s.states = append(s.states, after)
		s.disk.mark(len(s.states) - 1)
		s.limits()
	case errors.Is(err, flow.ErrStoreBroken):
		s.maybe = &after
	}
	return err
}

// limits demands that no stage holds more than it may.
func (s *system) limits() {
	for _, st := range s.core.Stats(s.now).Stages {
		if st.Used > st.Limit {
			s.t.Fatalf("stage %s holds %d of %d", st.Stage, st.Used, st.Limit)
		}
	}
}

func (s *system) run(commits int) {
	s.start()
	for range commits {
		for range 1 + s.rng.IntN(8) {
			s.work()
		}
		if err := s.commit(); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// recovered opens what a cut has left, twice: the second time after the power was
// cut again while the first was at it. It says what promise is broken.
func (s *system) recovered(p *platter, mark int) error {
	mark = max(mark, 0)
	want := []storetest.Content{s.states[mark]}
	if mark+1 < len(s.states) {
		want = append(want, s.states[mark+1]) // the commit that was under way is there wholly, or not
	}
	got, ops, err := s.reopened(p, want)
	if err != nil {
		return fmt.Errorf("after commit %d: %w", mark, err)
	}
	tp := newTape(ops)
	there := slices.IndexFunc(ops, func(op diskOp) bool { return op.kind != 'b' })
	tp.advance(there + s.rng.IntN(len(ops)-there+1))
	if tp.mark == 0 {
		want = []storetest.Content{got} // what an opened store has shown stays
	}
	if _, _, err := s.reopened(tp.cut(drawn(s.rng)), want); err != nil {
		return fmt.Errorf("after commit %d, and another cut at %v of the start after: %w", mark, tp, err)
	}
	return nil
}

// reopened opens what a platter holds, demands that it is one of what is wanted,
// and returns which, and what the disk was told meanwhile.
func (s *system) reopened(p *platter, want []storetest.Content) (got storetest.Content, ops []diskOp, err error) {
	path := filepath.Join(s.dir, "cut.db")
	if err := p.save(path); err != nil {
		s.t.Fatal(err)
	}
	d := newDisk(s.t, path)
	d.hold(p)
	d.use()
	defer d.f.Close()
	defer bolt.Forget() // else thousands of tapes stay in memory
	store := s.unopened(path, d)
	_, defs, items, err := store.Open(context.Background())
	if err != nil {
		return got, nil, fmt.Errorf("cannot be opened: %w", err)
	}
	d.mark(0)
	got, err = content(store, defs, items)
	if err := errors.Join(err, store.Close()); err != nil {
		return got, nil, err
	}
	diff := ""
	for _, w := range want {
		if diff = storetest.Diff(got, w); diff == "" {
			return got, d.ops, nil
		}
	}
	return got, nil, errors.New(diff)
}

func content(store *boltstore.Store, defs []flow.Definition, items iter.Seq2[flow.Item, error]) (storetest.Content, error) {
	got := storetest.Content{Payloads: map[uint64][]byte{}, Defs: defs}
	for it, err := range items {
		if err != nil {
			return got, err
		}
		got.Items = append(got.Items, it)
	}
	for _, it := range got.Items {
		var err error
		if it.State == flow.Ended {
			continue
		}
		if got.Payloads[it.No], err = store.Payload(context.Background(), it.No); err != nil {
			return got, err
		}
	}
	slices.SortFunc(got.Items, func(a, b flow.Item) int { return int(int64(a.No) - int64(b.No)) })
	return got, nil
}

// cuts cuts the power at drawn points, and returns the first promise broken.
func (s *system) cuts(n int) error {
	points := make([]int, n)
	for i := range points {
		points[i] = 1 + s.rng.IntN(len(s.disk.ops))
	}
	slices.Sort(points)
	tp := newTape(s.disk.ops)
	for _, p := range points {
		tp.advance(p)
		if err := s.recovered(tp.cut(drawn(s.rng)), tp.mark); err != nil {
			return fmt.Errorf("%v: %w", tp, err)
		}
	}
	return nil
}

// TestDiskPowerCuts cuts the power of many systems at drawn points.
func TestDiskPowerCuts(t *testing.T) {
	systems, each := 8, 60
	if proof {
		systems, each = 100, 120
	}
	ops, folds := 0, 0
	for seed := range systems {
		s := newSystem(t, uint64(seed))
		s.run(100)
		ops += len(s.disk.ops)
		folds += s.disk.folds()
		if err := s.cuts(each); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		s.end()
	}
	t.Logf("%d power cuts of %d systems, %d writes, syncs and commits, %d transactions of folds between commits", systems*each, systems, ops, folds)
	if folds < systems {
		t.Error("hardly anything was folded while commits went on")
	}
}

// TestDiskEveryCrashPoint cuts the power of small systems before every write,
// sync and answer, with every single write lost, kept or torn, and all of them.
func TestDiskEveryCrashPoint(t *testing.T) {
	systems, commits := 3, 16
	if proof {
		systems, commits = 20, 40
	}
	n, folds := 0, 0
	for seed := range systems {
		s := newSystem(t, uint64(1000+seed))
		s.half, s.most = 16<<10, 300
		s.run(commits)
		folds += s.disk.folds()
		tp := newTape(s.disk.ops)
		for p := range len(s.disk.ops) {
			tp.advance(1 + p)
			for name, f := range everyFate(len(tp.loose)) {
				n++
				if err := s.recovered(tp.cut(f), tp.mark); err != nil {
					t.Fatalf("seed %d, %v, %s: %v", seed, tp, name, err)
				}
			}
		}
		s.end()
	}
	t.Logf("%d crash points of %d systems, %d transactions of folds between commits", n, systems, folds)
	if folds < systems {
		t.Error("hardly anything was folded while commits went on")
	}
}

// everyFate lists what can become of n writes, one of them told apart.
func everyFate(n int) map[string]fate {
	all := map[string]fate{"all lost": lost}
	if n == 0 {
		return all
	}
	all["all kept"] = kept
	half := torn(rand.New(rand.NewPCG(1, 1)))
	for i := range n {
		one := func(special, rest fate) fate {
			return func(j int, op diskOp, to *platter) {
				if i == j {
					special(j, op, to)
				} else {
					rest(j, op, to)
				}
			}
		}
		maps.Copy(all, map[string]fate{
			fmt.Sprint(i, " lost alone"): one(lost, kept), fmt.Sprint(i, " kept alone"): one(kept, lost), fmt.Sprint(i, " torn"): one(half, kept),
		})
	}
	return all
}

// TestDiskFails lets disks fill up, fail, tear and be slow while systems work:
// what was not stored is taken back, a store that cannot know starts anew, and
// in the end everything is there once.
func TestDiskFails(t *testing.T) {
	seeds := 12
	if proof {
		seeds = 300
	}
	full, broken := 0, 0
	for seed := range seeds {
		s := newSystem(t, uint64(5000+seed))
		s.half, s.most = 24<<10, 800
		s.fails()
		full, broken = full+s.full, broken+s.broken
		s.end()
	}
	t.Logf("%d systems: full %d times, broken and started anew %d times", seeds, full, broken)
	if full == 0 || broken == 0 {
		t.Error("the disks have not failed in both ways")
	}
}

func (s *system) fails() {
	s.start()
	if s.alone {
		s.disk.delay = func() { s.now = s.now.After(time.Duration(s.rng.IntN(400)) * time.Millisecond) }
	}
	ok := s.commit()
	if ok != nil {
		s.t.Fatal(ok)
	}
	lasts := 0
	for range 80 {
		for range 1 + s.rng.IntN(8) {
			s.work()
		}
		if lasts--; lasts < 0 {
			s.disk.failing(s.failure())
			lasts = s.rng.IntN(12)
		}
		err := s.commit()
		switch {
		case err == nil:
		case errors.Is(err, flow.ErrStoreFull):
			s.full++
		case errors.Is(err, flow.ErrStoreBroken):
			s.broken++
			s.crash()
		default:
			s.t.Fatal(err)
		}
	}
	s.disk.failing(nil)
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start() // compares
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
	if r, err := boltstore.Verify(s.path()); err != nil || len(r.Problems) > 0 {
		s.t.Fatalf("%v, %+v", err, r)
	}
}

// failure draws what the disk does in the next commit.
func (s *system) failure() func(op byte, grows bool) error {
	at := s.rng.IntN(12)
	switch s.rng.IntN(6) {
	case 0: // no room from some write on
		return func(op byte, grows bool) error {
			if at--; at < 0 && grows && op == 'w' {
				return syscall.ENOSPC
			}
			return nil
		}
	case 1: // some write, sync or name fails
		return func(byte, bool) error {
			if at--; at == -1 {
				return errIO
			}
			return nil
		}
	}
	return nil
}

// folds counts the transactions of folds from the first commit to the last.
func (d *disk) folds() (n int) {
	syncs := -1
	for _, op := range d.ops {
		switch {
		case op.kind == 'm' && op.mark > 0:
			n += max(syncs, 0) / 2 // the pages', and the header's
			syncs = 0
		case op.kind == 's' && op.file == 0 && syncs >= 0:
			syncs++
		}
	}
	return n
}

// adopt begins the record with what the files hold: that is on the disk.
func (d *disk) adopt(t *testing.T, path string) {
	read := func(path string) (diskOp, bool) {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return diskOp{}, false
		}
		if err != nil {
			t.Fatal(err)
		}
		return diskOp{kind: 'b', bytes: bytes.TrimRight(b, "\x00"), size: int64(len(b))}, true
	}
	op, _ := read(path)
	d.ops, d.sizes = []diskOp{op}, []int64{op.size}
	if op, ok := read(path + ".journal"); ok {
		op.file = 1
		d.ops, d.sizes = append(d.ops, op), append(d.sizes, op.size)
	}
}

// hold begins the record with what a platter holds.
func (d *disk) hold(p *platter) {
	for _, n := range []int{0, p.journal} {
		im := p.file(n)
		file := min(n, 1)
		d.ops = append(d.ops, diskOp{kind: 'b', file: file, size: im.size})
		for at, b := range im.pages {
			d.ops = append(d.ops, diskOp{kind: 'b', file: file, off: at * page, bytes: b, size: im.size})
		}
		if d.sizes = append(d.sizes[:file], im.size); p.journal == 0 {
			return
		}
	}
}

// crash ends the process and the power with it, and starts anew on what the
// disk has.
func (s *system) crash() {
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
	tp := newTape(s.disk.ops)
	tp.advance(len(tp.ops))
	if err := tp.cut(drawn(s.rng)).save(s.path()); err != nil {
		s.t.Fatal(err)
	}
	old := s.disk
	_ = old.f.Close()
	s.disk = newDisk(s.t, s.path())
	s.disk.delay = old.delay
	s.disk.adopt(s.t, s.path())
	s.start()
}
