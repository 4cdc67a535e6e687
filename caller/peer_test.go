package caller_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/caller/breaker"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

var (
	important = penstock.Work{Criticality: penstock.CriticalPlus}
	batch     = penstock.Work{Criticality: penstock.Sheddable, Attempt: 2}
)

// TestPeerListens: what a callee's price shuts out is refused here, what it
// admits goes through, and silence ends it.
func TestPeerListens(t *testing.T) {
	p := caller.NewPeer(caller.PeerConfig{})
	now := mono.Time(0)
	first, err := p.Ask(now, batch, false, 0.5)
	if err != nil {
		t.Fatalf("the first call is refused: %v", err)
	}
	p.Answer(now, first, caller.Answer{Said: true, Signal: pressure.Signal{Level: 0.9, Price: 600, Retry: 200 * ms}})
	now = now.Add(ms)
	_, err = p.Ask(now, batch, false, 0.5)
	if err == nil || err.Reason != penstock.ReasonPriority || err.RetryAfter < 100*ms || err.Pressure < 0.89 {
		t.Fatalf("batch work below the price: %+v", err)
	}
	if _, err := p.Ask(now, important, false, 0.5); err != nil {
		t.Fatalf("important work is refused: %v", err)
	}
	if _, err := p.Ask(now.Add(11*time.Second), batch, false, 0.5); err != nil {
		t.Errorf("after 11 s of silence: %v", err)
	}
}

// TestPeerExplores: of what an estimate refuses, one in a hundred goes through,
// and one in 100 ms however few ask.
func TestPeerExplores(t *testing.T) {
	for name, gap := range map[string]time.Duration{"many": 10 * time.Microsecond, "few": 40 * ms} {
		p := caller.NewPeer(caller.PeerConfig{})
		now := mono.Time(0)
		first, _ := p.Ask(now, important, false, 0.5)
		p.Answer(now, first, caller.Answer{Said: true, Signal: pressure.Signal{Level: 1, Price: penstock.MaxPrice}})
		through, asked := 0, 400
		for range asked {
			now = now.Add(gap)
			if k, err := p.Ask(now, batch, false, 0.5); err == nil {
				through++
				p.Answer(now, k, caller.Answer{Refused: true, Said: true, Signal: pressure.Signal{Level: 1, Price: penstock.MaxPrice}})
			}
		}
		least := max(asked/100, int(time.Duration(asked)*gap/(120*ms)))
		if through < least || through > 3*least {
			t.Errorf("%s: %d of %d went through; want about %d", name, through, asked, least)
		}
	}
}

// A callee has workers that take a time for each call, exponentially distributed,
// and room for half as many calls as it has workers. It says how full it is as
// admission does.
type callee struct {
	workers int
	service time.Duration
	rng     *rand.Rand
	ends    []mono.Time // of the calls inside, one for each
	refused mono.Time
}

// call returns the answer to a call that comes now, and when it leaves.
func (c *callee) call(now mono.Time) (a caller.Answer, at mono.Time) {
	c.ends = slices.DeleteFunc(c.ends, func(t mono.Time) bool { return t <= now })
	inside := len(c.ends)
	a = caller.Answer{Said: true, Signal: pressure.Signal{Level: 0.8 * min(1, float64(inside)/float64(c.workers))}}
	if inside > c.workers {
		a.Signal.Level += 0.2 * float64(inside-c.workers) / float64(c.workers)
	}
	if inside >= c.workers+c.workers/2 {
		c.refused, a.Refused = now, true
	}
	if now.Sub(c.refused) < 10*ms && c.refused > 0 {
		a.Signal.Level = 1
	}
	if a.Refused {
		return a, now.Add(ms / 10)
	}
	slices.Sort(c.ends)
	at = now
	if inside >= c.workers {
		at = c.ends[inside-c.workers]
	}
	at = at.Add(time.Duration(c.rng.ExpFloat64() * float64(c.service)))
	c.ends = append(c.ends, at)
	return a, at
}

// callers are some that know nothing of each other, and call one callee.
type callers struct {
	peers []*caller.Peer
	to    *callee
	rng   *rand.Rand
	now   mono.Time
	out   []outCall

	critical float64 // share of their calls
	spurned  int     // of those, refused before they were sent
}

type outCall struct {
	at     mono.Time
	by     int
	ticket caller.Ticket
	answer caller.Answer
}

