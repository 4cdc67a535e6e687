package flow

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Lease lets its holder act on an item: acknowledge it, send it back, spill
// it, or keep it longer. It is fenced: once the item is handed out again, or the
// server has been started anew, it does nothing.
type Lease struct {
	Item   uint64 // the item's number
	Epoch  uint64 // of the server that gave it
	Number uint64 // counts leases within the epoch, from 1
}

// String writes the lease as workers see it.
func (l Lease) String() string {
	b := strconv.AppendUint(nil, l.Item, 36)
	b = append(b, '.')
	b = strconv.AppendUint(b, l.Epoch, 36)
	b = append(b, '.')
	return string(strconv.AppendUint(b, l.Number, 36))
}

// ParseLease reads what [Lease.String] wrote.
func ParseLease(s string) (Lease, error) {
	a, rest, _ := strings.Cut(s, ".")
	b, c, _ := strings.Cut(rest, ".")
	var l Lease
	for _, p := range []struct {
		text string
		to   *uint64
	}{{a, &l.Item}, {b, &l.Epoch}, {c, &l.Number}} {
		v, err := strconv.ParseUint(p.text, 36, 64)
		if err != nil {
			return Lease{}, fmt.Errorf("flow: %.80q is no lease: use the one that came with the item", s)
		}
		*p.to = v
	}
	if l.String() != s {
		return Lease{}, fmt.Errorf("flow: %.80q is no lease: use the one that came with the item", s)
	}
	return l, nil
}

// ErrStale says that a lease no longer acts: it timed out, was used, or is of an
// earlier start of the server. The item is safe, and somebody else's.
var ErrStale = errors.New("flow: stale lease: it timed out, was used already, or the server was started anew")
