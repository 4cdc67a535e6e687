package sim_test

import (
	"math"
	"math/rand/v2"
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
	"github.com/penstock-go/penstock/sim/arrival"
)

// at makes arrivals at given instants.
func at(instants ...time.Duration) sim.Arrivals {
	return func(*rand.Rand) arrival.Process { return arrival.Trace(instants) }
}

// every makes evenly spaced arrivals.
func every(gap time.Duration, n int) sim.Arrivals {
	var all []time.Duration
	for i := range n {
		all = append(all, time.Duration(i)*gap)
	}
	return at(all...)
}

// totals runs a plan with all checks on and returns what happened to each part.
func totals(t *testing.T, p sim.Plan) map[string]*sim.Part {
	t.Helper()
	p.Check = true
	out := map[string]*sim.Part{}
	for _, part := range report(t, p, 1).Parts {
		out[part.Name] = part
	}
	return out
}

// quantile of a part's latencies, to the 4.4 % that a bucket is wide.
func quantile(p *sim.Part, share float64) time.Duration {
	var all sim.Histogram
	for i := range p.Latencies {
		all.Merge(&p.Latencies[i])
	}
	d, _ := all.Quantile(share)
	return d
}

func near(got, want time.Duration) bool { return math.Abs(float64(got-want)) <= 0.05*float64(want) }

// Without a controller a client that leaves changes nothing: the server works for
// nobody. One that stops does not.
func TestWorkForNobody(t *testing.T) {
	for _, stops := range []bool{false, true} {
		p := totals(t, sim.Plan{
			For:     time.Second,
			Sources: []sim.Source{{Name: "users", Arrivals: at(0, 1, 2), Client: sim.Client{To: "api", Timeout: 25 * millisecond}}},
			Stages:  []sim.Stage{{Name: "api", Stops: stops, Machine: sim.Machine{Service: sim.Constant(20 * millisecond)}}},
		})
		users, api := p["users"].Total, p["api"].Total
		if users.Good != 1 || users.Late != 2 || api.Good != 1 || api.Late != 2 {
			t.Errorf("stops %v: users %+v, api %+v", stops, users, api)
		}
		wantBusy := 60 * millisecond
		if stops { // the second when it has run for 5 ms, and the third at once
			wantBusy = 25 * millisecond
		}
		if time.Duration(api.Busy).Round(time.Microsecond) != wantBusy || api.Wasted != 2 {
			t.Errorf("stops %v: busy for %v, %d wasted; want %v, 2", stops, time.Duration(api.Busy), api.Wasted, wantBusy)
		}
	}
}

// A retry is a new attempt of the same request: its latency counts from the first
// asking.
func TestRetries(t *testing.T) {
	plan := sim.Plan{
		For: time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: at(0, 1), Client: sim.Client{
			To: "api", Retry: sim.Retry{Attempts: 3, Backoff: retry.Backoff{Base: 4 * millisecond}},
		}}},
		Stages: []sim.Stage{{Name: "api", Machine: sim.Machine{Service: sim.Constant(10 * millisecond), Queue: -1}}},
	}
	p := totals(t, plan)
	users := p["users"].Total
	// The second is refused at 1 ns, and again at most 4 and 12 ms later; it may
	// or may not find the server free.
	if users.First != 2 || users.Offered < 3 || users.Satisfied+users.GaveUp != 2 || p["api"].Total.First != 2 {
		t.Errorf("users %+v, api %+v", users, p["api"].Total)
	}
	plan.Sources[0].Retry.Budget = new(0.0)
	plan.Sources[0].Retry.Backoff.Base = 0
	users = totals(t, plan)["users"].Total
	if users.Offered != 3 || users.GaveUp != 1 { // the one that a budget spares, at once
		t.Errorf("without a budget's share: %+v", users)
	}
}

