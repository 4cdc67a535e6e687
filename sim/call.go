package sim

import (
	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/caller"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

// A call is one attempt of a client to have work done, from its asking until
// both sides are rid of it: the callee may go on long after the client has left,
// and the answer may be on its way.
type call struct {
	id     uint64 // generation and place: stale where it does not match
	client *client
	owner  uint64 // for whom the client asks: see asker.ended

	request // the same for all attempts, but for work's Attempt

	asked     mono.Time
	refreshes int

	// The attempt.
	state    callState
	sent     mono.Time
	worth    mono.Time // when the answer becomes worthless
	hasWorth bool
	refresh  bool // its timer is the user's patience
	gone     bool // the client has left
	rid      bool // the callee is rid of it
	lost     bool // on a link: nobody has it, and no answer comes
	timer    Timer
	crossing mono.Time // a link: since when,
	due      mono.Time // until when
	answer   result
	asks     caller.Ticket   // where the client listens
	said     pressure.Signal // with the answer, by the callee of itself
	says     bool
	tells    int64 // with the answer, by a rival's callee
	told     bool

	// The callee's.
	place      place
	by         *doorman // who decided on it: a machine's own
	door       *doorman // that let it in, or in whose room it waits
	ticket     admission.Ticket
	machine    *machine
	arrived    mono.Time // at the part,
	entered    mono.Time // and at the machine
	group      int       // of the stage's calls
	open       int       // calls of that group
	bad        result
	fresh      bool          // its own service ends just now
	held       bool          // with its server
	pass       caller.Ticket // through the stage's door
	passed     bool
	path       pressure.Signal // what the stage's callees say that the work needed
	below      bool            // one of them refused it
	governed   uint64          // which of the group's calls are with callees that limit themselves: a bit for each
	out        int             // how many of those are not back
	prev, next *call           // in the machine's list, or a cache's
}

// goes is news that c is with one more callee that limits itself.
func (c *call) goes(now mono.Time) {
	if c.out++; c.out == 1 && c.door != nil {
		c.door.goes(now, c)
	}
}

// comes ends goes.
func (c *call) comes(now mono.Time) {
	if c.out--; c.out == 0 && c.door != nil {
		c.door.comes(now, c)
	}
}

// A request is what a client asks for.
type request struct {
	work    penstock.Work
	key     uint64  // 0 is none
	demand  float64 // factor on service times
	relayed bool    // it has come past a door
	tokens  int64   // a rival's
}

// callState is the client's view.
type callState uint8

const (
	callFree callState = iota
	callBack           // waits to be sent again
	callSent
	callOver // by the client's view; the callee may hold on
)

// place is where the callee has it.
type place uint8

const (
	placeNone    place = iota
	placeRoom          // admission's waiting room
	placeQueue         // a machine's queue
	placeService       // on a machine's server
	placeCalls         // waits for the stage's own calls
	placeAnswer        // done with; the answer leaves in an event of its own
)

// calls is a slab of calls in pages, so that a call stays where it is.
type calls struct {
	pages [][]call
	free  []uint32
	open  int
	most  int
}

const callPage = 256

// get returns the call with the given id, nil if it is no more.
func (s *calls) get(id uint64) *call {
	i := uint32(id)
	c := &s.pages[i/callPage][i%callPage]
	if c.id != id || c.state == callFree {
		return nil
	}
	return c
}

// add returns a new call, with nothing but an id; nil if there are too many.
func (s *calls) add() *call {
	if s.open >= s.most {
		return nil
	}
	if len(s.free) == 0 {
		first := uint32(len(s.pages) * callPage)
		s.pages = append(s.pages, make([]call, callPage))
		for i := range uint32(callPage) {
			at := first + callPage - 1 - i
			s.pages[at/callPage][at%callPage].id = uint64(at)
			s.free = append(s.free, at)
		}
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.open++
	c := &s.pages[i/callPage][i%callPage]
	*c = call{id: c.id + 1<<32, state: callBack}
	return c
}

func (s *calls) remove(c *call) {
	c.state = callFree
	s.open--
	s.free = append(s.free, uint32(c.id))
}

// each visits all calls.
func (s *calls) each(visit func(c *call)) {
	for _, p := range s.pages {
		for i := range p {
			if p[i].state != callFree {
				visit(&p[i])
			}
		}
	}
}