// run lets them have so many calls to make per second, and counts.
func (cs *callers) run(rate float64, length time.Duration) (taken []float64, turnedAway, local float64) {
	taken = make([]float64, len(cs.peers))
	for end := cs.now.Add(length); cs.now < end; {
		cs.now = cs.now.Add(time.Duration(cs.rng.ExpFloat64() / rate * float64(time.Second)))
		slices.SortFunc(cs.out, func(a, b outCall) int { return cmp.Compare(a.at, b.at) })
		for len(cs.out) > 0 && cs.out[0].at <= cs.now {
			o := cs.out[0]
			cs.out = cs.out[1:]
			cs.peers[o.by].Answer(o.at, o.ticket, o.answer)
			if o.answer.Refused {
				turnedAway++
			} else {
				taken[o.by]++
			}
		}
		by := cs.rng.IntN(len(cs.peers))
		w := penstock.Work{Criticality: penstock.Sheddable, Cohort: penstock.CohortAt(cs.rng.Uint64())}
		if cs.rng.Float64() < cs.critical {
			w.Criticality = penstock.Critical
		}
		k, err := cs.peers[by].Ask(cs.now, w, false, cs.rng.Float64())
		if err != nil {
			local++
			if w.Criticality == penstock.Critical {
				cs.spurned++
			}
			continue
		}
		a, at := cs.to.call(cs.now)
		cs.out = append(cs.out, outCall{at, by, k, a})
	}
	for i := range taken {
		taken[i] /= length.Seconds()
	}
	return taken, turnedAway / length.Seconds(), local / length.Seconds()
}

// TestPeerFindsWhatFits: at three times what the callee takes, next to nothing is
// left for the callee to refuse, its capacity is used, callers that know nothing of
// each other get equal parts, what fits is found again when it changes, and once the
// load is gone nobody is refused.
func TestPeerFindsWhatFits(t *testing.T) {
	for _, n := range []int{1, 3, 20, 100} {
		rng := rand.New(rand.NewPCG(1, 2))
		cs := &callers{to: &callee{workers: 16, service: 10 * ms, rng: rng}, rng: rng}
		for range n {
			cs.peers = append(cs.peers, caller.NewPeer(caller.PeerConfig{}))
		}
		for _, step := range []struct {
			what    string
			workers int
		}{
			{"three times too much", 16},
			{"half of that capacity", 8},
			{"all of it again", 16},
		} {
			cs.to.workers = step.workers
			capacity := float64(100 * step.workers)
			cs.run(4800, 3*time.Second)
			each, turnedAway, local := cs.run(4800, 10*time.Second)
			taken := 0.0
			for _, x := range each {
				taken += x
			}
			t.Logf("%d callers, %s: %.0f/s taken, %.0f/s refused there, %.0f/s refused here; fairness %.3f", n, step.what, taken, turnedAway, local, jain(each))
			explored := 0.01*local + 10*float64(n)
			if taken < 0.9*capacity || turnedAway > 0.03*capacity+explored {
				t.Errorf("%d callers, %s: %.0f/s taken of %.0f/s, and %.0f/s refused there", n, step.what, taken, capacity, turnedAway)
			}
			if j := jain(each); j < 0.95 {
				t.Errorf("%d callers, %s: Jain's index is %.3f", n, step.what, j)
			}
		}
		cs.run(800, 4*time.Second)
		if _, turnedAway, local := cs.run(800, 10*time.Second); turnedAway+local > 8 {
			t.Errorf("%d callers: at half load %.1f/s are refused there and %.1f/s here", n, turnedAway, local)
		}
	}
}

// jain is Jain's index of fairness.
func jain(xs []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range xs {
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(len(xs)) * squares)
}

// TestPeerPassesOn: what a callee says is passed on at once and whole, however
// many hops it takes; only who decides by it waits for an average.
func TestPeerPassesOn(t *testing.T) {
	full := pressure.Signal{Level: 1, Price: 600, Retry: 200 * ms}
	hops := make([]*caller.Peer, 6)
	for i := range hops {
		hops[i] = caller.NewPeer(caller.PeerConfig{})
	}
	now := mono.Time(0)
	pass := func(s pressure.Signal) pressure.Signal {
		for _, p := range hops {
			k, err := p.Ask(now, important, true, 0.5)
			if err != nil {
				t.Fatalf("important work is refused: %v", err)
			}
			p.Answer(now, k, caller.Answer{Said: true, Signal: s})
			s = p.Pressure(now)
		}
		return s
	}
	pass(pressure.Signal{Level: 0.2})
	now = now.Add(ms)
	if got := pass(full); got != full {
		t.Errorf("six hops after the callee said %+v, its caller hears %+v", full, got)
	}
	if _, err := hops[0].Ask(now, batch, false, 0.5); err != nil {
		t.Errorf("one word of a full callee refuses: %v", err)
	}
	now = now.Add(11 * time.Second)
	if got := hops[5].Pressure(now); got != (pressure.Signal{}) {
		t.Errorf("after a long silence it says %+v", got)
	}
}