// An impatient user asks again and looks new.
func TestRefresh(t *testing.T) {
	p := totals(t, sim.Plan{
		For: time.Second,
		Sources: []sim.Source{{
			Name: "people", Arrivals: at(0), Client: sim.Client{To: "shop", Timeout: 500 * millisecond},
			Refresh: &sim.Refresh{After: sim.Constant(30 * millisecond), Most: 2},
		}},
		Stages: []sim.Stage{{Name: "shop", Machine: sim.Machine{Service: sim.Constant(50 * millisecond)}}},
	})
	people, shop := p["people"].Total, p["shop"].Total
	if people.First != 1 || people.Offered != 3 || people.Late != 2 || people.Satisfied != 1 {
		t.Errorf("people %+v", people)
	}
	if shop.First != 3 || shop.Wasted != 2 || shop.Good != 1 || !near(quantile(p["people"], 1), 150*millisecond) {
		t.Errorf("shop %+v, %v", shop, quantile(p["people"], 1))
	}
}

// A call goes there and back over a link, one message at a time.
func TestLink(t *testing.T) {
	p := totals(t, sim.Plan{
		For: time.Second,
		Sources: []sim.Source{{
			Name: "users", Arrivals: at(0, 0, 0, 0), Client: sim.Client{To: "api", Link: "net", Timeout: 500 * millisecond},
		}},
		Stages: []sim.Stage{{Name: "api", Machine: sim.Machine{Servers: 9, Service: sim.Constant(10 * millisecond)}}},
		Links:  []sim.Link{{Name: "net", Latency: sim.Constant(20 * millisecond), BytesPerSecond: 1e5, Request: 1000, Reply: 100, Queue: 3000}},
	})
	// Three requests fit into the link's queue and take 10 ms each to go out; the
	// last is there after 30 + 20 ms, served after 10, and its reply takes 1 + 20.
	users := p["users"].Total
	if users.Good != 3 || users.Late != 1 || p["net"].Total.Failed != 1 || !near(quantile(p["users"], 1), 81*millisecond) {
		t.Errorf("users %+v, net %+v, the last after %v", users, p["net"].Total, quantile(p["users"], 1))
	}
}

// A cache answers what it holds, and lets one call answer all if it is told to.
func TestCache(t *testing.T) {
	for _, row := range []struct {
		coalesce bool
		asked    uint64
	}{{false, 5}, {true, 1}} {
		p := totals(t, sim.Plan{
			For: time.Second,
			Sources: []sim.Source{{
				Name: "users", Client: sim.Client{To: "cache"}, Keys: 1,
				Arrivals: at(0, 1, 2, 3, 4, 100*millisecond, 200*millisecond, 700*millisecond),
			}},
			Caches: []sim.Cache{{
				Name: "cache", Capacity: 1, TTL: 500 * millisecond, Hit: sim.Constant(millisecond),
				Coalesce: row.coalesce, Client: sim.Client{To: "db"},
			}},
			Stages: []sim.Stage{{Name: "db", Machine: sim.Machine{Servers: 9, Service: sim.Constant(20 * millisecond)}}},
		})
		// The last comes when the key has expired.
		if c := p["cache"].Total; c.Hits != 2 || c.Good != 8 || p["db"].Total.Offered != row.asked+1 {
			t.Errorf("coalesce %v: %d hits, %d good, the database was asked %d times", row.coalesce, c.Hits, c.Good, p["db"].Total.Offered)
		}
	}
}

// The least recently used key goes first, and popular keys stay: the share of hits
// of an LRU cache under independent requests is Che's approximation's.
func TestCacheHitRatio(t *testing.T) {
	const keys, capacity, zipf = 1000, 100, 0.9
	sum := 0.0
	var chance [keys]float64
	for k := range chance {
		chance[k] = math.Pow(float64(k+1), -zipf)
		sum += chance[k]
	}
	lo, hi := 0.0, 1e6 // the characteristic time, by bisection
	held := func(at float64) (n float64) {
		for _, c := range chance {
			n += 1 - math.Exp(-c/sum*at)
		}
		return n
	}
	for range 100 {
		if mid := (lo + hi) / 2; held(mid) < capacity {
			lo = mid
		} else {
			hi = mid
		}
	}
	want := 0.0
	for _, c := range chance {
		want += c / sum * (1 - math.Exp(-c/sum*lo))
	}
	p := report(t, sim.Plan{
		For:     200 * time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: poisson(1000), Client: sim.Client{To: "cache"}, Keys: keys, Zipf: zipf}},
		Caches:  []sim.Cache{{Name: "cache", Capacity: capacity, Client: sim.Client{To: "db"}}},
		Stages:  []sim.Stage{{Name: "db", Machine: sim.Machine{Servers: 100}}},
	}, 1)
	c, _ := p.Part("cache")
	if got := float64(c.Total.Hits) / float64(c.Total.Offered); math.Abs(got-want) > 0.01 {
		t.Errorf("%.3f hits, Che's approximation says %.3f", got, want)
	}
}

