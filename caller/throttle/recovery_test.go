package throttle_test

import (
	"math"
	"testing"
	"time"

	"github.com/penstock-go/penstock/caller/throttle"
	"github.com/penstock-go/penstock/mono"
)

// TestRecoversByItself: nobody need say that the callee is well. While accepted
// requests are the share a of all, K x a of them are sent; if all of those are
// accepted, the share grows with the time constant Memory / (K - 1), until it is
// 1 / K and everything is sent. The nearer K is to 1 the longer that takes.
func TestRecoversByItself(t *testing.T) {
	const every = time.Millisecond
	for _, k := range []float64{1.1, 1.5, 2, 3} {
		th := throttle.New(throttle.Config{K: k, Memory: 5 * time.Second})
		now := mono.Time(0)
		u := 0.5 // a sequence that fills [0, 1) evenly
		ask := func(well bool) bool {
			now = now.Add(every)
			u = math.Mod(u+math.Phi-1, 1)
			sent := !th.Refuse(now, u)
			if sent && well {
				th.Accepted(now)
			}
			return sent
		}
		// An incident of six memories, in which one in 50 asks is let through and
		// accepted at most.
		for i := range 30_000 {
			ask(i%50 == 0)
		}
		accepted := (1 - th.Probability()) / k
		begun := now
		for th.Probability() > 0.01 && now.Sub(begun) < time.Hour {
			ask(true)
		}
		got := now.Sub(begun).Seconds()
		want := 5 / (k - 1) * math.Log(1/(k*accepted))
		if got > 1.1*want+1 || got < want/3 { // what is let through to test it helps
			t.Errorf("K = %v, from a share of %.4f: %.1f s; the law says %.1f s", k, accepted, got, want)
		}
		t.Logf("K = %v, from a share of %.4f: %.1f s; the law says %.1f s", k, accepted, got, want)
	}
}

// With K = 1 nothing grows: that takes a word of the callee.
func TestKOfOneNeedsAWord(t *testing.T) {
	th := throttle.New(throttle.Config{K: 1, Memory: time.Second})
	now := mono.Time(0)
	u := 0.5
	for i := range 100_000 { // 10 s refused, and 90 s accepted
		now = now.Add(time.Millisecond)
		u = math.Mod(u+math.Phi-1, 1)
		if !th.Refuse(now, u) && (i > 10_000 || i%10 == 0) {
			th.Accepted(now)
		}
	}
	if p := th.Probability(); p < 0.3 {
		t.Errorf("it refuses %.2f after 90 good seconds", p)
	}
	th.Recovered(now)
	if p := th.Probability(); p > 0.01 {
		t.Errorf("it refuses %.2f after the word", p)
	}
}
