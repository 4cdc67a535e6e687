package flow_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// A bench drives a core whose store is a list, everything committed at once.
type bench struct {
	t    testing.TB
	c    *flow.Core
	now  flow.Instant
	last map[string]flow.Item
}

func newBench(t testing.TB, def flow.Definition) *bench {
	return &bench{t: t, c: newCore(t, def), now: at(0), last: map[string]flow.Item{}}
}

func (b *bench) do(p *flow.Proposal, err error) flow.Outcome {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	b.apply(p)
	b.settle()
	return p.Outcome
}

func (b *bench) apply(p *flow.Proposal) {
	if p.Change.Op == flow.OpMerge {
		b.last[p.Change.Absorbed.ID] = *p.Change.Absorbed
	}
	if p.Change.Item.Hop > 0 {
		b.last[p.Change.Item.ID] = p.Change.Item
	}
	b.c.Apply(b.now, p)
}

// settle does what happens by itself until nothing does.
func (b *bench) settle() {
	for {
		ps := b.c.Step(b.now, 10, nil)
		if len(ps) == 0 {
			return
		}
		for _, p := range ps {
			b.apply(p)
		}
	}
}

func (b *bench) pass(d time.Duration) {
	b.now = b.now.After(d)
	b.settle()
}

func (b *bench) offer(id, key string) flow.Outcome {
	b.t.Helper()
	return b.do(b.c.Offer(b.now, flow.Offer{ID: id, Key: key}))
}

func (b *bench) pull(stage string) flow.Leased {
	b.t.Helper()
	got, err := b.c.Pull(b.now, stage, 1, 0, nil)
	if err != nil || len(got) != 1 {
		b.t.Fatalf("pull from %s: %v, %v", stage, got, err)
	}
	return got[0]
}

func (b *bench) ack(l flow.Leased) flow.Outcome {
	b.t.Helper()
	return b.do(b.c.Ack(b.now, l.Lease, nil, false))
}

// picture shows each stage as its waiting, leased and blocked items.
func (b *bench) picture() string {
	var s []string
	for _, st := range b.c.Stats(b.now).Stages {
		s = append(s, fmt.Sprint(st.Waiting, st.Leased, st.Blocked))
	}
	return strings.Join(s, "|")
}