// Calls of a stage: at once or one after the other, needed or not, with the
// server or without.
func TestCalls(t *testing.T) {
	back := func(name string, took time.Duration, queueAt int) sim.Stage {
		return sim.Stage{Name: name, Machine: sim.Machine{Servers: 9, Service: sim.Constant(took), Queue: queueAt}}
	}
	to := func(name string) sim.Client { return sim.Client{To: name, Timeout: 50 * millisecond} }
	for _, row := range []struct {
		name    string
		calls   []sim.Call
		took    time.Duration
		good    uint64
		blocked time.Duration
	}{
		{"one after the other", []sim.Call{{Client: to("a")}, {Client: to("b")}}, 41 * millisecond, 1, 40 * millisecond},
		{"at once", []sim.Call{{Client: to("a")}, {Client: to("b"), With: true}}, 31 * millisecond, 1, 30 * millisecond},
		{"without the server", []sim.Call{{Client: to("a"), Frees: true}}, 11 * millisecond, 1, 0},
		{"fan-out", []sim.Call{{Client: to("a"), Times: 9}}, 11 * millisecond, 1, 10 * millisecond},
		{"too many", []sim.Call{{Client: to("a"), Times: 10}}, 0, 0, 10 * millisecond},
		{"partial", []sim.Call{{Client: to("a"), Times: 10, Optional: true}}, 11 * millisecond, 1, 10 * millisecond},
		{"too slow", []sim.Call{{Client: to("c")}, {Client: to("a")}}, 0, 0, 50 * millisecond},
	} {
		p := totals(t, sim.Plan{
			For:     time.Second,
			Sources: []sim.Source{{Name: "users", Arrivals: at(0), Client: sim.Client{To: "web"}}},
			Stages: []sim.Stage{
				{Name: "web", Machine: sim.Machine{Service: sim.Constant(millisecond)}, Calls: row.calls},
				back("a", 10*millisecond, -1), back("b", 30*millisecond, 0), back("c", 90*millisecond, 0),
			},
		})
		web := p["web"].Total
		if web.Good != row.good || time.Duration(web.Blocked) != row.blocked || row.good > 0 && !near(quantile(p["users"], 1), row.took) {
			t.Errorf("%s: %d good, took %v, blocked for %v", row.name, web.Good, quantile(p["users"], 1), time.Duration(web.Blocked))
		}
	}
}

// A process dies of too much work, fails everything, and comes back cold.
func TestDeathAndColdStart(t *testing.T) {
	p := totals(t, sim.Plan{
		For: 2 * time.Second,
		Sources: []sim.Source{{
			Name: "users", Client: sim.Client{To: "api"},
			Arrivals: at(0, 1, 2, 3, 500*millisecond, 1000*millisecond, 1500*millisecond),
		}},
		Stages: []sim.Stage{{Name: "api", Machine: sim.Machine{
			Service: sim.Constant(10 * millisecond), DiesAbove: 3, Restart: 900 * millisecond,
			Cold: sim.Cold{Speed: 0.5, For: 200 * millisecond},
		}}},
	})
	// Four die of each other; the fifth finds nobody; the sixth comes 100 ms after
	// the start, when the speed is 0.75; the seventh finds it warm.
	api := p["api"]
	busy := time.Duration(api.Total.Busy) - 3 // the first had begun, for 3 ns
	want := 10*millisecond*4/3 + 10*millisecond
	if api.Deaths != 1 || api.Total.Failed != 5 || api.Total.Good != 2 || math.Abs(float64(busy-want)) > 10 {
		t.Errorf("%d deaths, %+v, busy for %v, want %v", api.Deaths, api.Total, busy, want)
	}
	if down := time.Duration(api.Total.Down); down != 900*millisecond {
		t.Errorf("down for %v", down)
	}
}

