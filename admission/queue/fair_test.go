package queue_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// Property: between flows that have had units waiting since an instant at which
// they were level, the cost served differs by one maximal cost at most, whatever
// their costs, however much each has waiting, and whoever else comes and goes.
func TestFairness(t *testing.T) { rapid.Check(t, fairness) }
func FuzzFairness(f *testing.F) { f.Fuzz(rapid.MakeFuzz(fairness)) }

func fairness(t *rapid.T) {
	const steady = 5 // flows 1 to 5 always have units waiting
	most := rapid.SampledFrom([]int{1, 2, 10, penstock.MaxCost}).Draw(t, "max cost")
	room := queue.New(queue.Config{Length: 1000, Order: queue.Fair, Seed: rapid.Uint64().Draw(t, "seed")})
	var costs [steady + 1]int // each flow draws from 1 to its own maximum
	for f := range costs {
		costs[f] = rapid.IntRange(1, most).Draw(t, "flow's max cost")
	}
	push := func(flow int) {
		room.Push(queue.Item{
			Flow:    uint64(flow),
			Cost:    rapid.IntRange(1, costs[min(flow, steady)]).Draw(t, "cost"),
			Expires: mono.Never,
		})
	}
	waiting, served := [steady + 1]int{}, [steady + 1]int{}
	for f := 1; f <= steady; f++ {
		push(f)
		waiting[f]++
	}
	for range rapid.IntRange(1, 150).Draw(t, "steps") {
		for f := 1; f <= steady; f++ {
			for waiting[f] < 2 || rapid.IntRange(0, 4).Draw(t, "more") == 0 {
				push(f)
				waiting[f]++
			}
		}
		if rapid.Bool().Draw(t, "passer-by") {
			push(rapid.IntRange(6, 8).Draw(t, "who"))
		}
		_, h, _ := room.Peek()
		it := room.Take(h)
		if it.Flow <= steady {
			waiting[it.Flow]--
			served[it.Flow] += it.Cost
		}
		for f := 2; f <= steady; f++ {
			if d := served[f] - served[1]; d > most || d < -most {
				t.Fatalf("flow %d was served %d, flow 1 %d: more than %d apart", f, served[f], served[1], most)
			}
		}
	}
}

// Property: where every unit costs one, the rounds are those of a ring of flows
// that is walked flow by flow.
func TestUnitCostsAreARing(t *testing.T) { rapid.Check(t, unitCostsAreARing) }

func unitCostsAreARing(t *rapid.T) {
	room := queue.New(queue.Config{Length: 64, Order: queue.Fair})
	var ring []uint64 // flows with units, the next to serve first
	waiting := map[uint64][]int32{}
	for id := range int32(rapid.IntRange(1, 200).Draw(t, "steps")) {
		if rapid.Bool().Draw(t, "push") && room.Len() < 64 {
			flow := rapid.Uint64Range(1, 8).Draw(t, "flow")
			room.Push(queue.Item{ID: id, Flow: flow, Cost: 1, Expires: mono.Never})
			if len(waiting[flow]) == 0 {
				ring = append(ring, flow)
			}
			waiting[flow] = append(waiting[flow], id)
			continue
		}
		it, h, ok := room.Peek()
		if ok != (len(ring) > 0) {
			t.Fatalf("Peek = %v with %d flows waiting", ok, len(ring))
		}
		if !ok {
			continue
		}
		flow := ring[0]
		if it.Flow != flow || it.ID != waiting[flow][0] {
			t.Fatalf("serves %d of flow %d, want %d of flow %d", it.ID, it.Flow, waiting[flow][0], flow)
		}
		room.Take(h)
		ring, waiting[flow] = ring[1:], waiting[flow][1:]
		if len(waiting[flow]) > 0 {
			ring = append(ring, flow)
		}
	}
}

// A flow that pays for one expensive unit and waits again only then is still
// held to its share.
func TestDebtOutlivesTheBacklog(t *testing.T) {
	room := queue.New(queue.Config{Length: 10, Order: queue.Fair})
	cheap, dear := 0, 0
	for range 3 {
		room.Push(queue.Item{Flow: 1, Cost: 1, Expires: mono.Never})
	}
	room.Push(queue.Item{Flow: 2, Cost: 50, Expires: mono.Never})
	for range 1000 {
		_, h, _ := room.Peek()
		it := room.Take(h) // flow 2 has nothing waiting for a moment
		if it.Flow == 1 {
			cheap += it.Cost
		} else {
			dear += it.Cost
		}
		room.Push(it)
	}
	if d := cheap - dear; d < -50 || d > 50 {
		t.Errorf("served %d and %d: more than 50 apart", cheap, dear)
	}
}

