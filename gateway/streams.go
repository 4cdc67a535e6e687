package gateway

import (
	"sync"
	"sync/atomic"
)

// A streamSet holds the exchanges that go on without a slot: upgrades, event
// streams, streaming calls. Their number is bounded by Config.Streams.
type streamSet struct {
	mu     sync.Mutex
	active map[*exchange]struct{}
	count  atomic.Int64
}

func (s *streamSet) full(t *table) bool { return s.count.Load() >= int64(t.streams) }

// add reports whether there was room. In observe mode there always is.
func (s *streamSet) add(x *exchange) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full(x.t) && !x.t.observe {
		return false
	}
	if s.active == nil {
		s.active = map[*exchange]struct{}{}
	}
	s.active[x] = struct{}{}
	s.count.Add(1)
	return true
}

func (s *streamSet) remove(x *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.active[x]; ok {
		delete(s.active, x)
		s.count.Add(-1)
	}
}

// end cuts all streams.
func (s *streamSet) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.active {
		x.line.end()
	}
}

// A zombieSet holds the round trips that go on without a client, so that they
// can be ended with the gateway. Each holds a slot: there are no more than the
// limits allow.
type zombieSet struct {
	mu     sync.Mutex
	active map[*exchange]struct{}
	ended  bool
}

func (s *zombieSet) add(x *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		x.line.end()
		return
	}
	if s.active == nil {
		s.active = map[*exchange]struct{}{}
	}
	s.active[x] = struct{}{}
}

func (s *zombieSet) remove(x *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, x)
}

// end cuts all of them, and those that are still to come.
func (s *zombieSet) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for x := range s.active {
		x.line.end()
	}
}

// A tally counts what is in hand, and tells whoever waits when nothing is.
type tally struct {
	n       atomic.Int64
	awaited atomic.Bool
	idle    chan struct{} // holds one element
}

func newTally() *tally { return &tally{idle: make(chan struct{}, 1)} }

func (t *tally) enter() { t.n.Add(1) }

func (t *tally) leave() {
	if t.n.Add(-1) == 0 && t.awaited.Load() {
		select {
		case t.idle <- struct{}{}:
		default:
		}
	}
}

// wait reports whether nothing is in hand before one of the channels says stop.
// Only one goroutine may wait.
func (t *tally) wait(done, closed <-chan struct{}) bool {
	t.awaited.Store(true)
	for t.n.Load() > 0 {
		select {
		case <-t.idle:
		case <-done:
			return false
		case <-closed:
			return false
		}
	}
	return true
}