// The collector's share is its cost law's: work takes 1/(1 - share) as long.
func TestMemory(t *testing.T) {
	// 100 per second allocate 1 MB each, of which 100 KB live with the work; 50 MB
	// of 100 always live: k x 110 MB/s x 50/50 with k = 2 ns/B is a share of 0.22.
	p := totals(t, sim.Plan{
		For:     60 * time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: every(10*millisecond, 6000), Client: sim.Client{To: "api"}}},
		Stages: []sim.Stage{{Name: "api", Machine: sim.Machine{
			Service: sim.Constant(millisecond), Memory: &sim.Memory{Max: 1e8, Base: 5e7, Bytes: 1e5, Garbage: 1e6, MarkPerByte: 2e-9},
		}}},
	})
	api := p["api"].Total
	took := float64(api.Busy) / float64(api.Good)
	if want := float64(millisecond) / (1 - 0.22); math.Abs(took-want) > 0.02*want {
		t.Errorf("service took %v, want %v", time.Duration(took), time.Duration(want))
	}
	// Work that lives too long fills the memory: the process dies.
	p = totals(t, sim.Plan{
		For:     time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: every(millisecond, 900), Client: sim.Client{To: "api"}}},
		Stages: []sim.Stage{{Name: "api", Machine: sim.Machine{
			Service: sim.Constant(10 * millisecond), Memory: &sim.Memory{Max: 1e8, Bytes: 1e6}, Restart: 100 * millisecond,
		}}},
	})
	if api := p["api"]; api.Deaths < 2 || api.Total.Failed < 100 || api.Total.Good == 0 {
		t.Errorf("%d deaths, %+v", api.Deaths, api.Total)
	}
}

// A watchdog takes a slow machine for dead. The others get its load.
func TestWatchdog(t *testing.T) {
	p := totals(t, sim.Plan{
		For:     10 * time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: every(10*millisecond, 1000), Client: sim.Client{To: "api"}}},
		Stages: []sim.Stage{{
			Name: "api", Machines: 2, Machine: sim.Machine{Service: sim.Constant(8 * millisecond)},
			Health: &sim.Health{Every: 100 * millisecond, Timeout: 50 * millisecond, Fails: 2, MaxOut: 0.5},
		}},
		Events: []sim.Event{{At: 2 * time.Second, For: 3 * time.Second, Of: "api/1", Set: sim.Speed, To: 0.1}},
	})
	slow, other := p["api/1"], p["api/0"]
	offered := func(p *sim.Part, from, to int) (n uint64) {
		for i := from; i < to; i++ {
			n += p.Windows[i].Offered
		}
		return n
	}
	// Once it has done what it had, it looks well again, and gets more.
	if s, o := offered(slow, 25, 50), offered(other, 25, 50); s > 60 || s < 5 || s+o != 250 || slow.Total.Failed != 0 {
		t.Errorf("while it was slow: %d to the slow one, %d to the other, %d failed", s, o, slow.Total.Failed)
	}
	if s := offered(slow, 80, 100); s != 100 {
		t.Errorf("%d of 200 to the machine that was slow, at the end", s)
	}
}

// Machines serve in the order that they are told.
func TestOrders(t *testing.T) {
	for _, row := range []struct {
		order sim.Order
		want  [2]uint64 // good of sheddable and critical work with 35 ms of patience
	}{
		// All come within 4 ns, in turns; four are served in time.
		{sim.FIFO, [2]uint64{2, 2}},
		{sim.Priority, [2]uint64{1, 3}}, // the first has begun when the others come
	} {
		kind := func(c penstock.Criticality) []sim.Kind { return []sim.Kind{{Share: 1, Criticality: c}} }
		client := sim.Client{To: "api", Deadline: 45 * millisecond}
		p := totals(t, sim.Plan{
			For: time.Second,
			Sources: []sim.Source{
				{Name: "batch", Arrivals: at(0, 2, 4, 6), Client: client, Mix: kind(penstock.Sheddable)},
				{Name: "users", Arrivals: at(1, 3, 5), Client: client, Mix: kind(penstock.Critical)},
			},
			Stages: []sim.Stage{{Name: "api", Machine: sim.Machine{Service: sim.Constant(10 * millisecond), Order: row.order}}},
		})
		if got := [2]uint64{p["batch"].Total.Good, p["users"].Total.Good}; got != row.want {
			t.Errorf("order %d: %v good, want %v", row.order, got, row.want)
		}
	}
	p := totals(t, sim.Plan{
		For:     time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: at(0, 1, 5*millisecond), Client: sim.Client{To: "api", Deadline: 22 * millisecond}}},
		Stages:  []sim.Stage{{Name: "api", Machine: sim.Machine{Service: sim.Constant(10 * millisecond), Order: sim.LIFO}}},
	})
	if p["users"].Total.Good != 2 { // the second is overtaken
		t.Errorf("last in, first out: %+v", p["users"].Total)
	}
}

