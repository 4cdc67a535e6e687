package queue_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/penstock-go/penstock/admission/queue"
	"github.com/penstock-go/penstock/mono"
)

// RFC 8289, section by section. TestCoDelIsTheRFC compares all of it with the
// pseudocode; these say what each part is for.

// above asks once a millisecond, of a queue that is always above target, and
// returns when the law dropped, in milliseconds since from.
func above(c *queue.CoDel, from mono.Time, ms int) (drops []int) {
	for i := range ms {
		if c.Drop(from.Add(time.Duration(i)*time.Millisecond), 50*time.Millisecond, 100) {
			drops = append(drops, i)
		}
	}
	return drops
}

// Section 5.3: TARGET 5 ms, INTERVAL 100 ms where none are given. A wait of just
// less than TARGET is good for ever.
func TestRFC8289Constants(t *testing.T) {
	var zero queue.CoDel
	given := queue.CoDel{Target: 5 * time.Millisecond, Interval: 100 * time.Millisecond}
	if a, b := above(&zero, 0, 3000), above(&given, 0, 3000); !slices.Equal(a, b) || len(a) == 0 {
		t.Errorf("drops at %v, with the constants given at %v", a, b)
	}
	var good queue.CoDel
	for i := range 10000 {
		if good.Drop(mono.Time(i)*1e6, 5*time.Millisecond-1, 1000) {
			t.Fatalf("dropped after %d ms below target", i)
		}
	}
}

// Section 5.6, control_law: each drop is INTERVAL/sqrt(count) after the one
// before, reckoned from when that was due and not from when it was asked about.
func TestRFC8289ControlLaw(t *testing.T) {
	var c queue.CoDel
	due := 100.0 // a whole INTERVAL above TARGET
	for i, got := range above(&c, -1e9, 20000) {
		// The law keeps whole nanoseconds: 0.01 ms covers them all.
		if late := float64(got) - due; late < -0.01 || late > 1.01 {
			t.Fatalf("drop %d at %d ms, due at %.3f", i+1, got, due)
		}
		due += 100 / math.Sqrt(float64(i+1))
	}
	if due < 19990 {
		t.Errorf("no drop after %.0f ms of 20 s", due)
	}
}

// Section 5.5: several drops may be due in one dequeue, after a pause.
func TestRFC8289DropsThatAreOverdue(t *testing.T) {
	var c queue.CoDel
	above(&c, 0, 102) // dropped one at 100 ms: the next is due at 200, 271, 329
	n := 0
	for c.Drop(300e6, 200*time.Millisecond, 100) {
		n++
	}
	if n != 2 {
		t.Errorf("%d drops at 300 ms, want those due at 200 and 271", n)
	}
}

// Section 5.5, the comment on re-entry: soon after it left the dropping state it
// begins with the drops that the last spell added; after 16 intervals, anew.
func TestRFC8289ReEntry(t *testing.T) {
	for _, row := range []struct {
		pause time.Duration
		again bool
	}{{50 * time.Millisecond, true}, {1400 * time.Millisecond, true}, {1700 * time.Millisecond, false}, {time.Hour, false}} {
		var c queue.CoDel
		first := above(&c, 0, 2000)
		last := mono.Time(2000 * time.Millisecond)
		c.Drop(last, 0, 100) // below target: the spell ends
		second := above(&c, last.Add(row.pause), 1000)
		gap := second[1] - second[0] // after the first drop of the spell
		want := 100
		if row.again {
			want = int(math.Ceil(100 / math.Sqrt(float64(len(first)-1))))
		}
		if gap < want-1 || gap > want+1 {
			t.Errorf("after %d drops and a pause of %v the first two drops are %d ms apart, want about %d", len(first), row.pause, gap, want)
		}
	}
}

// Section 5.6, dodequeue: never the last packet. A queue of one, however late,
// is served, and its being short starts the interval again.
func TestRFC8289TheLastPacket(t *testing.T) {
	for backlog, want := range []bool{false, false, true} {
		var c queue.CoDel
		dropped := false
		for i := range 1000 {
			dropped = c.Drop(mono.Time(i)*1e6, time.Hour, backlog) || dropped
		}
		if dropped != want {
			t.Errorf("with %d behind it, dropped: %v", backlog, dropped)
		}
	}
	var c queue.CoDel
	above(&c, 0, 99)
	c.Drop(99e6, time.Hour, 1)
	if got := above(&c, 100e6, 150); !slices.Equal(got, []int{100}) {
		t.Errorf("drops %v ms after the queue was short, want 100", got)
	}
}

// Section 5.5: an empty queue leaves the dropping state.
func TestRFC8289Empty(t *testing.T) {
	var c queue.CoDel
	above(&c, 0, 190)
	c.Drop(190e6, 0, 0)
	if got := above(&c, 200e6, 99); len(got) > 0 {
		t.Errorf("drops %v ms after it was empty", got)
	}
}