// A flow that waits is served once in every ring of those that wait with it,
// though every other unit is of a flow never seen before.
func TestNewcomersDoNotStarve(t *testing.T) {
	const others = 40
	room := queue.New(queue.Config{Length: 200, Order: queue.Fair})
	fresh := uint64(1000)
	newcomer := func() {
		fresh++
		room.Push(queue.Item{Flow: fresh * 0x9e3779b97f4a7c15, Cost: 1, Expires: mono.Never})
	}
	for range 100 {
		room.Push(queue.Item{Flow: 1, Cost: 1, Expires: mono.Never})
	}
	for range others {
		newcomer()
	}
	since := 0
	for range 2000 {
		_, h, _ := room.Peek()
		if it := room.Take(h); it.Flow == 1 {
			since = 0
			room.Push(it)
			continue
		}
		newcomer()
		// The newcomers that share its place take turns with it.
		if since++; since > 3*others {
			t.Fatalf("flow 1 has not been served for %d units", since)
		}
	}
}

// With far more flows than places some share one. Nothing is lost, and every
// place gets the same.
func TestMoreFlowsThanPlaces(t *testing.T) {
	const flows, each = 4000, 5
	room := queue.New(queue.Config{Length: flows * each, Order: queue.Fair, Seed: 7})
	for n := range int32(each) {
		for f := range uint64(flows) {
			room.Push(queue.Item{ID: n, Flow: f * 0x9e3779b97f4a7c15, Cost: 1, Expires: mono.Never})
		}
	}
	var got [flows]int32
	last := 0
	for served := range flows * each {
		_, h, ok := room.Peek()
		if !ok {
			t.Fatalf("%d of %d were served", served, flows*each)
		}
		it := room.Take(h)
		f := it.Flow * 0xf1de83e19937733d // the inverse of the factor above
		if it.ID != got[f] {
			t.Fatalf("flow %d: unit %d served when %d is due", f, it.ID, got[f])
		}
		got[f]++
		if got[f] == 1 {
			last = served
		}
	}
	if last > flows*each*4/5 {
		t.Errorf("a flow was first served after %d of %d units", last, flows*each)
	}
}

// Flows that fit the table do not share: many flows of one room get the same to
// within one unit.
func TestFlowsThatFitDoNotShare(t *testing.T) {
	const flows = 64
	for seed := range uint64(20) {
		room := queue.New(queue.Config{Length: flows * 10, Seed: seed})
		for range 10 {
			for f := range uint64(flows) {
				room.Push(queue.Item{Flow: f, Cost: 1, Expires: mono.Never})
			}
		}
		served := [flows]int{}
		for range flows * 5 {
			_, h, _ := room.Peek()
			served[room.Take(h).Flow]++
		}
		for f, n := range served {
			if n != 5 {
				t.Errorf("seed %d: flow %d was served %d times in 5 rounds", seed, f, n)
			}
		}
	}
}

// When the last unit of a band has left, every flow is level again.
func TestDebtEndsWithTheBusyPeriod(t *testing.T) {
	room := queue.New(queue.Config{Length: 10, Order: queue.Fair})
	room.Push(queue.Item{ID: 1, Flow: 1, Cost: 900, Expires: mono.Never})
	drain(room)
	room.Push(queue.Item{ID: 2, Flow: 1, Cost: 1, Expires: mono.Never})
	room.Push(queue.Item{ID: 3, Flow: 2, Cost: 1, Expires: mono.Never})
	room.Push(queue.Item{ID: 4, Flow: 2, Cost: 1, Expires: mono.Never})
	if got := drain(room); !slices.Equal(got, []int32{2, 3, 4}) {
		t.Errorf("served %v, want 2, 3, 4", got)
	}
}

// A flow that was served ahead of its share keeps its place, and so its debt,
// however many others come by while it has nothing waiting; none of them
// inherits it.
func TestNobodyInheritsADebt(t *testing.T) {
	const debt, others = 100, 90
	for seed := range uint64(50) {
		room := queue.New(queue.Config{Length: 10, Order: queue.Fair, Seed: seed})
		push := func(flow uint64, cost int) {
			room.Push(queue.Item{Flow: flow, Cost: cost, Expires: mono.Never})
		}
		serve := func() uint64 {
			_, h, _ := room.Peek()
			return room.Take(h).Flow
		}
		push(1, debt)
		push(2, 1)
		serve()
		for n := range uint64(others) { // flow 2 keeps the band busy, round by round
			push(100+n, 1)
			first := serve()
			push(2, 1)
			if second := serve(); first != 2 || second != 100+n {
				t.Fatalf("seed %d, passer-by %d: served flows %d and %d", seed, n, first, second)
			}
		}
		push(1, 1)
		if flow := serve(); flow != 2 {
			t.Errorf("seed %d: flow %d is served after %d of %d rounds of its debt", seed, flow, others, debt)
		}
	}
}