// CoDel keeps the sojourn near its target where arrivals would fill any queue.
func TestCoDelOnMachine(t *testing.T) {
	p := totals(t, sim.Plan{
		For:     60 * time.Second,
		Sources: []sim.Source{{Name: "users", Arrivals: poisson(1100), Client: sim.Client{To: "api"}}},
		Stages:  []sim.Stage{{Name: "api", Machine: sim.Machine{Service: sim.Constant(millisecond), CoDel: &queue.CoDel{}}}},
	})
	if api := p["api"].Total; api.RefusedBy[penstock.ReasonSojourn] < 5000 || waiting(api) > 100 {
		t.Errorf("%d dropped, mean wait %.0f ms", api.RefusedBy[penstock.ReasonSojourn], waiting(api))
	}
}

// A breaker and a throttle keep calls away from a callee that fails.
func TestCallersGuards(t *testing.T) {
	for _, row := range []struct {
		name   string
		client sim.Client
	}{
		{"breaker", sim.Client{Breaker: &breaker.Config{}}},
		{"throttle", sim.Client{Throttle: &throttle.Config{}}},
	} {
		row.client.To, row.client.Timeout = "api", 100*millisecond
		p := totals(t, sim.Plan{
			For:     20 * time.Second,
			Sources: []sim.Source{{Name: "users", Arrivals: poisson(1000), Client: row.client}},
			Stages:  []sim.Stage{{Name: "api", Machine: sim.Machine{Service: sim.Constant(time.Second), Queue: -1}}},
		})
		users, api := p["users"].Total, p["api"].Total
		if users.RefusedBy[penstock.ReasonBreaker] < 15_000 || api.Offered > 5000 || api.Offered < 20 {
			t.Errorf("%s: %d refused at home, %d reached the callee", row.name, users.RefusedBy[penstock.ReasonBreaker], api.Offered)
		}
	}
}

// A caller that listens refuses itself what its callee would refuse, and one
// further up what a callee of its callee would.
func TestListening(t *testing.T) {
	run := func(listens bool) map[string]*sim.Part {
		toBack := sim.Client{To: "back"}
		users := sim.Client{To: "front", Deadline: time.Second}
		if listens {
			toBack.Listen, users.Listen = &caller.PeerConfig{}, &caller.PeerConfig{}
		}
		room := func() limit.Law { return limit.Fixed(1000) }
		return totals(t, sim.Plan{
			For:     30 * time.Second,
			Sources: []sim.Source{{Name: "users", Arrivals: poisson(2000), Client: users}},
			Stages: []sim.Stage{
				{Name: "front", Machine: sim.Machine{Servers: 1000, Service: sim.Constant(millisecond)}, Admit: &sim.Admit{Law: room}, Calls: []sim.Call{{Client: toBack, Frees: true}}},
				{Name: "back", Machine: sim.Machine{Servers: 10, Service: sim.Exponential(10 * millisecond)}, Admit: &sim.Admit{}},
			},
		})
	}
	deaf, listening := run(false), run(true)
	if n := deaf["back"].Total.Offered; n < 59_000 {
		t.Fatalf("%d of 60000 reach the back where nobody listens", n)
	}
	back, front, users := listening["back"].Total, listening["front"].Total, listening["users"].Total
	if back.Offered > 45_000 || front.Offered > 45_000 || users.Refused < 20_000 {
		t.Errorf("%d reach the front and %d the back, %d are refused", front.Offered, back.Offered, users.Refused)
	}
	if users.Good < 20_000 {
		t.Errorf("%d good answers in 30 s, and the back can give 1000 a second", users.Good)
	}
}

