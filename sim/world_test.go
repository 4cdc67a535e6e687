package sim_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/caller/retry"
	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/sim"
)

// everything is a plan in which all parts do something: it is checked at every
// event.
func everything() sim.Plan {
	deadline := func(to string, d time.Duration) sim.Client { return sim.Client{To: to, Deadline: d} }
	users := deadline("web", 300*millisecond)
	users.Link = "net"
	users.Retry = sim.Retry{Attempts: 3, Backoff: retry.Backoff{Base: 20 * millisecond}, Budget: new(0.5), Heed: true}
	batch := deadline("web", 2*time.Second)
	batch.Throttle = &throttle.Config{}
	toCache := deadline("cache", 200*millisecond)
	toCache.Breaker = &breaker.Config{}
	toDB := deadline("db", 0)
	toDB.Retry.Attempts = 2
	others := deadline("farm", 100*millisecond)
	others.Listen = &caller.PeerConfig{}
	return sim.Plan{
		For: 20 * time.Second, Check: true,
		Sources: []sim.Source{
			{
				Name: "users", Arrivals: poisson(300), Client: users, Keys: 1000, Zipf: 1,
				Mix: []sim.Kind{{Share: 1, Criticality: penstock.CriticalPlus}, {Share: 3, Criticality: penstock.Sheddable, Cost: 2, Demand: 2, Flows: 5}},
			},
			{Name: "batch", Users: &sim.Users{Number: 50, Think: sim.Exponential(500 * millisecond)}, Client: batch, Keys: 100},
			{
				Name: "people", Arrivals: poisson(40), Client: sim.Client{To: "shop", Timeout: 5 * time.Second, Deadline: time.Second, Untold: true},
				Refresh: &sim.Refresh{After: sim.Uniform{Least: 100 * millisecond, Most: time.Second}, Most: 3},
			},
			{Name: "parcels", Arrivals: poisson(30), Client: deadline("works", 3*time.Second)},
			{Name: "loyal", Arrivals: poisson(100), Client: sim.Client{To: "old"}},
			{Name: "others", Arrivals: poisson(200), Client: others},
		},
		Stages: []sim.Stage{
			{
				Name: "web", Machines: 2, Admit: &sim.Admit{}, Health: &sim.Health{Every: 200 * millisecond, Timeout: 100 * millisecond, MaxOut: 0.5},
				Machine: sim.Machine{Servers: 20, Service: sim.Exponential(10 * millisecond), Restart: 2 * time.Second, Cold: sim.Cold{Speed: 0.2, For: time.Second}},
				Calls: []sim.Call{
					{Client: toCache, Times: 2, Frees: true},
					{Client: deadline("log", 20*millisecond), With: true, Optional: true, Share: 0.5},
				},
			},
			{
				Name: "old", Machines: 2, Health: &sim.Health{Every: 200 * millisecond, Timeout: 400 * millisecond, MaxOut: 0.5, Kill: true},
				Machine: sim.Machine{Service: sim.Exponential(10 * millisecond), Restart: 2 * time.Second, Cold: sim.Cold{Speed: 0.2, For: time.Second}},
			},
			{Name: "log", Machine: sim.Machine{Service: sim.Constant(millisecond), Queue: 5}, Rate: &sim.RateLimit{PerSecond: 150, Burst: 10}},
			{Name: "db", Admit: &sim.Admit{Inside: true, Order: queue.Fair}, Machine: sim.Machine{Servers: 4, Order: sim.Sharing, USL: &sim.USL{Alpha: 0.1}, Service: sim.Gamma{Of: 5 * millisecond, CV2: 2}}},
			{Name: "shop", Stops: true, Machine: sim.Machine{Servers: 2, Order: sim.LIFO, Service: sim.LogNormal{Of: 50 * millisecond, CV2: 2}, CoDel: &queue.CoDel{}}},
			{
				Name: "farm", Machines: 3, Balance: sim.TwoChoices, Health: &sim.Health{Every: time.Second, Timeout: 300 * millisecond},
				Admit: &sim.Admit{Inside: true, Law: func() limit.Law { return limit.Fixed(4) }},
				Machine: sim.Machine{
					Servers: 1, Order: sim.Priority, Service: sim.Exponential(8 * millisecond), DiesAbove: 30, Restart: time.Second,
					Memory: &sim.Memory{Max: 1e9, Base: 1e8, Bytes: 1e7, Garbage: 1e6},
				},
			},
		},
		Caches: []sim.Cache{{Name: "cache", Capacity: 300, Hit: sim.Constant(millisecond), TTL: 5 * time.Second, Filled: true, Coalesce: true, Client: toDB}},
		Links:  []sim.Link{{Name: "net", Latency: sim.Exponential(5 * millisecond), BytesPerSecond: 1e6, Request: 1000, Reply: 2000, Queue: 20000}},
		Lines: []sim.Line{{Name: "works", Cards: 30, Yard: 20, Stations: []sim.Station{
			{Name: "cut", Service: sim.Exponential(20 * millisecond), Buffer: 3},
			{Name: "bake", Service: sim.Constant(200 * millisecond), Buffer: 10, Batch: sim.Batch{Most: 8, Least: 4, Wait: 150 * millisecond}},
			{Name: "pack", Servers: 2, Service: sim.Exponential(60 * millisecond), Buffer: 2, Cards: 6},
		}}},
		Bottlenecks: []sim.Bottleneck{{Name: "wire", PacketsPerSecond: 500, Buffer: 50, Flows: sim.Flows{Number: 4, RTT: sim.Uniform{Least: 20 * millisecond, Most: 80 * millisecond}}}},
		Reservoirs: []sim.Reservoir{
			{Name: "upper", Capacity: 100, Start: 50, Inflow: 5, Outflow: 8, To: "lower", Hold: 0.7, HoldOutflow: 2},
			{Name: "lower", Capacity: 40, Start: 20, Outflow: 4},
		},
		Events: []sim.Event{
			{At: 4 * time.Second, For: 3 * time.Second, Of: "web/1", Set: sim.Speed, To: 0.05},
			{At: 3 * time.Second, For: 5 * time.Second, Of: "old/1", Set: sim.Speed, To: 0.1},
			{At: 6 * time.Second, Of: "web/0", Set: sim.Kill},
			{At: 5 * time.Second, For: time.Second, Of: "db", Set: sim.Servers, To: 0},
			{At: 8 * time.Second, Of: "cache", Set: sim.Flush},
			{At: 9 * time.Second, For: time.Second, Of: "batch", Set: sim.NumUsers, To: 200},
			{At: 9 * time.Second, For: time.Second, Of: "net", Set: sim.Bandwidth, To: 0.2},
			{At: 10 * time.Second, Of: "farm/0", Set: sim.Kill},
			{At: 11 * time.Second, For: 2 * time.Second, Of: "farm", Set: sim.MemoryMax, To: 1.15e8},
			{At: 12 * time.Second, For: 2 * time.Second, Of: "works/pack", Set: sim.Servers, To: 0},
			{At: 13 * time.Second, For: 2 * time.Second, Of: "wire", Set: sim.Packets, To: 50},
			{At: 14 * time.Second, For: 2 * time.Second, Of: "upper", Set: sim.Inflow, To: 50},
		},
	}
}

