package demand

// The bounds of a boundary.
const (
	// DefaultWindow is how many items a boundary holds where no Window is given.
	DefaultWindow = 256
	// DefaultRefill is the part of the window that is given back at once where
	// no Refill is given. Project Reactor found the same value.
	DefaultRefill = 0.75
	// MaxWindow is the largest window without a Cost.
	MaxWindow = 1 << 20
	// MaxSlots is how many items a boundary with a Cost holds at most: an item
	// counts as at least 1/MaxSlots of the window.
	MaxSlots = 1 << 12
)

// An Option changes a boundary.
type Option struct {
	apply func(*settings)
}

type settings struct {
	window   int64
	windowed bool
	refill   float64
	overflow Policy
	order    Order
	key      any // func(T) any
	cost     any // func(T) int64
	conflate any // func() conflater[T]
	spill    any // func() (Store[T], error)
	worse    string
}

// Window bounds how many items are between the two sides of a boundary, those
// that the receiver has in hand included: 1 to [MaxWindow], [DefaultWindow] if it
// is not given. With [Cost] it bounds the sum of their costs, and may be larger.
func Window(n int64) Option {
	return Option{func(s *settings) { s.window, s.windowed = n, true }}
}

// Refill says which part of the window, above 0 and up to 1, is given back to
// the sender at once. A small part wakes it often, a large one late.
func Refill(part float64) Option { return Option{func(s *settings) { s.refill = part }} }

// Cost says what an item takes of the window: its bytes, or any weight. A cost
// is kept within window/[MaxSlots] and the window, so that an item larger than
// the window passes, alone.
func Cost[T any](of func(T) int64) Option { return Option{func(s *settings) { s.cost = of }} }

// Overflow says what happens to an item for which there is no room.
func Overflow(p Policy) Option { return Option{func(s *settings) { s.overflow = p }} }

// A Policy says what happens to an item for which there is no room.
type Policy uint8

// The policies. [Conflate] and [Spill] are options of their own.
const (
	Block      Policy = iota // the sender waits: nothing is lost
	DropNewest               // the item is dropped
	DropOldest               // the one that waited longest is dropped
	Latest                   // only the newest is kept, whatever the window
	Fail                     // the stream fails with ErrOverflow
	conflating
	spilling
)

// Conflate merges an item into the one of the same key that still waits. An item
// with a new key is blocked while there is no room. The merged item keeps the
// place of the old one.
func Conflate[T any, K comparable](key func(T) K, merge func(waiting, newer T) T) Option {
	return Option{func(s *settings) {
		s.overflow = conflating
		if key == nil || merge == nil {
			s.worse = "a function of Conflate is nil"
			return
		}
		s.conflate = func() conflater[T] {
			return &keyed[T, K]{key: key, merge: merge, numbers: make(map[K]uint64), keys: make(map[uint64]K)}
		}
	}}
}

// Spill diverts items for which there is no room to a store, and takes them back
// in order. Where the store has no room either, the sender waits. The store is
// closed with the stream. Package spillfile has one.
func Spill[T any](open func() (Store[T], error)) Option {
	return Option{func(s *settings) {
		s.overflow = spilling
		if open == nil {
			s.worse = "the function of Spill is nil"
			return
		}
		s.spill = open
	}}
}

// A Store holds items on behalf of a boundary, first in, first out. It is used by
// one goroutine at a time.
type Store[T any] interface {
	// Put appends an item. It reports false if there is no room for it until
	// others have been taken out.
	Put(v T) (ok bool, err error)
	// Get takes the oldest item out. It is called only while Len is positive.
	Get() (T, error)
	Len() int
	Close() error
}

func collect(opts []Option) settings {
	s := settings{window: DefaultWindow, refill: DefaultRefill}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(&s)
		}
	}
	return s
}

// A plan is the settings of a boundary for items of one type.
type plan[T any] struct {
	settings
	name      string // of the stage
	costOf    func(T) int64
	floor     int64 // the least cost
	keyOf     func(T) any
	conflater func() conflater[T]
	open      func() (Store[T], error)
}

// planned checks the settings. The problem is empty if there is none.
func planned[T any](opts []Option) (p plan[T], problem string, args []any) {
	p.settings = collect(opts)
	var ok bool
	if p.cost != nil {
		if p.costOf, ok = p.cost.(func(T) int64); !ok || p.costOf == nil {
			return p, "Cost is %T, and the items are %T", []any{p.cost, *new(T)}
		}
	}
	if p.conflate != nil {
		if p.conflater, ok = p.conflate.(func() conflater[T]); !ok {
			return p, "Conflate is not for items of %T", []any{*new(T)}
		}
	}
	if p.spill != nil {
		if p.open, ok = p.spill.(func() (Store[T], error)); !ok {
			return p, "Spill is not for items of %T", []any{*new(T)}
		}
	}
	if p.key != nil {
		if p.keyOf, ok = p.key.(func(T) any); !ok {
			return p, "ByKey is not for items of %T", []any{*new(T)}
		}
	}
	most := int64(MaxWindow)
	if p.cost != nil {
		most = Unbounded / 2
	}
	if p.overflow == Latest {
		p.window = 1
	}
	p.floor = max(p.window/MaxSlots, 1)
	switch {
	case p.worse != "":
		return p, p.worse, nil
	case p.window < 1 || p.window > most:
		return p, "Window of %d is not 1 to %d", []any{p.window, most}
	case !(p.refill > 0 && p.refill <= 1):
		return p, "Refill of %v is not above 0 and at most 1", []any{p.refill}
	case p.overflow > spilling:
		return p, "Overflow unknown", nil
	}
	return p, "", nil
}

// slots is how many items the window can hold.
func (p *plan[T]) slots() int64 {
	if p.costOf == nil {
		return p.window
	}
	return (p.window + p.floor - 1) / p.floor
}

// weigh returns what an item takes of the window.
func (p *plan[T]) weigh(v T) int64 {
	if p.costOf == nil {
		return 1
	}
	return min(max(p.costOf(v), p.floor), p.window)
}