// A chamber takes a batch, or what is there when the oldest has waited enough.
func TestBatch(t *testing.T) {
	p := totals(t, sim.Plan{
		For:     time.Second,
		Sources: []sim.Source{{Name: "boats", Arrivals: at(0, 1*millisecond, 2*millisecond, 3*millisecond, 300*millisecond), Client: sim.Client{To: "locks"}}},
		Lines: []sim.Line{{Name: "locks", Stations: []sim.Station{
			{Name: "lower", Buffer: 4, Service: sim.Constant(50 * millisecond), Batch: sim.Batch{Most: 4, Least: 3, Wait: 100 * millisecond}},
			{Name: "upper", Service: sim.Constant(20 * millisecond), Batch: sim.Batch{Most: 2, Least: 1}},
		}}},
	})
	// Three go at 2 ms and are up at 52; they pass the upper lock one by one, at 72,
	// 92 and 112, as it waits for nobody. The fourth waits from 3 ms until 103, when
	// it is overdue, and the fifth until 400.
	lower := p["locks/lower"].Total
	if lower.Begun != 5 || time.Duration(lower.Busy) != 150*millisecond || p["locks"].Total.Good != 5 {
		t.Errorf("%d begun, busy for %v, %d through", lower.Begun, time.Duration(lower.Busy), p["locks"].Total.Good)
	}
	if blocked := time.Duration(lower.Blocked); blocked != 40*millisecond {
		t.Errorf("blocked for %v, want the 40 ms that the third waits for the upper lock", blocked)
	}
	if d := quantile(p["boats"], 1); !near(d, 170*millisecond) {
		t.Errorf("the slowest took %v, want 170 ms", d)
	}
}

// Water that does not fit goes over the crest; a signal from below holds it back.
func TestReservoir(t *testing.T) {
	plan := func(hold float64) sim.Plan {
		return sim.Plan{
			For: 100 * time.Second,
			Reservoirs: []sim.Reservoir{
				{Name: "lower", Capacity: 100, Start: 50, Outflow: 5},
				{Name: "upper", Capacity: 1000, Start: 100, Inflow: 10, Outflow: 10, To: "lower", Hold: hold, HoldOutflow: 5},
			},
		}
	}
	p := totals(t, plan(0))
	// 50 units fit at 5 per second: from 10 s on 5 per second are spilled.
	if spilled := p["lower"].Total.Amount; math.Abs(spilled-450) > 1e-3 {
		t.Errorf("%v spilled, want 450", spilled)
	}
	if over := time.Duration(p["lower"].Total.Blocked); !near(over, 90*time.Second) {
		t.Errorf("over the crest for %v, want 90 s", over)
	}
	p = totals(t, plan(0.8))
	if p["lower"].Total.Amount != 0 || p["upper"].Total.Amount != 0 {
		t.Errorf("spilled %v and %v", p["lower"].Total.Amount, p["upper"].Total.Amount)
	}
	// The upper one takes what the lower one cannot: in + out of both balance.
	mean := p["lower"].Total.Held / 100
	if mean < 70 || mean > 80 {
		t.Errorf("the lower one held %v on average", mean)
	}
}

// Congestion: with a fixed window and a fixed timeout the net is full of
// duplicates; flows that adapt share it.
func TestCongestion(t *testing.T) {
	run := func(f sim.Flows, codel *queue.CoDel) (useful, duplicates float64, wait time.Duration) {
		f.Number, f.RTT = 20, sim.Constant(50*millisecond)
		p := totals(t, sim.Plan{For: 60 * time.Second, Bottlenecks: []sim.Bottleneck{{
			Name: "link", PacketsPerSecond: 1000, Buffer: 3000, CoDel: codel, Flows: f,
		}}})["link"].Total
		return p.PerSecond(p.Good), p.PerSecond(p.Wasted), time.Duration(waiting(p) * float64(millisecond))
	}
	useful, duplicates, wait := run(sim.Flows{Window: 200, RTO: 500 * millisecond}, nil)
	if useful > 400 || duplicates < 500 || wait < time.Second {
		t.Errorf("fixed: %.0f/s useful, %.0f/s duplicates, wait %v", useful, duplicates, wait)
	}
	useful, duplicates, wait = run(sim.Flows{}, &queue.CoDel{})
	if useful < 900 || duplicates > 50 || wait > 100*millisecond {
		t.Errorf("AIMD and CoDel: %.0f/s useful, %.0f/s duplicates, wait %v", useful, duplicates, wait)
	}
}