// Conservation and L = lambda W hold at every event, whatever happens; the world
// panics where they do not.
func TestConservation(t *testing.T) {
	for seed := range uint64(unlessRaced(3, 1)) {
		r := report(t, everything(), seed)
		for _, p := range r.Parts {
			if p.Kind == sim.ReservoirPart {
				continue
			}
			w := p.Total
			if w.Offered == 0 && p.Kind != sim.MachinePart {
				t.Errorf("seed %d: %s: nothing was offered", seed, p.Name)
			}
			if w.Length != r.Until-1 {
				t.Errorf("seed %d: %s: the windows are %v long in all, want %v", seed, p.Name, w.Length, r.Until-1)
			}
		}
	}
}

// Everything in the plan happens: a check of what does not happen checks nothing.
func TestEverythingHappens(t *testing.T) {
	r := report(t, everything(), 1)
	for _, row := range []struct {
		part string
		what string
		did  func(w sim.Window, p *sim.Part) bool
	}{
		{"users", "late", func(w sim.Window, _ *sim.Part) bool { return w.Late > 0 }},
		{"users", "retries", func(w sim.Window, _ *sim.Part) bool { return w.Offered > w.First }},
		{"users", "satisfied and not", func(w sim.Window, _ *sim.Part) bool { return w.Satisfied > 0 && w.GaveUp > 0 }},
		{"people", "refreshes", func(w sim.Window, _ *sim.Part) bool { return w.Offered > w.First }},
		{"batch", "closed", func(w sim.Window, _ *sim.Part) bool { return w.Offered == w.First && w.Good > 100 }},
		{"web", "refusals", func(w sim.Window, _ *sim.Part) bool { return w.Refused > 0 && w.Limit > 0 && w.Level > 0 }},
		{"old", "deaths by the watchdog", func(_ sim.Window, p *sim.Part) bool { return p.Deaths > 0 }},
		{"old/1", "down", func(w sim.Window, _ *sim.Part) bool { return w.Down > 0 }},
		{"web", "blocked or wasted", func(w sim.Window, _ *sim.Part) bool { return w.Wasted > 0 }},
		{"log", "rate", func(w sim.Window, _ *sim.Part) bool { return w.RefusedBy[penstock.ReasonRate] > 0 }},
		{"db", "good", func(w sim.Window, _ *sim.Part) bool { return w.Good > 0 }},
		{"shop", "stopped", func(w sim.Window, _ *sim.Part) bool { return w.Late > 0 }},
		{"farm", "deaths of memory", func(w sim.Window, p *sim.Part) bool { return p.Deaths > 1 && w.Failed > 0 }},
		{"cache", "hits", func(w sim.Window, _ *sim.Part) bool { return w.Hits > 0 && w.Hits < w.Good }},
		{"net", "losses", func(w sim.Window, _ *sim.Part) bool { return w.Failed > 0 && w.Good > w.Failed }},
		{"works", "refused", func(w sim.Window, _ *sim.Part) bool { return w.Refused > 0 && w.Good > 0 }},
		{"works/cut", "blocked", func(w sim.Window, _ *sim.Part) bool { return w.Blocked > 0 && w.Busy > 0 }},
		{"works/pack", "starved", func(w sim.Window, _ *sim.Part) bool { return w.Starved > 0 && w.Idle > 0 }},
		{"wire", "drops", func(w sim.Window, _ *sim.Part) bool { return w.Refused > 0 && w.Good > 0 }},
		{"lower", "spill", func(w sim.Window, _ *sim.Part) bool { return w.Amount > 0 && w.Held > 0 }},
	} {
		p, ok := r.Part(row.part)
		if !ok || !row.did(p.Total, p) {
			t.Errorf("%s: %s: %+v", row.part, row.what, p)
		}
	}
}

