//go:build linux

package boltstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock/flow"
	"github.com/penstock-go/penstock/flow/boltstore"
	"github.com/penstock-go/penstock/flow/engine"
	"github.com/penstock-go/penstock/flow/storetest"
)

const (
	killFile = "PENSTOCK_KILL_CHILD" // the store's file
	killLife = "PENSTOCK_KILL_LIFE"  // which life this is
)

func killDefinition() flow.Definition {
	return flow.Definition{Name: "f", Spillway: 1 << 20, Remember: 24 * time.Hour, RememberMax: 1 << 20, Stages: []flow.Stage{
		{Name: "a", WIP: 40, Attempts: 3, Backoff: time.Millisecond, BackoffMax: time.Millisecond},
		{Name: "b", WIP: 20, Attempts: 3, Backoff: time.Millisecond, BackoffMax: time.Millisecond, Ordered: true},
		{Name: "c", WIP: 10, Attempts: 3, Backoff: time.Millisecond, BackoffMax: time.Millisecond},
	}}.Normalize()
}

// killChild is a server under load that lives until it is killed. It says what
// was promised, a line for each promise, in one write: "in ID", "end ID",
// "spill ID", "lease L", "over WHAT".
func killChild() {
	var mu sync.Mutex
	say := func(words ...string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.WriteString(strings.Join(words, " ") + "\n")
	}
	ctx := context.Background()
	life := os.Getenv(killLife)
	store := boltstore.New(os.Getenv(killFile), boltstore.Options{LockWait: time.Minute})
	if n, err := strconv.Atoi(life); err == nil && n%4 > 0 {
		boltstore.SetHalf(store, int64(n%4)*192<<10) // it is full a few times in a life
	}
	e, err := engine.Open(ctx, store, engine.Options{})
	if err == nil {
		err = e.Define(ctx, killDefinition())
	}
	if err != nil {
		say("error", err.Error())
		return
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan() && in.Text() != ""; { // leases of earlier lives
		l, err := flow.ParseLease(in.Text())
		if err != nil {
			say("error", err.Error())
		}
		if r := e.Ack(ctx, "f", engine.Ack{Lease: l})[0]; !errors.Is(r.Err, flow.ErrStale) {
			say("over", "a stale ack is answered", fmt.Sprint(r))
		}
		if r := e.Nack(ctx, "f", l, 0, ""); !errors.Is(r.Err, flow.ErrStale) {
			say("over", "a stale nack is answered", fmt.Sprint(r))
		}
		if _, err := e.Extend("f", l, 0); !errors.Is(err, flow.ErrStale) {
			say("over", "a stale extend is answered", fmt.Sprint(err))
		}
	}
	for p := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := life + "-" + strconv.Itoa(p) + "-" + strconv.Itoa(n)
				r := e.Offer(ctx, "f", flow.Offer{ID: id, Key: strconv.Itoa(n % 7), Payload: []byte(id)})[0]
				if r.Err == nil {
					say("in", id)
				}
			}
		}()
	}
	for w := range 12 {
		go killWorker(ctx, e, killDefinition().Stages[w%3].Name, uint64(w), say)
	}
	select {}
}

func killWorker(ctx context.Context, e *engine.Engine, stage string, seed uint64, say func(...string)) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for {
		jobs, err := e.Pull(ctx, "f", stage, 1+rng.IntN(3), time.Second, 0)
		if err != nil {
			say("error", err.Error())
			return
		}
		for _, j := range jobs {
			if !strings.HasPrefix(string(j.Payload), j.Item.ID) {
				say("over", j.Item.ID, "has another's payload")
			}
			say("lease", j.Lease.String())
			var r engine.Result
			switch rng.IntN(20) {
			case 0:
				r = e.Nack(ctx, "f", j.Lease, -1, "again")
			case 1:
				r = e.Spill(ctx, "f", j.Lease, "no good")
			default:
				r = e.Ack(ctx, "f", engine.Ack{Lease: j.Lease, Output: append(j.Payload, stage...), Replace: true})[0]
			}
			switch {
			case r.Err != nil:
			case r.Outcome == flow.Finished:
				say("end", j.Item.ID)
			case r.Outcome == flow.SpilledOut:
				say("spill", j.Item.ID)
			}
		}
		st, err := e.Stats("f")
		for _, s := range st.Stages {
			if s.Used > s.Limit || err != nil {
				say("over", s.Stage, strconv.Itoa(s.Used), fmt.Sprint(err))
			}
		}
	}
}

// TestKills kills a server under load, over and over, and asks after each death
// what became of its promises.
func TestKills(t *testing.T) {
	kills := 12
	if proof {
		kills = 1000
	}
	path := filepath.Join(t.TempDir(), "flow.db")
	k := &killed{t: t, path: path, in: map[string]bool{}, ends: map[string]int{}, rng: rand.New(rand.NewPCG(1, 1))}
	for life := range kills {
		k.live(life)
		k.check()
		if t.Failed() {
			t.Fatalf("in life %d", life)
		}
	}
	t.Logf("%d kills: %d items promised, %d seen to end, %d stale leases tried", kills, len(k.in), len(k.ends), k.tried)
	if len(k.in) < kills || len(k.ends) == 0 || k.tried == 0 {
		t.Error("too little was promised to prove anything")
	}
}

type killed struct {
	t      *testing.T
	path   string
	rng    *rand.Rand
	in     map[string]bool
	ends   map[string]int // by id: how often it was said to have ended or spilled
	leases []string
	tried  int
}

// live starts a server, lets it make promises, and kills it after a drawn number
// of them.
func (k *killed) live(life int) {
	t := k.t
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killFile+"="+k.path, killLife+"="+strconv.Itoa(life))
	stale := k.leases[max(0, len(k.leases)-20):]
	k.tried += len(stale)
	cmd.Stdin = strings.NewReader(strings.Join(stale, "\n") + "\n\n")
	k.leases = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	after := 1 + k.rng.IntN(600)
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
		k.heard(lines.Text())
	}
	if err := cmd.Wait(); err == nil || n < after {
		t.Errorf("the server ended by itself after %d promises: %v", n, err)
	}
}

func (k *killed) heard(line string) {
	what, rest, _ := strings.Cut(line, " ")
	switch what {
	case "in":
		k.in[rest] = true
	case "end", "spill":
		if k.ends[rest]++; k.ends[rest] > 1 {
			k.t.Errorf("%s ended %d times", rest, k.ends[rest])
		}
	case "lease":
		k.leases = append(k.leases, rest)
	default:
		k.t.Errorf("the server says: %s", line)
	}
}

// check reads the file that the dead server left.
func (k *killed) check() {
	t := k.t
	verified(t, k.path)
	s := boltstore.New(k.path, boltstore.Options{LockWait: time.Minute})
	_, got := storetest.Read(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	there := map[string]flow.State{}
	inside := map[string]int{}
	for _, it := range got.Items {
		if _, ok := there[it.ID]; ok {
			t.Errorf("%s is there twice", it.ID)
		}
		there[it.ID] = it.State
		inside[it.Stage] += int(it.Charge)
	}
	for _, st := range killDefinition().Stages {
		if inside[st.Name] > st.WIP {
			t.Errorf("stage %s holds %d of %d", st.Name, inside[st.Name], st.WIP)
		}
	}
	for id := range k.in {
		if _, ok := there[id]; !ok {
			t.Errorf("%s was accepted and is lost", id)
		}
	}
	for id := range k.ends {
		if st, ok := there[id]; !ok || st != flow.Ended && st != flow.Spilled {
			t.Errorf("%s was said to have ended, and is %v, %v", id, st, ok)
		}
	}
}
