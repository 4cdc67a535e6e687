package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/storetest"
	"github.com/penstock-go/penstock/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func line(names string, wip int) flow.Definition {
	d := flow.Definition{Name: "f"}
	for n := range strings.FieldsSeq(names) {
		d.Stages = append(d.Stages, flow.Stage{Name: n, WIP: wip})
	}
	return d
}

// run starts an engine with a flow in a bubble.
func run(t *testing.T, def flow.Definition, store *storetest.Mem, body func(t *testing.T, e *engine.Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.Open(t.Context(), store, engine.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Define(t.Context(), def); err != nil {
			t.Fatal(err)
		}
		body(t, e)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func offer(t *testing.T, e *engine.Engine, o flow.Offer) engine.Result {
	t.Helper()
	return e.Offer(t.Context(), "f", o)[0]
}

func pull(t *testing.T, e *engine.Engine, stage string) engine.Job {
	t.Helper()
	jobs, err := e.Pull(t.Context(), "f", stage, 1, 0, 0)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("pull: %v, %v", jobs, err)
	}
	return jobs[0]
}

func ack(t *testing.T, e *engine.Engine, j engine.Job) flow.Outcome {
	t.Helper()
	r := e.Ack(t.Context(), "f", engine.Ack{Lease: j.Lease})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Outcome
}

// TestAWaitingWorkerWakes hands an item to a worker that waits, in no time at
// all, and to the first of several.
func TestAWaitingWorkerWakes(t *testing.T) {
	run(t, line("a", 5), &storetest.Mem{}, func(t *testing.T, e *engine.Engine) {
		type woken struct {
			who  int
			at   time.Time
			jobs []engine.Job
		}
		got := make(chan woken, 3)
		for i := range 3 {
			go func() {
				jobs, err := e.Pull(t.Context(), "f", "a", 1, time.Minute, time.Hour)
				if err != nil {
					t.Error(err)
				}
				got <- woken{i, time.Now(), jobs}
			}()
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		start := time.Now()
		offer(t, e, flow.Offer{ID: "x", Payload: []byte("hello")})
		w := <-got
		if w.who != 0 || !w.at.Equal(start) || len(w.jobs) != 1 || string(w.jobs[0].Payload) != "hello" {
			t.Errorf("%+v, want the first, at once", w)
		}
		for range 2 {
			if w := <-got; w.at.Sub(start) != 50*time.Second || len(w.jobs) != 0 {
				t.Errorf("%+v, want nothing after a minute", w)
			}
		}
	})
}

// fillLine fills five stages of one item each, and returns the one in the last.
func fillLine(t *testing.T, e *engine.Engine) (last engine.Job) {
	t.Helper()
	for range 5 {
		offer(t, e, flow.Offer{})
		for _, s := range []string{"a", "b", "c", "d", "e"} {
			jobs, err := e.Pull(t.Context(), "f", s, 1, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(jobs) == 1 && s != "e" {
				ack(t, e, jobs[0])
			} else if len(jobs) == 1 {
				last = jobs[0]
			}
		}
	}
	return last
}

// TestAFreedSlotTravels frees the last slot of a full line, and expects one to be
// admitted at the entrance in no time and after one commit.
func TestAFreedSlotTravels(t *testing.T) {
	var commits []int // how many changes each had
	store := &storetest.Mem{Fail: func(cs []flow.Change) error {
		commits = append(commits, len(cs))
		return nil
	}}
	run(t, line("a b c d e", 1), store, func(t *testing.T, e *engine.Engine) {
		last := fillLine(t, e)
		commits = nil
		if r := offer(t, e, flow.Offer{}); !errors.Is(r.Err, penstock.ErrRejected) {
			t.Fatalf("a full line: %+v", r)
		}
		start := time.Now()
		if o := ack(t, e, last); o != flow.Finished {
			t.Fatal(o)
		}
		if len(commits) != 1 || commits[0] != 5 {
			t.Errorf("one leaves and four move up by commits of %v changes, want one of 5", commits)
		}
		if r := offer(t, e, flow.Offer{}); r.Outcome != flow.Accepted || time.Since(start) != 0 {
			t.Errorf("%+v after %v", r, time.Since(start))
		}
	})
}

// TestNothingStaysWhereNothingLeft lets an item leave a full line, which cannot be
// stored: with it go back those that moved up, and one that was offered then.
func TestNothingStaysWhereNothingLeft(t *testing.T) {
	store := &storetest.Mem{}
	run(t, line("a b c d e", 1), store, func(t *testing.T, e *engine.Engine) {
		last := fillLine(t, e)
		offered := make(chan engine.Result, 1)
		store.Fail = func([]flow.Change) error {
			store.Fail = nil // there is room for what comes next
			go func() { offered <- offer(t, e, flow.Offer{ID: "new"}) }()
			time.Sleep(time.Millisecond)
			return flow.ErrStoreFull
		}
		if r := e.Ack(t.Context(), "f", engine.Ack{Lease: last.Lease})[0]; !errors.Is(r.Err, flow.ErrStoreFull) {
			t.Fatalf("%+v", r)
		}
		if r := <-offered; !errors.Is(r.Err, flow.ErrStoreFull) {
			t.Errorf("what was offered meanwhile: %+v", r)
		}
		st, err := e.Stats("f")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range st.Stages {
			if s.Used != 1 {
				t.Errorf("stage %s holds %d of 1", s.Stage, s.Used)
			}
		}
		time.Sleep(time.Second)
		if o := ack(t, e, last); o != flow.Finished {
			t.Error(o)
		}
		if r := offer(t, e, flow.Offer{ID: "new"}); r.Outcome != flow.Accepted {
			t.Errorf("%+v", r)
		}
	})
}

// TestAWorkerThatLeaves gets nothing that others then lack.
func TestAWorkerThatLeaves(t *testing.T) {
	run(t, line("a", 5), &storetest.Mem{}, func(t *testing.T, e *engine.Engine) {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := e.Pull(ctx, "f", "a", 1, time.Hour, 0)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		offer(t, e, flow.Offer{ID: "x"})
		j := pull(t, e, "a")
		e.Release("f", []engine.Job{j})
		if again := pull(t, e, "a"); again.Item.ID != "x" || again.Item.Attempts != 0 {
			t.Errorf("%+v", again)
		}
	})
}

// TestLeasesTimeOut by themselves, while nothing else happens.
func TestLeasesTimeOut(t *testing.T) {
	d := line("a", 5)
	d.Stages[0].Lease, d.Stages[0].Backoff = 3*time.Second, time.Second
	run(t, d, &storetest.Mem{}, func(t *testing.T, e *engine.Engine) {
		offer(t, e, flow.Offer{ID: "x"})
		first := pull(t, e, "a")
		start := time.Now()
		jobs, err := e.Pull(t.Context(), "f", "a", 1, time.Minute, 0)
		if after := time.Since(start); err != nil || len(jobs) != 1 || after < 3500*time.Millisecond || after > 4*time.Second {
			t.Fatalf("%v, %v, after %v", jobs, err, after)
		}
		if r := e.Ack(t.Context(), "f", engine.Ack{Lease: first.Lease})[0]; !errors.Is(r.Err, flow.ErrStale) {
			t.Errorf("%+v", r)
		}
	})
}

// TestAFullStore refuses what is new, lets what is in leave, and recovers.
func TestAFullStore(t *testing.T) {
	full := false
	store := &storetest.Mem{}
	store.Fail = func(cs []flow.Change) error {
		for _, c := range cs {
			if full && c.Op == flow.OpPut {
				return flow.ErrStoreFull
			}
		}
		return nil
	}
	run(t, line("a", 5), store, func(t *testing.T, e *engine.Engine) {
		offer(t, e, flow.Offer{ID: "in"})
		j := pull(t, e, "a")
		full = true
		for range 2 { // refused by the store, then before it
			if r := offer(t, e, flow.Offer{ID: "new"}); !errors.Is(r.Err, flow.ErrStoreFull) {
				t.Errorf("%+v", r)
			}
		}
		if o := ack(t, e, j); o != flow.Finished {
			t.Error(o)
		}
		full = false
		time.Sleep(time.Second)
		if r := offer(t, e, flow.Offer{ID: "new"}); r.Outcome != flow.Accepted {
			t.Errorf("%+v", r)
		}
	})
}

// TestABrokenStore ends the engine: nothing is promised any more.
func TestABrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &storetest.Mem{}
		e, err := engine.Open(t.Context(), store, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Define(t.Context(), line("a", 5)); err != nil {
			t.Fatal(err)
		}
		waits := make(chan error)
		go func() {
			_, err := e.Pull(t.Context(), "f", "a", 1, time.Hour, 0)
			waits <- err
		}()
		synctest.Wait()
		store.Fail = func([]flow.Change) error { return flow.ErrStoreBroken }
		if r := offer(t, e, flow.Offer{ID: "x"}); !errors.Is(r.Err, flow.ErrStoreBroken) {
			t.Errorf("%+v", r)
		}
		<-e.Failed()
		if err := <-waits; !errors.Is(err, flow.ErrStoreBroken) {
			t.Error(err)
		}
		if _, err := e.Stats("f"); !errors.Is(err, flow.ErrStoreBroken) {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMerge(t *testing.T) {
	d := line("a", 1)
	d.Stages[0].Conflate = flow.ConflateMerge
	run(t, d, &storetest.Mem{}, func(t *testing.T, e *engine.Engine) {
		offer(t, e, flow.Offer{ID: "1", Key: "k", Payload: []byte(`{"n":12345678901234567890,"a":{"x":1,"y":2},"gone":1}`)})
		if r := offer(t, e, flow.Offer{ID: "2", Key: "k", Payload: []byte(`{"a":{"y":3},"gone":null}`)}); r.Outcome != flow.Conflated {
			t.Fatalf("%+v", r)
		}
		j := pull(t, e, "a")
		if want := `{"a":{"x":1,"y":3},"n":12345678901234567890}`; string(j.Payload) != want || int(j.Item.Size) != len(want) {
			t.Errorf("%s of %d bytes", j.Payload, j.Item.Size)
		}
	})
}

func TestErrors(t *testing.T) {
	run(t, line("a", 5), &storetest.Mem{}, func(t *testing.T, e *engine.Engine) {
		if r := e.Offer(t.Context(), "g", flow.Offer{})[0]; !errors.Is(r.Err, engine.ErrUnknownFlow) {
			t.Error(r)
		}
		if _, err := e.Pull(t.Context(), "f", "z", 1, time.Hour, 0); !errors.Is(err, flow.ErrUnknownStage) {
			t.Error(err)
		}
		if err := e.Define(t.Context(), line("a b", 0)); err == nil || !strings.Contains(err.Error(), "stages[1].wip: 0") {
			t.Error(err)
		}
		many := e.Offer(t.Context(), "f", flow.Offer{ID: "1"}, flow.Offer{ID: strings.Repeat("x", 200)}, flow.Offer{ID: "1"})
		if many[0].Outcome != flow.Accepted || many[1].Err == nil || many[2].Outcome != flow.Duplicate {
			t.Errorf("%+v", many)
		}
	})
}

// TestRestart opens a store again: what waited waits.
func TestRestart(t *testing.T) {
	store := &storetest.Mem{}
	for i, id := range []string{"x", "y"} {
		run(t, line("a", 5), store, func(t *testing.T, e *engine.Engine) {
			offer(t, e, flow.Offer{ID: id})
			st, err := e.Stats("f")
			if err != nil || st.Items != i+1 {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}