// The same seed gives the same metrics, whatever else the machine does; another
// seed gives others.
func TestSameSeedSameHash(t *testing.T) {
	hash := func(seed uint64) uint64 {
		p := everything()
		p.Check = false
		return report(t, p, seed).Hash()
	}
	want := hash(1)
	for _, procs := range []int{1, 2, 4}[:unlessRaced(3, 2)] {
		before := runtime.GOMAXPROCS(procs)
		var wg sync.WaitGroup
		for range unlessRaced(3, 2) {
			wg.Go(func() {
				if got := hash(1); got != want {
					t.Errorf("GOMAXPROCS %d: hash %x, want %x", procs, got, want)
				}
			})
		}
		wg.Wait()
		runtime.GOMAXPROCS(before)
	}
	if hash(2) == want {
		t.Error("another seed, the same hash")
	}
}

// A world may be run in pieces.
func TestRunInPieces(t *testing.T) {
	p := everything()
	p.Seed, p.Check = 1, false
	w, err := sim.New(p)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; w.RunFor(time.Second/3 + 1); n++ {
		if n%10 == 0 {
			w.Report()
		}
	}
	if got, want := w.Report().Hash(), report(t, p, 1).Hash(); got != want {
		t.Errorf("in pieces %x, at once %x", got, want)
	}
}

