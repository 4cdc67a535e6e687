package sense

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// One row is one look of the sampler's.
func TestCrowd(t *testing.T) {
	defer forgetCrowd()
	row := 0
	look := func(turn time.Duration, felt, want bool) {
		t.Helper()
		crowd.felt.Store(felt)
		noteCrowd(turn)
		if got := crowd.threads.Load(); (got > 0) != want || want && got != int64(runtime.GOMAXPROCS(0)) {
			t.Errorf("look %d: a crowd before %d threads, want %v", row, got, want)
		}
		row++
	}
	look(0, false, false)
	look(-time.Second, false, false) // the clock went back
	look(crowdedFrom-1, false, false)
	look(crowdedFrom, false, true)
	for range crowdedFor - 1 {
		look(0, false, true)
	}
	look(0, false, false)
	look(0, true, true) // somebody waited
	for range crowdedFor - 1 {
		look(0, false, true)
	}
	look(0, false, false)
}

// Where there is a crowd, those who are ready run before a caller that yields.
func TestYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer forgetCrowd()
	v := new(View)
	if waited, yielded := v.Yield(1); yielded || waited != 0 {
		t.Errorf("yielded for %v, though there is no crowd", waited)
	}
	crowd.threads.Store(1)
	if _, yielded := v.Yield(crowdedPerThread + 1); yielded {
		t.Error("yielded, with more inside than that others need be let in")
	}
	crowd.waiting.Store(1)
	if _, yielded := v.Yield(crowdedPerThread + 1); !yielded {
		t.Error("did not yield, though one of those inside waits for its turn")
	}
	if got := crowd.waiting.Swap(0); got != 1 {
		t.Errorf("%d wait, one does", got)
	}
	var ran atomic.Int32
	const others = 5
	for range others {
		go func() { ran.Add(1) }()
	}
	// Once in 61 times the runtime takes who yielded first.
	for range 2 {
		if waited, yielded := v.Yield(crowdedPerThread); !yielded || waited < 0 {
			t.Errorf("did not yield, or for %v", waited)
		}
	}
	if got := ran.Load(); got != others {
		t.Errorf("%d of %d ran first", got, others)
	}
}
