package flow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

// none is what an empty store holds.
func none(func(flow.Item, error) bool) {}

func newCore(t testing.TB, def flow.Definition) *flow.Core {
	t.Helper()
	c, err := flow.New(flow.Instant{Wall: 1e18}, def.Normalize(), flow.NewEpoch(1), none, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func line(wips ...int) flow.Definition {
	d := flow.Definition{Name: "f"}
	for i, w := range wips {
		d.Stages = append(d.Stages, flow.Stage{Name: string(rune('a' + i)), WIP: w})
	}
	return d
}

func at(d time.Duration) flow.Instant {
	return flow.Instant{Wall: 1e18}.After(d)
}

// offer puts an item in at once.
func offer(t testing.TB, c *flow.Core, now flow.Instant, o flow.Offer) flow.Outcome {
	t.Helper()
	p, err := c.Offer(now, o)
	if err != nil {
		t.Fatalf("offer %s: %v", o.ID, err)
	}
	c.Apply(now, p)
	return p.Outcome
}

// refServer hands items out by walking rounds: in each, every key with credit
// gets one unit of it, in the order in which the keys came.
type refServer struct {
	seq   int
	items []flow.Offer
	bands [penstock.Bands]struct {
		round int
		keys  []refKey
	}
}

type refKey struct {
	name      string
	turn, seq int
}

func (r *refServer) pull() (id string, ok bool) {
	for b := penstock.Bands - 1; b >= 0; b-- {
		band := &r.bands[b]
		for len(band.keys) > 0 {
			i := 0
			for j, k := range band.keys {
				if best := band.keys[i]; k.turn < best.turn || k.turn == best.turn && k.seq < best.seq {
					i = j
				}
			}
			k := band.keys[i]
			band.keys = slices.Delete(band.keys, i, i+1)
			band.round = max(band.round, k.turn)
			at := slices.IndexFunc(r.items, func(o flow.Offer) bool { return o.Key == k.name && bandOf(o) == b })
			if at < 0 {
				continue // it had its share, and nothing more to be served
			}
			o := r.items[at]
			r.items = slices.Delete(r.items, at, at+1)
			r.seq++
			band.keys = append(band.keys, refKey{k.name, max(k.turn+max(o.Cost, 1), band.round+1), r.seq})
			return o.ID, true
		}
	}
	return "", false
}

func (r *refServer) offer(o flow.Offer) {
	band := &r.bands[bandOf(o)]
	if !slices.ContainsFunc(band.keys, func(k refKey) bool { return k.name == o.Key }) {
		r.seq++
		band.keys = append(band.keys, refKey{o.Key, band.round + 1, r.seq})
	}
	r.items = append(r.items, o)
}

func bandOf(o flow.Offer) int { return (&penstock.Work{Criticality: o.Criticality}).Rank().Band() }

func order(t *rapid.T) {
	def := line(flow.WIPMax)
	c, err := flow.New(at(0), def.Normalize(), flow.NewEpoch(1), none, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	var ref refServer
	for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
		if rapid.IntRange(0, 2).Draw(t, "pull") == 0 {
			want, ok := ref.pull()
			got, _ := c.Pull(at(0), "a", 1, 0, nil)
			if ok != (len(got) == 1) || ok && got[0].Item.ID != want {
				t.Fatalf("pulled %+v, want %q", got, want)
			}
			continue
		}
		o := flow.Offer{
			ID: strconv.Itoa(i), Key: rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "key"),
			Cost: rapid.IntRange(1, 4).Draw(t, "cost"), Criticality: penstock.Criticality(rapid.IntRange(1, 4).Draw(t, "criticality")),
		}
		p, err := c.Offer(at(0), o)
		if err != nil {
			t.Fatal(err)
		}
		c.Apply(at(0), p)
		ref.offer(o)
	}
}

// TestOrder compares the order of service with one found by search.
func TestOrder(t *testing.T) { rapid.Check(t, order) }

func FuzzOrder(f *testing.F) { f.Fuzz(rapid.MakeFuzz(order)) }

// TestOneRound gives one tenant 100000 items and others one each: each is served
// within one round of the keys that wait.
func TestOneRound(t *testing.T) {
	c := newCore(t, line(flow.WIPMax))
	for i := range 100_000 {
		offer(t, c, at(0), flow.Offer{ID: fmt.Sprintf("big-%d", i), Key: "big"})
	}
	for i := range 1000 {
		offer(t, c, at(0), flow.Offer{ID: fmt.Sprint("small-", i), Key: fmt.Sprint("tenant-", i%3)})
		if i >= 3 {
			continue
		}
		got, _ := c.Pull(at(0), "a", 2, 0, nil)
		if got[0].Item.Key == "big" && got[1].Item.Key == "big" {
			t.Fatalf("tenant %d waits for more than one item of another", i)
		}
	}
	seen := map[string]int{}
	got, _ := c.Pull(at(0), "a", 400, 0, nil)
	for _, l := range got {
		seen[l.Item.Key]++
	}
	for _, k := range []string{"big", "tenant-0", "tenant-1", "tenant-2"} {
		if seen[k] < 99 || seen[k] > 101 {
			t.Errorf("of 400 items %d are %s's, want 100", seen[k], k)
		}
	}
}

// TestKeysAreForgotten lets every item have a key of its own: what is known of
// keys stays small.
func TestKeysAreForgotten(t *testing.T) {
	c := newCore(t, line(100))
	for i := range 10_000 {
		offer(t, c, at(0), flow.Offer{Key: strconv.Itoa(i)})
		got, _ := c.Pull(at(0), "a", 1, 0, nil)
		p, err := c.Ack(at(0), got[0].Lease, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		c.Apply(at(0), p)
	}
	if n := c.Keys("a"); n > 10 {
		t.Errorf("%d keys are known, of items that are gone", n)
	}
}