type sentAt struct {
	ticket caller.Ticket
	begun  mono.Time
}

// TestPeerHeedsWaiting: a callee that says that work waits gets fewer calls, though
// it has refused none; one that says that it has room gets all.
func TestPeerHeedsWaiting(t *testing.T) {
	for level, want := range map[float64]bool{0.5: false, 0.79: false, 0.9: true, 1: true} {
		p := caller.NewPeer(caller.PeerConfig{})
		rng := rand.New(rand.NewPCG(1, 2))
		var out []sentAt
		refused := 0
		for i := range 1000 { // 500 calls per second of 20 ms
			now := mono.Time(i) * mono.Time(2*ms)
			k, err := p.Ask(now, penstock.Work{Cohort: penstock.CohortAt(rng.Uint64())}, false, 0.5)
			if err != nil {
				refused++
			} else {
				out = append(out, sentAt{k, now})
			}
			for len(out) > 0 && now.Sub(out[0].begun) >= 20*ms {
				p.Answer(now, out[0].ticket, caller.Answer{Said: true, Signal: pressure.Signal{Level: level}})
				out = out[1:]
			}
		}
		if (refused > 100) != want {
			t.Errorf("level %g: %d of 1000 calls are refused; want many: %v", level, refused, want)
		}
	}
}

// TestPeerEndsItsPause: calls that took long and came back with the word "full" make
// long pauses between calls; once one comes back with the word that all is well, the
// next need not wait for the end of a pause.
func TestPeerEndsItsPause(t *testing.T) {
	p := caller.NewPeer(caller.PeerConfig{})
	now := mono.Time(0)
	var out []sentAt
	// run asks every 10 ms, and returns how many of the last 100 were refused.
	run := func(asks int, took time.Duration, level float64) (refused int) {
		for i := range asks {
			now = now.Add(10 * ms)
			for len(out) > 0 && now.Sub(out[0].begun) >= took {
				p.Answer(now, out[0].ticket, caller.Answer{Said: true, Signal: pressure.Signal{Level: level}})
				out = out[1:]
			}
			switch k, err := p.Ask(now, batch, false, 0.5); {
			case err == nil:
				out = append(out, sentAt{k, now})
			case asks-i <= 100:
				refused++
			}
		}
		return refused
	}
	if refused := run(6000, time.Second, 1); refused < 80 {
		t.Fatalf("%d of 100 calls are refused by one that hears that the callee is full; want 80 at least", refused)
	}
	if refused := run(130, 10*ms, 0.1); refused > 0 {
		t.Errorf("%d of 100 calls are refused from 300 ms after the callee was well", refused)
	}
}

// TestPeerSparesTheImportant: what matters most is not refused for want of a place
// in the window while it is less than what the callee takes, however much else asks.
func TestPeerSparesTheImportant(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	cs := &callers{to: &callee{workers: 16, service: 10 * ms, rng: rng}, rng: rng, peers: []*caller.Peer{caller.NewPeer(caller.PeerConfig{})}}
	cs.critical = 0.15 // of 4800/s; the callee takes 1600/s
	cs.run(4800, 2*time.Second)
	cs.spurned = 0
	cs.run(4800, 10*time.Second)
	if cs.spurned > 7200*2/1000 {
		t.Errorf("%d of about 7200 critical calls are refused here", cs.spurned)
	}
}

// TestPeerThrottles: a callee that says nothing is throttled by what it accepts,
// and its word that it is well ends that.
func TestPeerThrottles(t *testing.T) {
	p := caller.NewPeer(caller.PeerConfig{})
	rng := rand.New(rand.NewPCG(3, 4))
	now, refused := mono.Time(0), 0
	for range 2000 {
		now = now.Add(ms)
		k, err := p.Ask(now, important, false, rng.Float64())
		if err != nil {
			refused++
			if err.Reason != penstock.ReasonBreaker {
				t.Fatalf("reason %v; want breaker", err.Reason)
			}
			continue
		}
		p.Answer(now, k, caller.Answer{Refused: true})
	}
	if refused < 1500 {
		t.Errorf("%d of 2000 calls are refused here to a callee that takes none; want 1500 at least", refused)
	}
	p.Recovered(now)
	if _, err := p.Ask(now, important, false, 0.5); err != nil {
		t.Errorf("after its recovery: %v", err)
	}
}

