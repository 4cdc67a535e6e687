package limit

import (
	"math"
	"testing"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// batch sends n units at one instant, with the gate full, and returns them.
func batch(o *octave, at mono.Time, n int) []Sample {
	sent := make([]Sample, n)
	for i := range sent {
		slots := max(1, int(math.Round(o.Limit())))
		o.Start(at, slots)
		sent[i] = Sample{Started: at, InFlightAtStart: slots, Cost: 1}
	}
	return sent
}

// A window that closes at the instant at which others are sent waits for them as
// well: nothing but the instant says which of them it has tagged, and it would count
// the quick ones twice.
func TestWindowCountsAllOfAnInstant(t *testing.T) {
	o := newOctave(defaultStart, math.Inf(1))
	const n, slow = 40, 10
	units := batch(o, 0, n)
	for i := range units[:n-slow] {
		o.Observe(mono.Time(time.Millisecond), &units[i])
	}
	if o.kept > 0 || o.dip.left < dipSoon {
		t.Fatal("judged by the quick ones alone")
	}
	for i := range units[n-slow:] {
		o.Observe(mono.Time(9*time.Millisecond), &units[n-slow+i])
	}
	if o.w.kind != dipKind {
		t.Fatal("not judged when all are back")
	}
}

// What was sent at the instant at which a window is opened, but before, is not its.
func TestWindowLeavesOutWhatWentBefore(t *testing.T) {
	o := newOctave(defaultStart, math.Inf(1))
	first := batch(o, 0, windowReplies)
	at := mono.Time(time.Millisecond)
	for i := range first[:windowReplies-2] {
		o.Observe(at, &first[i])
	}
	before := batch(o, at, 3) // before the last reply, which opens a dip
	o.Observe(at, &first[windowReplies-2])
	if o.w.kind != dipKind {
		t.Fatal("no dip")
	}
	for range 3 {
		o.Start(at, defaultStart/2)
	}
	o.Observe(at.Add(time.Millisecond), &before[0])
	if o.w.tagged != 0 || o.w.answered != 0 {
		t.Errorf("%d tagged and %d answered of what was sent before, or at the same instant", o.w.tagged, o.w.answered)
	}
}

// A window whose level is out of a reference's reach is followed by a dip, though the
// limit itself is within it. Else the limit would stand still until the next dip is
// due: here for 128 windows.
func TestDipFollowsWindowWithoutReference(t *testing.T) {
	o := newOctave(4.4, math.Inf(1))
	o.ref = reference{level: 3.01, mean: 0.016, weight: referenceMemory, set: true}
	o.dip.left, o.dip.every = dipEvery, dipEvery
	if !o.usable(o.limit).set || o.usable(4).set {
		t.Fatal("the reference is not where the test wants it")
	}
	for i, sent := range batch(o, 0, windowReplies) {
		o.Observe(mono.Time(time.Millisecond).Add(time.Duration(i)), &sent)
	}
	if o.w.kind != dipKind {
		t.Error("no dip")
	}
}

// A large window leaves out its slowest fifth, and so does what it is compared with;
// a small one waits for all but one.
func TestWindowsLeaveOutTheSlowest(t *testing.T) {
	for _, c := range []struct {
		limit float64
		sent  int // fills a window
		waits int // for so many, after a first dip
	}{
		{16, 24, 23},
		{20, 24, 22},
		{64, 64, 52},
		{300, 300, 240},
	} {
		o := newOctave(c.limit, math.Inf(1))
		o.open(dipKind)
		o.open(windowKind)
		n := 0
		for i, sent := range batch(o, 0, c.sent) {
			if o.w.kind != windowKind || o.kept > 0 || o.dip.left < dipSoon {
				break
			}
			o.Observe(mono.Time(time.Millisecond).Add(time.Duration(i)), &sent)
			n++
		}
		if n != c.waits {
			t.Errorf("limit %g: judged after %d of %d replies; want %d", c.limit, n, c.sent, c.waits)
		}
	}
}

// A doubted reference is measured again soon, and what confirms it costs no more dips
// than that.
func TestDoubtCostsOneDip(t *testing.T) {
	o := newOctave(20, math.Inf(1))
	o.ref = reference{level: 10, mean: 0.01, weight: 2, set: true}
	o.dip.limit, o.dip.every, o.dip.left = 20, 64, 60
	o.limit = 20 * 1.5
	o.doubt()
	if o.dip.left != dipSoon {
		t.Fatalf("the next dip is %d windows away; want %d", o.dip.left, dipSoon)
	}
	o.refer(reference{level: 10, mean: 0.01, weight: 24, set: true})
	if o.dip.left < 64 {
		t.Errorf("the dip after it is %d windows away", o.dip.left)
	}
}
