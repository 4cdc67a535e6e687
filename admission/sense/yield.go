package sense

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// The constants of Yield.
const (
	crowdedFrom = 100 * time.Microsecond // a turn so long in coming tells of a crowd,
	crowdedFor  = 10                     // which counts as there for so many looks

	crowdedPerThread = 2 // work inside, for each thread, up to which it must yield to let others in
)

// crowd is that of this process.
var crowd struct {
	threads atomic.Int64 // GOMAXPROCS while there is a crowd, else 0
	waiting atomic.Int64 // who has yielded and not come back
	felt    atomic.Bool  // since the last look, by somebody who yielded
	looks   int          // for which it still counts as there: the sampler's own
}

// lookAtCrowd takes stock: it yields itself, and sees how long that takes. It
// returns the instant at which it has its thread back.
func lookAtCrowd(now mono.Time) mono.Time {
	crowd.threads.Store(int64(runtime.GOMAXPROCS(0))) // for as long as it does not come back
	runtime.Gosched()
	back := mono.Now()
	noteCrowd(back.Sub(now))
	return back
}

// noteCrowd takes what the sampler waited for its turn.
func noteCrowd(turn time.Duration) {
	crowd.looks = max(0, crowd.looks-1)
	if crowd.felt.Swap(false) || turn >= crowdedFrom {
		crowd.looks = crowdedFor
	}
	threads := 0
	if crowd.looks > 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	crowd.threads.Store(int64(threads))
}

func forgetCrowd() {
	crowd.looks = 0
	crowd.threads.Store(0)
}

// Crowded reports whether Yield may let others go: it costs an atomic load.
func (*View) Crowded() bool { return crowd.threads.Load() != 0 }

// Yield lets what is ready to run go first, once, where the process is crowded: in
// the last 100 ms the sampler, or somebody else who yielded, had to wait. inside is
// how much work there is, the caller's included; where it is more than two for each
// thread (GOMAXPROCS), those who have yielded and wait not counted, Yield does
// nothing. It reports whether it let others go, and how long that took.
//
// Go runs a goroutine until it waits for something, or for 10 ms. So a server that
// computes serves each request from its first byte to its last before it looks at
// the next one: however many have come, one for each thread is in its handlers, no
// limit on them is ever reached, and the queue grows in front of them, unseen.
// Work that has been admitted and then yields lets the others come in first, as
// far as they may; what it waits meanwhile is the queue, and can be reported.
//
// Work that waits for other things too lets others in by itself. It should not
// yield: the runtime prefers goroutines that have just been woken to those that
// have yielded, for as long as there are any.
func (*View) Yield(inside int) (waited time.Duration, yielded bool) {
	threads := crowd.threads.Load()
	if threads == 0 || int64(inside)-crowd.waiting.Load() > crowdedPerThread*threads {
		return 0, false
	}
	since := mono.Now()
	crowd.waiting.Add(1)
	runtime.Gosched()
	crowd.waiting.Add(-1)
	waited = max(0, mono.Now().Sub(since))
	if waited >= crowdedFrom {
		crowd.felt.Store(true)
	}
	return waited, true
}
