package flow_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/flow"
)

func (b *bench) refused(o flow.Offer) time.Duration {
	b.t.Helper()
	_, err := b.c.Offer(b.now, o)
	refusal, ok := errors.AsType[*penstock.RejectedError](err)
	if !ok || refusal.Reason != penstock.ReasonLimit {
		b.t.Fatalf("not refused, but %v", err)
	}
	return refusal.RetryAfter
}

// lonely is the most that a lone caller is told: a place is 1 s at most. Who comes
// back early by the spread (three quarters) finds a quarter of the last place
// still ahead, so 4/3 of a place at most, spread to 5/4 of that.
const lonely = time.Second * 4 / 3 * 5 / 4

// TestALoneCallerIsNotToldTooLong, whatever the line did before.
func TestALoneCallerIsNotToldTooLong(t *testing.T) {
	for name, past := range map[string]func(b *bench){
		"a new flow":         func(*bench) {},
		"an hour of nothing": func(b *bench) { b.pass(time.Hour) },
		"an hour of standing still": func(b *bench) {
			b.offer("stands", "")
			b.pass(time.Hour)
			b.ack(b.pull("a"))
		},
		"a place each minute": func(b *bench) {
			for i := range 20 {
				b.offer("slow-"+strconv.Itoa(i), "")
				b.pass(time.Minute)
				b.ack(b.pull("a"))
			}
		},
		"a thousand places a second": func(b *bench) {
			for i := range 100 {
				b.offer("fast-"+strconv.Itoa(i), "")
				b.pass(time.Millisecond)
				b.ack(b.pull("a"))
			}
		},
	} {
		b := newBench(t, line(1))
		past(b)
		b.offer("full", "")
		for i := range 20 { // the caller comes each time when it was told to
			told := b.refused(flow.Offer{ID: "lone"})
			if told < 50*time.Millisecond || told > lonely {
				t.Errorf("%s: refused for the %d. time, and told to wait %v", name, i+1, told)
				break
			}
			b.pass(told)
		}
	}
}

// TestABatchComesBackTogether: all that one request offers has one place in the
// line, so a lone caller with a thousand items is told as one with a single item.
func TestABatchComesBackTogether(t *testing.T) {
	b := newBench(t, line(1))
	b.offer("full", "")
	for range 10 {
		first := b.refused(flow.Offer{})
		for range 999 {
			if told := b.refused(flow.Offer{Follows: true}); told != first {
				t.Fatalf("the first of a batch is told %v, a later one %v", first, told)
			}
		}
		if first > lonely {
			t.Fatalf("told to wait %v", first)
		}
		b.pass(first)
	}
}

// TestWallClocksJump: a step forth lets due items and deadlines come early, one
// back late, and a lease feels neither.
func TestWallClocksJump(t *testing.T) {
	b := newBench(t, line(3))
	b.offer("leased", "")
	l := b.pull("a")
	b.do(b.c.Offer(b.now, flow.Offer{ID: "later", Due: b.now.Wall.Add(time.Hour)}))
	b.do(b.c.Offer(b.now, flow.Offer{ID: "dies", Deadline: b.now.Wall.Add(2 * time.Hour)}))
	b.now.Wall = b.now.Wall.Add(-24 * time.Hour)
	b.pass(10 * time.Second) // of 30 s that the lease has
	if n := b.c.Ready("a"); n != 1 {
		t.Errorf("a day back: %d are ready, want that without a due time", n)
	}
	b.now.Wall = b.now.Wall.Add(24*time.Hour + 90*time.Minute)
	b.pass(0)
	if n := b.c.Ready("a"); n != 2 {
		t.Errorf("forth again, past the due time: %d are ready", n)
	}
	b.now.Wall = b.now.Wall.Add(time.Hour)
	b.pass(0)
	if it, ok := b.c.Find("dies"); !ok || it.State != flow.Spilled {
		t.Errorf("past the deadline: %+v", it)
	}
	b.pass(10 * time.Second)
	b.ack(l) // its 30 s are not over, whatever the wall says
	if it, ok := b.c.Find("later"); !ok || it.State != flow.Waiting {
		t.Errorf("%+v", it)
	}
}