// Variants see the same arrivals and the same service draws: a change of one part
// leaves the draws of others as they were.
func TestVariantsArePaired(t *testing.T) {
	plain := queueing(100, sim.Machine{Servers: 1000, Service: sim.Exponential(millisecond)}, 10*time.Second)
	more := plain
	more.Sources = append([]sim.Source{{Name: "more", Arrivals: poisson(50), Client: sim.Client{To: "other"}}}, plain.Sources...)
	more.Stages = append([]sim.Stage{{Name: "other", Machine: sim.Machine{Service: sim.Exponential(millisecond)}}}, plain.Stages...)
	a, b := report(t, plain, 5), report(t, more, 5)
	pa, _ := a.Part("queue")
	pb, _ := b.Part("queue")
	for i := range pa.Windows {
		if pa.Windows[i] != pb.Windows[i] {
			t.Fatalf("window %d: %+v, with another part beside it %+v", i, pa.Windows[i], pb.Windows[i])
		}
	}
}

// The storm outlives its cause, for ever; a controller keeps it from beginning.
func TestRetryStorm(t *testing.T) {
	skipUnderRace(t)
	for _, row := range []struct {
		name      string
		admit     *sim.Admit
		budget    *float64
		collapsed bool
	}{
		{"push", nil, nil, true},
		{"backpressure", &sim.Admit{}, new(0.1), false},
	} {
		p := retryStorm(row.budget, row.admit)
		p.Check = true
		r := report(t, p, 1)
		users, _ := r.Part("users")
		w := r.Between(users, 90*time.Second, 120*time.Second)
		share := float64(w.Good) / float64(w.First)
		d := goodAgain(r, users, 40*time.Second, 0.9*700)
		t.Logf("%s: %.3f of first attempts are good at the end, recovery %v, %d events", row.name, share, d, r.Events)
		switch {
		case row.collapsed && (share > 0.05 || d < 80*time.Second):
			t.Errorf("%s: %.3f are good, recovery %v: no collapse", row.name, share, d)
		case !row.collapsed && (share < 0.98 || d > 2*time.Second):
			t.Errorf("%s: %.3f are good, recovery %v", row.name, share, d)
		}
	}
}

// What grows without end stops the world, which says so.
func TestBounded(t *testing.T) {
	p := queueing(1000, sim.Machine{Service: sim.Exponential(10 * millisecond)}, time.Hour)
	p.MaxCalls = 1000
	w, err := sim.New(p)
	if err != nil {
		t.Fatal(err)
	}
	r := w.Run()
	if !strings.Contains(r.Stopped, "1000 calls") || r.Until > time.Minute {
		t.Errorf("stopped %q at %v", r.Stopped, r.Until)
	}
	if w.RunFor(time.Second) {
		t.Error("a stopped world goes on")
	}
}

// In steady state a world allocates nothing.
func TestAllocationFree(t *testing.T) {
	for name, p := range map[string]sim.Plan{"push": retryStorm(nil, nil), "backpressure": retryStorm(new(0.1), &sim.Admit{})} {
		p.Events = nil
		w, err := sim.New(p)
		if err != nil {
			t.Fatal(err)
		}
		w.RunFor(20 * time.Second)
		before := w.Events()
		if n := testing.AllocsPerRun(20, func() { w.RunFor(time.Second) }); n > 0 {
			t.Errorf("%s: %v allocations for each %d events", name, n, (w.Events()-before)/21)
		}
	}
}
