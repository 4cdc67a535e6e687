package shed

import "github.com/penstock-go/penstock"

// floorShare is how much of what finishes may ask with the highest rank, of each
// criticality. The room serves about half of what gets so far (see overcommit),
// so each gets 1 % whatever is asked above it, and all four 4 % at most: critical
// work that needs 60 % of a callee never feels it.
const floorShare = 0.01 * overcommit

// Floor keeps every criticality alive. Price and waiting room serve strictly by
// rank, so under a flood of what matters more the rest would get nothing, and
// whoever waits for it could not tell "busy" from "broken". Floor names work that
// is to be treated as the highest rank: of each criticality so much that it gets
// about 1 % of what finishes. The zero Floor is ready to use.
type Floor struct {
	credit [penstock.Criticalities]float64 // slots' worth, at most 1; negative after costly work or much
}

// Finished counts finished work.
func (f *Floor) Finished(cost float64) {
	for c := range f.credit {
		f.credit[c] = min(1, f.credit[c]+floorShare*cost)
	}
}

// Started counts work of rank r that starts. A criticality that gets its share by
// itself is not lifted, and takes nothing from those above it.
func (f *Floor) Started(r penstock.Rank, cost float64) {
	c := r.Criticality()
	f.credit[c] = min(f.credit[c], max(f.credit[c]-cost, -1))
}

// Ready reports whether the next work of a criticality would be lifted.
func (f *Floor) Ready(c penstock.Criticality) bool { return f.credit[c] >= 1 }

// Lifts reports whether work of rank r that asks to enter, and costs so much, is
// to be treated as of the highest rank, and counts it if so.
func (f *Floor) Lifts(r penstock.Rank, cost float64) bool {
	c := r.Criticality()
	if !f.Ready(c) {
		return false
	}
	f.credit[c] -= max(cost, 1)
	return true
}
