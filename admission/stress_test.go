package admission_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// Many callers at once, who wait, leave, come late and overstay, while the
// configuration changes and others look on. In the end the books balance, every
// slot is free, and the limit was never passed.
func TestConcurrentCallers(t *testing.T) {
	const callers, each, slots = 16, 1500, 4
	routes := []admission.Route{{Name: "a", WaitFor: 200 * time.Microsecond}, {Name: "b", WaitFor: 50 * time.Microsecond, Cap: 6}}
	ctl := admission.New(admission.Config{Limit: limit.Fixed(slots), Routes: routes})
	defer ctl.Close()

	var inside, peak, admitted, refused, left atomic.Int64
	visit := func(rng *rand.Rand) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := penstock.Work{Criticality: penstock.Criticality(rng.IntN(5)), Flow: rng.Uint64N(4)}
		switch rng.IntN(4) {
		case 0:
			leave := time.AfterFunc(time.Duration(rng.IntN(100))*time.Microsecond, cancel)
			defer leave.Stop()
		case 1:
			w.Deadline, w.HasDeadline = mono.Now().Add(time.Duration(rng.IntN(150))*time.Microsecond), true
		}
		p, err := ctl.AcquireRoute(ctx, rng.IntN(2), w)
		switch {
		case errors.Is(err, penstock.ErrRejected):
			refused.Add(1)
			return
		case err != nil:
			left.Add(1)
			return
		}
		admitted.Add(1)
		if n := inside.Add(1); n > slots {
			peak.Store(n)
		}
		for range rng.IntN(20) {
			runtime.Gosched()
		}
		inside.Add(-1)
		p.Done(penstock.Outcome(rng.IntN(3)))
		if rng.IntN(8) == 0 {
			p.Done(penstock.OK)
		}
	}

	stop := make(chan struct{})
	var lookers, work sync.WaitGroup
	look := func(f func(i int)) {
		lookers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
					runtime.Gosched()
				}
			}
		})
	}
	look(func(int) {
		s := ctl.Stats()
		if s.Offered != s.Admitted+s.Refused.Total()+s.Left+uint64(s.Waiting) {
			t.Errorf("the books do not balance: %+v", s)
		}
		ctl.ExplainRefusal(1)
	})
	look(func(i int) {
		if s := ctl.PressureRoute(i % 2); s.Level < 0 || s.Level > 1 {
			t.Errorf("%+v", s)
		}
		ctl.Explain()
	})
	look(func(i int) {
		cfg := admission.Config{Routes: routes}
		if i%3 == 0 { // another room, and all that waits moves
			cfg.Routes = []admission.Route{routes[1], routes[0]}
			cfg.Routes[0].CoDel, cfg.Routes[1].CoDel = true, true
		}
		if err := ctl.Reconfigure(cfg); err != nil {
			t.Error(err)
		}
		for range 100 {
			runtime.Gosched()
		}
	})
	for c := range callers {
		work.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 1))
			for range each {
				visit(rng)
			}
		})
	}
	work.Wait()
	close(stop)
	lookers.Wait()

	s := ctl.Stats()
	if s.InFlight != 0 || s.Waiting != 0 || s.Zombies != 0 {
		t.Errorf("%d in flight, %d wait, %d zombies when all is over", s.InFlight, s.Waiting, s.Zombies)
	}
	if s.Offered != callers*each || s.Admitted != uint64(admitted.Load()) || s.Refused.Total() != uint64(refused.Load()) || s.Left != uint64(left.Load()) {
		t.Errorf("offered %d, admitted %d, refused %d, left %d; the callers saw %d, %d, %d, %d", s.Offered, s.Admitted,
			s.Refused.Total(), s.Left, callers*each, admitted.Load(), refused.Load(), left.Load())
	}
	if n := peak.Load(); n > 0 {
		t.Errorf("%d ran at once, the limit is %d", n, slots)
	}
	if admitted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d admitted, %d refused: this tests nothing", admitted.Load(), refused.Load())
	}
}
