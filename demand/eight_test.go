package demand_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/demand"
	"github.com/penstock-go/penstock/mono"
)

const (
	eightItems  = 200
	eightWindow = 16
	slowBranch  = 3
	fastTakes   = time.Millisecond
	sourceTakes = 2 * time.Millisecond
)

// eight is a broadcast to eight consumers, of which one takes 100 times as long,
// looked at whenever nothing can move.
type eight struct {
	monitor demand.Monitor
	made    atomic.Int64
	done    [8]atomic.Int64
	took    [8]time.Duration // until a branch was over
}

func (e *eight) run(t *testing.T, policy demand.Policy, look func()) {
	ctx := e.monitor.Watch(t.Context())
	source := demand.Func(func(context.Context) (int, error) {
		time.Sleep(sourceTakes)
		return int(e.made.Add(1)), nil
	}).Take(eightItems)
	start := mono.Now()
	var all sync.WaitGroup
	for i, branch := range demand.Broadcast(source, 8, demand.Window(eightWindow), demand.Overflow(policy)) {
		all.Go(func() {
			err := branch.Each(ctx, func(int) error {
				if i == slowBranch {
					time.Sleep(100 * fastTakes)
				} else {
					time.Sleep(fastTakes)
				}
				e.done[i].Add(1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			e.took[i] = mono.Now().Sub(start)
		})
	}
	over := make(chan struct{})
	go func() { defer close(over); all.Wait() }()
	for {
		time.Sleep(fastTakes / 2)
		synctest.Wait()
		sum := int64(0)
		for _, s := range e.monitor.Snapshot().Stages {
			sum += s.Outstanding
		}
		if sum > 8*eightWindow {
			t.Errorf("%d items are held, the windows sum to %d", sum, 8*eightWindow)
		}
		look()
		select {
		case <-over:
			return
		default:
		}
	}
}

// TestOneOfEightBranchesIsSlow drops for the slow one: the others do not notice.
func TestOneOfEightBranchesIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e eight
		e.run(t, demand.DropOldest, func() {})
		for i := range e.done {
			n := e.done[i].Load()
			if i == slowBranch {
				if n >= eightItems/2 || n < eightWindow {
					t.Errorf("the slow one got %d of %d items", n, eightItems)
				}
				continue
			}
			if n != eightItems || e.took[i] != eightItems*sourceTakes+fastTakes {
				t.Errorf("branch %d got %d items in %v, want %d at the source's pace", i, n, e.took[i], eightItems)
			}
		}
	})
}

// TestOneOfEightSetsThePace blocks: the source is never more than a window ahead
// of the slow one, and nothing is lost.
func TestOneOfEightSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e eight
		ahead := int64(0)
		e.run(t, demand.Block, func() { ahead = max(ahead, e.made.Load()-e.done[slowBranch].Load()) })
		if ahead != eightWindow {
			t.Errorf("the source was up to %d items ahead, want the window of %d", ahead, eightWindow)
		}
		for i := range e.done {
			if n := e.done[i].Load(); n != eightItems {
				t.Errorf("branch %d got %d of %d items", i, n, eightItems)
			}
		}
	})
}

// TestOneOfEightSourcesIsSlow merges: seven come at their own pace.
func TestOneOfEightSourcesIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var streams []demand.Stream[int]
		for i := range 8 {
			takes := sourceTakes
			if i == slowBranch {
				takes *= 100
			}
			n := 0
			streams = append(streams, demand.Func(func(context.Context) (int, error) {
				time.Sleep(takes)
				n++
				return i, nil
			}).Take(eightItems))
		}
		start := mono.Now()
		var got [8]int
		var last [8]time.Duration
		for v, err := range demand.Merge(streams, demand.Window(eightWindow)).All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got[v]++
			last[v] = mono.Now().Sub(start)
		}
		for i := range got {
			want := eightItems * sourceTakes
			if i == slowBranch {
				want *= 100
			}
			if got[i] != eightItems || last[i] != want {
				t.Errorf("source %d: %d items, the last after %v; want %d after %v", i, got[i], last[i], eightItems, want)
			}
		}
	})
}