// TestPeerBreaks: a breaker opens for failures and not for refusals; a call that
// explores while it is open, and ends well, ends the wait.
func TestPeerBreaks(t *testing.T) {
	cfg := caller.PeerConfig{Breaker: &breaker.Config{Least: 10, OpenFor: time.Hour, Probes: 1}}
	cfg.Throttle.Least = 1e9 // out of the way
	for _, row := range []struct {
		what   string
		answer caller.Answer
		opens  bool
	}{
		{"failures", caller.Answer{Failed: true}, true},
		{"refusals", caller.Answer{Refused: true}, false},
		{"callers that leave", caller.Answer{Left: true}, false},
	} {
		p := caller.NewPeer(cfg)
		now, refused, tested := mono.Time(0), 0, 0
		for range 60 {
			now = now.Add(ms)
			k, err := p.Ask(now, important, false, 0.5)
			if err != nil {
				refused++
				continue
			}
			p.Answer(now, k, row.answer)
		}
		if opened := refused > 40; opened != row.opens {
			t.Errorf("%s: %d of 60 calls are refused; want it open: %v", row.what, refused, row.opens)
		}
		if !row.opens {
			continue
		}
		for ; tested < 200; tested++ { // the callee is well again, though nobody has asked yet
			now = now.Add(ms)
			if k, err := p.Ask(now, important, false, 0.5); err == nil {
				p.Answer(now, k, caller.Answer{})
				break
			}
		}
		if k, err := p.Ask(now.Add(ms), important, false, 0.5); err != nil || tested > 100 {
			t.Errorf("after %d refusals and a good call the next is refused: %v", tested, err)
		} else {
			p.Answer(now.Add(ms), k, caller.Answer{})
		}
	}
}

// Whatever callees say and clocks do, a peer refuses with a reason and a bounded
// wait, and lets one in a hundred through.
func peerBounds(t *rapid.T) {
	cfg := caller.PeerConfig{}
	if rapid.Bool().Draw(t, "breaker") {
		cfg.Breaker = &breaker.Config{Least: 3}
	}
	p := caller.NewPeer(cfg)
	streak := 0
	for range rapid.IntRange(1, 400).Draw(t, "calls") {
		now := mono.Time(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "now"))
		w := penstock.Work{
			Criticality: penstock.Criticality(rapid.Uint8().Draw(t, "criticality")), Cohort: penstock.Cohort(rapid.Uint8().Draw(t, "cohort")),
			Attempt: rapid.IntRange(-5, 200).Draw(t, "attempt"), Cost: rapid.IntRange(-5, 5000).Draw(t, "cost"),
		}
		k, err := p.Ask(now, w, false, rapid.Float64Range(0, 0.999).Draw(t, "u"))
		if err != nil {
			if err.Reason == penstock.ReasonNone || err.RetryAfter <= 0 || err.RetryAfter > pressure.MaxRetry || err.Pressure < 0 || err.Pressure > 1 {
				t.Fatalf("refused with %+v", err)
			}
			if streak++; streak > 250 {
				t.Fatalf("%d refusals in a row", streak)
			}
			continue
		}
		streak = 0
		p.Answer(now, k, caller.Answer{
			Signal: pressure.Signal{
				Level: rapid.Float64().Draw(t, "level"), Price: penstock.Price(rapid.Uint16().Draw(t, "price")),
				Retry: time.Duration(rapid.Int64().Draw(t, "retry")),
			},
			Said: rapid.Bool().Draw(t, "said"), Refused: rapid.Bool().Draw(t, "refused"), Failed: rapid.Bool().Draw(t, "failed"),
		})
		if s := p.Pressure(now); s != s.Clamp() {
			t.Fatalf("the pressure is %+v", s)
		}
	}
}

func TestPeerBounds(t *testing.T) { rapid.Check(t, peerBounds) }
func FuzzPeerBounds(f *testing.F) { f.Fuzz(rapid.MakeFuzz(peerBounds)) }
