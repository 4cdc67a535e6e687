package caller

import (
	"sync/atomic"

	"github.com/penstock-go/penstock"
)

// A Bulkhead bounds how many calls are under way at once, so that one callee that
// hangs cannot hold all of its caller's goroutines and connections. It is a
// number that somebody has to choose; where the callee tells how full it is,
// none is needed. It is safe for concurrent use. Make one with [NewBulkhead].
type Bulkhead struct {
	most  int64
	inUse atomic.Int64
}

// errBulkhead is the refusal of a full bulkhead. Nobody knows when one of its
// calls will end.
var errBulkhead = &penstock.RejectedError{Reason: penstock.ReasonLimit, Pressure: 1}

// NewBulkhead returns an empty bulkhead. It panics if most is not positive.
func NewBulkhead(most int) *Bulkhead {
	if most < 1 {
		panic("caller: a bulkhead lets one call through at least")
	}
	return &Bulkhead{most: int64(most)}
}

// Enter takes a place if there is one: then Leave must follow.
func (b *Bulkhead) Enter() bool {
	for {
		n := b.inUse.Load()
		if n >= b.most {
			return false
		}
		if b.inUse.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Leave gives a place back. It panics if none was taken.
func (b *Bulkhead) Leave() {
	if b.inUse.Add(-1) < 0 {
		panic("caller: Leave without Enter")
	}
}

// InUse is how many places are taken.
func (b *Bulkhead) InUse() int { return int(b.inUse.Load()) }
