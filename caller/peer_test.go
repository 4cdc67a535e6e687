package caller_test

import (
	"math/rand/v2"
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

// A callee that takes a fixed number of calls per second, at most a tick's worth
// at once, and says how full it is as admission does.
type callee struct {
	perSecond float64
	tokens    float64
	at        mono.Time
	refused   mono.Time
}

func (c *callee) call(now mono.Time) caller.Answer {
	c.tokens = min(c.tokens+now.Sub(c.at).Seconds()*c.perSecond, 0.03*c.perSecond)
	c.at = now
	a := caller.Answer{Said: true}
	if c.tokens < 1 {
		c.refused = now
		a.Refused = true
	} else {
		c.tokens--
	}
	a.Signal.Level = 1 - c.tokens/(0.03*c.perSecond)
	if now.Sub(c.refused) < 10*ms && c.refused > 0 {
		a.Signal.Level = 1
	}
	return a
}

// TestPeerFindsWhatFits: at three times what the callee takes, next to nothing is
// left for the callee to refuse, its capacity is used, it is found again when it
// changes, and once the load is gone nobody is refused.
func TestPeerFindsWhatFits(t *testing.T) {
	p := caller.NewPeer(caller.PeerConfig{})
	c := &callee{perSecond: 1000}
	rng := rand.New(rand.NewPCG(1, 2))
	now := mono.Time(0)
	run := func(rate float64, length time.Duration) (taken, turnedAway, local float64) {
		for end := now.Add(length); now < end; {
			now = now.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
			k, err := p.Ask(now, penstock.Work{Cohort: penstock.CohortAt(rng.Uint64())}, false, rng.Float64())
			if err != nil {
				local++
				continue
			}
			a := c.call(now)
			p.Answer(now, k, a)
			if a.Refused {
				turnedAway++
			} else {
				taken++
			}
		}
		return taken / length.Seconds(), turnedAway / length.Seconds(), local / length.Seconds()
	}
	for _, step := range []struct {
		what      string
		perSecond float64
		rate      float64
	}{
		{"three times too much", 1000, 3000},
		{"half of that capacity", 500, 3000},
		{"all of it again", 1000, 3000},
	} {
		c.perSecond = step.perSecond
		run(step.rate, 2*time.Second)
		taken, turnedAway, local := run(step.rate, 10*time.Second)
		t.Logf("%s: %.0f/s taken, %.0f/s refused there, %.0f/s refused here", step.what, taken, turnedAway, local)
		if taken < 0.95*step.perSecond || turnedAway > 0.01*step.perSecond+0.015*local {
			t.Errorf("%s: %.0f/s taken of %.0f/s, and %.0f/s refused there", step.what, taken, step.perSecond, turnedAway)
		}
	}
	run(500, 2*time.Second)
	if _, turnedAway, local := run(500, 10*time.Second); turnedAway+local > 1 {
		t.Errorf("at half load %.1f/s are refused there and %.1f/s here", turnedAway, local)
	}
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

// TestPeerCountsEarly: a callee that has said for a while that work waits is
// priced within two ticks of its second refusal: how much it takes is known.
func TestPeerCountsEarly(t *testing.T) {
	p := caller.NewPeer(caller.PeerConfig{})
	now, refusals := mono.Time(0), 0
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 600 { // 500 calls per second; from the 400th on one in two is refused
		now = now.Add(2 * ms)
		w := penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(rng.Uint64())}
		k, err := p.Ask(now, w, false, 0.5)
		if err != nil {
			if i < 400 {
				t.Fatalf("call %d is refused before the callee has refused any", i)
			}
			if refusals > 12 {
				t.Errorf("%d calls were refused by the callee before one is refused here; want 12 at most", refusals)
			}
			return
		}
		bad := i >= 400 && i%2 == 0
		if bad {
			refusals++
		}
		p.Answer(now, k, caller.Answer{Said: true, Signal: pressure.Signal{Level: 0.9}, Refused: bad})
	}
	t.Errorf("%d refusals, and no call is refused here", refusals)
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