func (b *bench) restart() {
	items := func(yield func(flow.Item, error) bool) {
		for _, it := range b.last {
			if !yield(it, nil) {
				return
			}
		}
	}
	c, err := flow.New(b.now, b.c.Definition(), flow.NewEpoch(2), items, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.c = c
	b.settle()
}

// TestFullnessTravels fills a line from its end, and empties one slot.
func TestFullnessTravels(t *testing.T) {
	b := newBench(t, line(1, 1, 1))
	var held flow.Leased
	for i, want := range []string{"0 0 0|0 0 0|0 1 0", "0 0 0|0 0 1|0 1 0", "0 0 1|0 0 1|0 1 0"} {
		b.offer(strconv.Itoa(i), "")
		for _, s := range []string{"a", "b", "c"} {
			got, _ := b.c.Pull(b.now, s, 1, 0, nil)
			if len(got) == 0 {
				continue
			}
			if s == "c" {
				held = got[0]
				continue
			}
			if o := b.ack(got[0]); o != flow.Moved && o != flow.Held {
				t.Fatalf("step %d: %v", i, o)
			}
		}
		if got := b.picture(); got != want {
			t.Fatalf("step %d: %s, want %s", i, got, want)
		}
	}
	_, err := b.c.Offer(b.now, flow.Offer{ID: "3"})
	refusal, ok := errors.AsType[*penstock.RejectedError](err)
	if !ok || refusal.Reason != penstock.ReasonLimit || refusal.RetryAfter < 50*time.Millisecond || refusal.Pressure != 1 {
		t.Fatalf("a full line answers %v", err)
	}
	if o := b.ack(held); o != flow.Finished {
		t.Fatal(o)
	}
	if got, want := b.picture(), "0 0 0|1 0 0|1 0 0"; got != want {
		t.Fatalf("after one has left: %s, want %s", got, want)
	}
	if o := b.offer("3", ""); o != flow.Accepted {
		t.Fatal(o)
	}
}

// TestPressureIsFeltAtOnce fills five stages of three from the end: the entrance
// refuses at the instant at which the first stage is full, and not before. Then one
// item leaves the last stage: at the same instant, and before anything is stored,
// one has moved up in each stage and the entrance takes one in.
func TestPressureIsFeltAtOnce(t *testing.T) {
	const stages, wip = 5, 3
	b := newBench(t, line(wip, wip, wip, wip, wip))
	var held flow.Leased // in the last stage
	for i := range stages * wip {
		if err := b.c.Entrance(b.now); err != nil {
			t.Fatalf("%d items of %d are in: %v", i, stages*wip, err)
		}
		b.offer(strconv.Itoa(i), "")
		for _, s := range b.c.Definition().Stages {
			got, err := b.c.Pull(b.now, s.Name, 1, 0, nil)
			if err != nil || len(got) == 0 {
				break
			}
			if s.Name == "e" {
				held = got[0]
			} else {
				b.ack(got[0])
			}
		}
	}
	_, err := b.c.Offer(b.now, flow.Offer{ID: "x"})
	if !errors.Is(err, penstock.ErrRejected) || b.c.Level() != 1 {
		t.Fatalf("five stages are full, and an offer is answered %v", err)
	}
	if got, want := b.picture(), "0 0 3|0 0 3|0 0 3|0 0 3|0 3 0"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	p, err := b.c.Ack(b.now, held.Lease, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	moves := b.c.Step(b.now, 10, nil)
	if len(moves) != stages-1 {
		t.Fatalf("%d items move up with the one that leaves, want %d", len(moves), stages-1)
	}
	in, err := b.c.Offer(b.now, flow.Offer{ID: "x"})
	if err != nil {
		t.Fatalf("one has left, and the entrance says %v", err)
	}
	for _, p := range append(append([]*flow.Proposal{p}, moves...), in) {
		b.apply(p)
	}
	if got, want := b.picture(), "1 0 2|1 0 2|1 0 2|1 0 2|1 2 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAFullSpillwayBlocks(t *testing.T) {
	d := line(1)
	d.Spillway = 1
	d.Stages[0].Attempts = 1
	b := newBench(t, d)
	b.offer("x", "")
	if o := b.do(b.c.Nack(b.now, b.pull("a").Lease, -1, "bad")); o != flow.SpilledOut {
		t.Fatal(o)
	}
	b.offer("y", "")
	if o := b.do(b.c.Nack(b.now, b.pull("a").Lease, -1, "worse")); o != flow.SpillBlocked {
		t.Fatal(o)
	}
	if _, err := b.c.Offer(b.now, flow.Offer{ID: "z"}); !errors.Is(err, penstock.ErrRejected) {
		t.Fatalf("a stage blocked by the spillway takes more in: %v", err)
	}
	b.restart()
	if _, err := b.c.Offer(b.now, flow.Offer{ID: "z"}); !errors.Is(err, penstock.ErrRejected) {
		t.Fatalf("so it does after a restart: %v", err)
	}
	b.do(b.c.Discard(b.now, "x"))
	spilled, err := b.c.Spillway("", 10, nil)
	if err != nil || len(spilled) != 1 || spilled[0].ID != "y" || spilled[0].Reason != "worse" {
		t.Fatalf("%+v, %v", spilled, err)
	}
	b.offer("z", "")
	if o := b.do(b.c.Replay(b.now, "y")); o != flow.Replayed {
		t.Fatal(o)
	}
	b.ack(b.pull("a"))
	if l := b.pull("a"); l.Item.ID != "y" || l.Item.Attempts != 0 {
		t.Fatalf("%+v", l)
	}
}

func TestDuplicates(t *testing.T) {
	d := line(1)
	d.Remember = time.Minute
	b := newBench(t, d)
	b.offer("x", "")
	for i := range 2 {
		if o := b.offer("x", ""); o != flow.Duplicate {
			t.Fatal(i, o)
		}
		b.restart()
	}
	b.ack(b.pull("a"))
	b.restart()
	b.pass(59 * time.Second)
	if o := b.offer("x", ""); o != flow.Duplicate {
		t.Fatal(o)
	}
	b.pass(2 * time.Second)
	if o := b.offer("x", ""); o != flow.Accepted {
		t.Fatal(o)
	}
}

// TestADuplicateOfAnAborted is told that the original is not in.
func TestADuplicateOfAnAborted(t *testing.T) {
	c := newCore(t, line(5))
	p, _ := c.Offer(at(0), flow.Offer{ID: "x"})
	q, _ := c.Offer(at(0), flow.Offer{ID: "x"})
	c.Abort(at(0), p)
	if q.Outcome != flow.Duplicate || c.Apply(at(0), q) {
		t.Error("a duplicate of what was aborted is told that it is in")
	}
	if offer(t, c, at(0), flow.Offer{ID: "x"}) != flow.Accepted {
		t.Error("what was aborted cannot be offered again")
	}
}

func TestConflation(t *testing.T) {
	d := line(2, 1)
	d.Stages[0].Conflate, d.Stages[1].Conflate = flow.ConflateLast, flow.ConflateMerge
	b := newBench(t, d)
	b.offer("1", "k")
	b.offer("2", "l")
	p, err := b.c.Offer(b.now, flow.Offer{ID: "3", Key: "k", Payload: []byte("new")})
	if err != nil || p.Outcome != flow.Conflated || p.Change.Item.ID != "1" || p.Change.Item.Size != 3 || string(p.Change.Payload) != "new" ||
		p.Change.Absorbed.ID != "3" || p.Change.Absorbed.State != flow.Ended || p.Conflate != flow.ConflateLast {
		t.Fatalf("%+v, %v", p, err)
	}
	b.do(p, err)
	if _, err := b.c.Offer(b.now, flow.Offer{ID: "4", Key: "m"}); !errors.Is(err, penstock.ErrRejected) {
		t.Fatal("another key finds room in a full stage")
	}
	b.ack(b.pull("a"))
	b.offer("5", "k")
	b.ack(b.pull("a")) // 2 of l: blocked
	l := b.pull("a")
	p, err = b.c.Ack(b.now, l.Lease, nil, false)
	if err != nil || p.Outcome != flow.Conflated || p.Source != l.Item.No || p.Change.Item.ID != "1" || p.Conflate != flow.ConflateMerge {
		t.Fatalf("%+v, %v", p, err)
	}
}

func TestOrderedKeysWaitForTheirOldest(t *testing.T) {
	d := line(9)
	d.Stages[0].Ordered = true
	b := newBench(t, d)
	b.offer("1", "k")
	b.offer("2", "k")
	b.offer("3", "l")
	one := b.pull("a")
	if l := b.pull("a"); one.Item.ID != "1" || l.Item.ID != "3" {
		t.Fatalf("%s, then %s", one.Item.ID, l.Item.ID)
	}
	b.do(b.c.Nack(b.now, one.Lease, time.Second, "later"))
	if n := b.c.Ready("a"); n != 1 {
		t.Fatal(n)
	}
	if got, _ := b.c.Pull(b.now, "a", 9, 0, nil); len(got) != 0 {
		t.Fatalf("%s overtook", got[0].Item.ID)
	}
	b.restart()
	if got, _ := b.c.Pull(b.now, "a", 9, 0, nil); len(got) != 1 || got[0].Item.ID != "3" {
		t.Fatalf("after a restart: %v", got)
	}
	b.pass(time.Second)
	b.ack(b.pull("a"))
	if l := b.pull("a"); l.Item.ID != "2" {
		t.Fatal(l.Item.ID)
	}
}

// TestAKeyWaitsForAllThatAreOut makes a stage ordered while two items of a key are
// out: a third waits for both.
func TestAKeyWaitsForAllThatAreOut(t *testing.T) {
	d := line(9)
	b := newBench(t, d)
	for _, id := range []string{"1", "2", "3"} {
		b.offer(id, "k")
	}
	out := []flow.Leased{b.pull("a"), b.pull("a")}
	d.Stages[0].Ordered = true
	b.do(b.c.Define(d))
	for _, l := range out {
		if got, _ := b.c.Pull(b.now, "a", 1, 0, nil); len(got) != 0 {
			t.Fatalf("%s is handed out while %s is", got[0].Item.ID, l.Item.ID)
		}
		b.ack(l)
	}
	if l := b.pull("a"); l.Item.ID != "3" {
		t.Fatal(l.Item.ID)
	}
}

func TestLeasesAreFenced(t *testing.T) {
	d := line(1)
	d.Stages[0].Lease = time.Second
	b := newBench(t, d)
	b.offer("x", "")
	first := b.pull("a")
	if at, ok := b.c.Next(b.now); !ok || at.Sub(b.now.Mono) != time.Second {
		t.Fatalf("the lease ends at %v, %v", at, ok)
	}
	b.pass(700 * time.Millisecond)
	if d, err := b.c.Extend(b.now, first.Lease, 0); err != nil || d != time.Second {
		t.Fatal(d, err)
	}
	b.pass(time.Second)
	b.pass(time.Second) // the backoff
	second := b.pull("a")
	if second.Item.Attempts != 1 || second.Item.Reason != "the lease timed out" {
		t.Fatalf("%+v", second.Item)
	}
	_, ack := b.c.Ack(b.now, first.Lease, nil, false)
	_, nack := b.c.Nack(b.now, first.Lease, 0, "")
	_, spill := b.c.Spill(b.now, first.Lease, "")
	_, extend := b.c.Extend(b.now, first.Lease, 0)
	for _, err := range []error{ack, nack, spill, extend} {
		if !errors.Is(err, flow.ErrStale) {
			t.Errorf("a stale lease is answered %v", err)
		}
	}
	b.restart()
	if _, err := b.c.Ack(b.now, second.Lease, nil, false); !errors.Is(err, flow.ErrStale) {
		t.Errorf("a lease of an earlier epoch is answered %v", err)
	}
	if n := b.c.Stats(b.now).Counts.Stale; n != 1 {
		t.Errorf("%d stale since the restart", n)
	}
}

func TestDefine(t *testing.T) {
	b := newBench(t, line(2, 2))
	b.offer("x", "")
	d := line(2)
	d.Stages[0].Name = "b"
	if _, err := b.c.Define(d); err == nil || !strings.Contains(err.Error(), `"a" is missing, but 1 items are in it`) {
		t.Errorf("removing a stage in use: %v", err)
	}
	b.ack(b.pull("a"))
	b.do(b.c.Define(d))
	if got := b.picture(); got != "1 0 0" {
		t.Error(got)
	}
	if _, err := b.c.Pull(b.now, "a", 1, 0, nil); !errors.Is(err, flow.ErrUnknownStage) {
		t.Error(err)
	}
	b.offer("y", "")
	d.Stages[0].WIP = 1
	b.do(b.c.Define(d))
	if st := b.c.Stats(b.now).Stages[0]; st.Used != 2 || st.Limit != 1 {
		t.Errorf("%+v", st)
	}
	b.ack(b.pull("b"))
	if _, err := b.c.Offer(b.now, flow.Offer{ID: "z"}); !errors.Is(err, penstock.ErrRejected) {
		t.Error("a stage at its lowered limit takes more in")
	}
}

func TestProblems(t *testing.T) {
	d := line(0, 1)
	d.Name = "No Name"
	d.PayloadMax = -1
	d.Stages[0].Conflate = "mix"
	d.Stages[1].Name = "a"
	d.Stages[1].Backoff, d.Stages[1].BackoffMax = time.Minute, time.Second
	var got []string
	for _, p := range d.Normalize().Problems() {
		where, _, _ := strings.Cut(p.Error(), ":")
		got = append(got, where)
	}
	want := []string{"name", "payload_max", "stages[0].wip", "stages[0].conflate", "stages[1].name", "stages[1].backoff_max"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTime(t *testing.T) {
	b := newBench(t, line(1))
	b.do(b.c.Offer(b.now, flow.Offer{ID: "later", Due: b.now.Wall.Add(time.Hour)}))
	b.do(b.c.Offer(b.now, flow.Offer{ID: "soon", Deadline: b.now.Wall.Add(time.Minute)}))
	if at, ok := b.c.Next(b.now); !ok || at.Sub(b.now.Mono) != time.Minute {
		t.Fatalf("wakes at %v, %v", at, ok)
	}
	if _, err := b.c.Offer(b.now, flow.Offer{ID: "past", Deadline: b.now.Wall}); err == nil {
		t.Error("takes in what is worthless already")
	}
	b.pass(time.Minute)
	if it, ok := b.c.Find("soon"); !ok || it.State != flow.Spilled || it.Reason != "the deadline passed" {
		t.Errorf("%+v", it)
	}
	b.pass(59 * time.Minute)
	if l := b.pull("a"); l.Item.ID != "later" {
		t.Error(l.Item.ID)
	}
}

func TestRefusedComeBackSpread(t *testing.T) {
	b := newBench(t, line(1))
	for i := range 100 { // drains 10 a second
		b.offer(strconv.Itoa(i), "")
		b.ack(b.pull("a"))
		b.pass(100 * time.Millisecond)
	}
	b.offer("full", "")
	var last time.Duration
	for range 50 {
		_, err := b.c.Offer(b.now, flow.Offer{})
		refusal, ok := errors.AsType[*penstock.RejectedError](err)
		if !ok {
			t.Fatal(err)
		}
		last = refusal.RetryAfter
	}
	if last < 3*time.Second || last > 7*time.Second {
		t.Errorf("the 50th that is refused comes back after %v, where 10 a second leave", last)
	}
}

func TestTimesSumToOne(t *testing.T) {
	b := newBench(t, line(1, 1))
	b.c.SetDemand(b.now, "a", 1)
	b.pass(time.Second) // starved
	b.c.SetDemand(b.now, "a", 0)
	b.pass(time.Second) // idle
	b.offer("1", "")
	l := b.pull("a")
	b.pass(time.Second) // busy
	b.ack(l)
	b.offer("2", "")
	b.ack(b.pull("a"))
	b.pass(time.Second) // blocked
	st := b.c.Stats(b.now).Stages[0]
	if st.Busy != .25 || st.Blocks != .25 || st.Starved != .25 || st.Idle != .25 {
		t.Errorf("%+v", st)
	}
}

func TestHint(t *testing.T) {
	b := newBench(t, line(1000))
	for i := range 500 { // 10 a second, each served for half a second: 5 workers hold it
		b.do(b.c.Offer(b.now, flow.Offer{ID: strconv.Itoa(i)}))
		l := b.pull("a")
		served := b.now
		b.now = b.now.After(500 * time.Millisecond)
		b.ack(l)
		b.now = served.After(100 * time.Millisecond)
	}
	if n := b.c.Stats(b.now).Stages[0].Workers; n < 4 || n > 6 {
		t.Errorf("%d workers for 10 items a second of 0.5 s each", n)
	}
}

func TestParseLease(t *testing.T) {
	l := flow.Lease{Item: 1<<40 + 7, Epoch: 3, Number: 99}
	if got, err := flow.ParseLease(l.String()); err != nil || got != l {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.-3", "A.2.3", strings.Repeat("z", 40) + ".1.1"} {
		if _, err := flow.ParseLease(s); err == nil {
			t.Errorf("%q is taken for a lease", s)
		}
	}
}
