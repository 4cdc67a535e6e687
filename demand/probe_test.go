package demand_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/penstock-go/penstock/demand"
)

// A probe is a subscriber that remembers what it is told, and whether the
// calls were serial and in the permitted order.
type probe struct {
	ask         int64     // requested in OnSubscribe, if positive
	onNext      func(int) // called in OnNext
	onSubscribe func(demand.Subscription)

	busy atomic.Bool

	mu        sync.Mutex
	sub       demand.Subscription
	subs      int
	items     []int
	errs      []error
	completes int
	faults    []string
}

func (p *probe) enter(what string) func() {
	if !p.busy.CompareAndSwap(false, true) {
		p.fault(what + " while another call was under way")
	}
	p.mu.Lock()
	over := len(p.errs)+p.completes > 0
	first := p.subs == 0
	p.mu.Unlock()
	if over {
		p.fault(what + " after the end")
	}
	if first && what != "OnSubscribe" {
		p.fault(what + " before OnSubscribe")
	}
	return func() { p.busy.Store(false) }
}

func (p *probe) fault(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, what)
}

func (p *probe) OnSubscribe(s demand.Subscription) {
	leave := p.enter("OnSubscribe")
	p.mu.Lock()
	p.sub = s
	p.subs++
	p.mu.Unlock()
	if p.ask > 0 {
		s.Request(p.ask)
	}
	if p.onSubscribe != nil {
		p.onSubscribe(s)
	}
	leave()
}

func (p *probe) OnNext(v int) {
	defer p.enter("OnNext")()
	p.mu.Lock()
	p.items = append(p.items, v)
	p.mu.Unlock()
	if p.onNext != nil {
		p.onNext(v)
	}
}

func (p *probe) OnError(err error) {
	defer p.enter("OnError")()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

func (p *probe) OnComplete() {
	defer p.enter("OnComplete")()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.completes++
}

func (p *probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.items)
}

// want fails the test unless the probe has seen exactly this.
func (p *probe) want(t *testing.T, s subject, items, errs, completes int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := slices.Clone(p.items)
	if s.mixed {
		slices.Sort(got)
	}
	if s.mixed && len(got) != items || !s.mixed && !slices.Equal(got, numbers(items)) {
		t.Errorf("items: %v, want 0 to %d", got, items-1)
	}
	if len(p.errs) != errs || p.completes != completes {
		t.Errorf("errors %v and %d completions, want %d and %d", p.errs, p.completes, errs, completes)
	}
	if p.subs != 1 {
		t.Errorf("OnSubscribe was called %d times", p.subs)
	}
	if len(p.faults) > 0 {
		t.Errorf("%q", p.faults)
	}
}

// subscribed begins a run of the subject. The run is cancelled with the test.
func subscribed(t *testing.T, s subject, n int, end error, p *probe) *demand.Running {
	t.Helper()
	r := s.build(n, end).Subscribe(t.Context(), p)
	t.Cleanup(r.Cancel)
	return r
}

// settle waits until nothing moves, with time for ticks and throttles.
func settle() {
	for range 40 {
		sleep()
	}
	synctest.Wait()
}
