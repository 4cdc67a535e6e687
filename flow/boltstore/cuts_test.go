//go:build linux && recordeddisk

package boltstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	full   int
	broken int
}

func newSystem(t *testing.T, seed uint64) *system {
	s := &system{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), dir: fastDir(t), now: flow.Instant{Wall: 1e18},
		def: flow.Definition{Name: "f", Spillway: 3, DelayedMax: 3, Remember: time.Hour, Stages: []flow.Stage{
			{Name: "a", WIP: 6, Attempts: 2, Conflate: flow.ConflateLast}, {Name: "b", WIP: 4, Attempts: 2, Ordered: true}, {Name: "c", WIP: 3, Attempts: 2},
		}}.Normalize(),
	}
	// A new file is made aside and then linked, which file systems do wholly or
	// not at all: the record begins with it.
	bolt.Disks = nil
	first := boltstore.New(s.path(), boltstore.Options{})
	storetest.Read(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.disk = newDisk(t, s.path())
	s.adopt()
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
	s.store = boltstore.New(s.path(), boltstore.Options{Wall: func() flow.Wall { return s.now.Wall }})
	boltstore.SetSlack(s.store, 8, 16<<10)
	boltstore.SetNoSync(s.store, s.noSync)
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
			Criticality: penstock.Criticality(s.rng.IntN(5)), Payload: make([]byte, s.rng.IntN(6000))}
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
		s.propose(s.core.Ack(s.now, l, make([]byte, s.rng.IntN(3000)), s.rng.IntN(2) == 0))
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

// recovered opens a file after a cut, and says what promise it breaks.
func (s *system) recovered(im *image, mark int) error {
	path := filepath.Join(s.dir, "cut.db")
	if err := im.save(path); err != nil {
		s.t.Fatal(err)
	}
	store := boltstore.New(path, boltstore.Options{Wall: func() flow.Wall { return s.now.Wall }})
	d := newDisk(s.t, path)
	d.use()
	defer d.f.Close()
	_, defs, items, err := store.Open(context.Background())
	if err != nil {
		return fmt.Errorf("cannot be opened: %w", err)
	}
	defer bolt.Forget() // else thousands of tapes stay in memory
	defer store.Close()
	got := storetest.Content{Payloads: map[uint64][]byte{}, Defs: defs}
	for it, err := range items {
		if err != nil {
			return err
		}
		got.Items = append(got.Items, it)
		if it.State != flow.Ended {
			if got.Payloads[it.No], err = store.Payload(context.Background(), it.No); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(got.Items, func(a, b flow.Item) int { return int(int64(a.No) - int64(b.No)) })
	if mark < 0 {
		mark = 0
	}
	diff := storetest.Diff(got, s.states[mark])
	if diff != "" && mark+1 < len(s.states) && storetest.Diff(got, s.states[mark+1]) == "" {
		diff = "" // the commit that was under way is there, wholly
	}
	if diff != "" {
		return fmt.Errorf("after commit %d: %s", mark, diff)
	}
	return nil
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
	ops := 0
	for seed := range systems {
		s := newSystem(t, uint64(seed))
		s.run(60)
		ops += len(s.disk.ops)
		if err := s.cuts(each); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		s.end()
	}
	t.Logf("%d power cuts of %d systems, %d writes, syncs and commits", systems*each, systems, ops)
}

// TestDiskEveryCrashPoint cuts the power of small systems before every write,
// sync and answer, with every single write lost, kept or torn, and all of them.
func TestDiskEveryCrashPoint(t *testing.T) {
	systems, commits := 3, 8
	if proof {
		systems, commits = 20, 12
	}
	n := 0
	for seed := range systems {
		s := newSystem(t, uint64(1000+seed))
		s.run(commits)
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
	t.Logf("%d crash points of %d systems", n, systems)
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
			return func(j int, b []byte, off int64, im *image) {
				if i == j {
					special(j, b, off, im)
				} else {
					rest(j, b, off, im)
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
	s.disk.delay = func() { s.now = s.now.After(time.Duration(s.rng.IntN(400)) * time.Millisecond) }
	ok := s.commit()
	if ok != nil {
		s.t.Fatal(ok)
	}
	for range 80 {
		for range 1 + s.rng.IntN(8) {
			s.work()
		}
		s.disk.fail = s.failure()
		err := s.commit()
		s.disk.fail = nil
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
func (s *system) failure() func(sync bool) error {
	at := s.rng.IntN(12)
	switch s.rng.IntN(6) {
	case 0: // no room from some write on
		return func(sync bool) error {
			if at--; at < 0 && !sync {
				return syscall.ENOSPC
			}
			return nil
		}
	case 1: // some write or sync fails
		return func(bool) error {
			if at--; at == -1 {
				return errIO
			}
			return nil
		}
	}
	return nil
}

// adopt begins the record with what the file holds: that is on the disk.
func (s *system) adopt() {
	info, err := s.disk.f.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	b := make([]byte, min(info.Size(), 8<<20))
	n, err := s.disk.f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		s.t.Fatal(err)
	}
	s.disk.ops = []diskOp{{kind: 'b', bytes: b[:n], size: info.Size()}}
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
	s.adopt()
	s.start()
}
