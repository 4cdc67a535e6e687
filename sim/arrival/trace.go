package arrival

import (
	"slices"
	"time"
)

// Trace returns arrivals at given instants, such as those of a recording. They
// need not be sorted; those before the start arrive with it, those after
// [MaxLength] never.
func Trace(at []time.Duration) Process {
	t := &trace{slices.Clone(at)}
	slices.Sort(t.left)
	return t
}

type trace struct{ left []time.Duration }

func (t *trace) Next() (time.Duration, bool) {
	if len(t.left) == 0 || t.left[0] > MaxLength {
		return 0, false
	}
	next := max(0, t.left[0])
	t.left = t.left[1:]
	return next, true
}
