package sense

import (
	"sync"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// A View is one user's view of the process's sampler.
type View struct{ once sync.Once }

// process is the one sampler.
var process struct {
	users sync.Mutex // held while the sampler starts or stops
	count int
	stop  chan struct{}
	ended sync.WaitGroup

	reading sync.Mutex
	latest  Reading
}

// Open returns a view of the process's sampler, and starts it if this is the
// first. Close the view when done with it.
func Open() *View {
	process.users.Lock()
	defer process.users.Unlock()
	process.count++
	if process.count == 1 {
		setLatest(nothing())
		process.stop = make(chan struct{})
		stop := process.stop
		process.ended.Go(func() { sample(stop) })
	}
	return new(View)
}

// Close gives the view up, and stops the sampler if this was the last. Closing
// a view again does nothing.
func (v *View) Close() {
	v.once.Do(func() {
		process.users.Lock()
		defer process.users.Unlock()
		process.count--
		if process.count == 0 {
			close(process.stop)
			process.ended.Wait()
		}
	})
}

// Latest returns the latest reading, at most about [Period] old unless the
// process does not get to run. Before the first look, everything is unknown.
func (*View) Latest() Reading {
	process.reading.Lock()
	defer process.reading.Unlock()
	return process.latest
}

func setLatest(r Reading) {
	process.reading.Lock()
	defer process.reading.Unlock()
	process.latest = r
}

// sample looks once per Period until stop is closed.
func sample(stop chan struct{}) {
	probe := NewProbe()
	defer probe.Close()
	due := mono.Now()
	timer := time.NewTimer(Period)
	defer timer.Stop()
	defer forgetCrowd()
	for {
		due = due.Add(Period)
		probe.Due(due)
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		now := mono.Now()
		setLatest(probe.Look(now))
		now = lookAtCrowd(now)
		due = max(due, now.Add(-Period)) // what was missed is not made up for
		timer.Reset(due.Add(Period).Sub(now))
	}
}
