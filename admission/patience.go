package admission

import "time"

// patience learns how long callers wait who do not say so, from when they leave:
// the age at which most of those leave who are still there. It takes both who
// leaves and who stays, since a caller may also leave for reasons of its own, at
// any age. That bounds the waiting room as a deadline does: work that enters a
// gate when its caller is about to leave is work for nobody.
//
// Where that is not known, it learns how old the work gets whose callers stay.
//
// Callers who state a deadline are not counted, nor those who were served at once
// before anybody left.
type patience struct {
	left, stayed [patienceBuckets]uint32 // by age at the end
	leavers      uint32                  // sum of left
	begun        bool                    // somebody has left
	dirty        bool
	ticks        int
	known        bool
	age          time.Duration // where it is known; else the greatest that somebody stayed for
}

const (
	patienceBuckets = sketchBuckets / 2
	patienceShare   = 2    // at least one in so many of those still there leave at that age
	patienceLeast   = 3    // callers, before anything is known
	patienceTicks   = 3000 // half of what was seen is forgotten after so many ticks
)

func (p *patience) leave(age time.Duration) {
	p.begun, p.dirty = true, true
	p.left[bucketOf(age)/2]++
	p.leavers++
}

func (p *patience) stay(age time.Duration) {
	p.dirty = true
	p.stayed[bucketOf(age)/2]++
}

// tick takes stock.
func (p *patience) tick() {
	if p.ticks++; p.ticks >= patienceTicks {
		p.forget()
	}
	if !p.dirty {
		return
	}
	p.dirty, p.known, p.age = false, false, 0
	there := uint32(0) // who got so old
	for b := patienceBuckets - 1; b >= 0; b-- {
		there += p.left[b] + p.stayed[b]
		switch {
		case p.left[b] >= patienceLeast && p.left[b]*patienceShare >= there:
			p.known, p.age = true, bucketTop(2*b)
		case p.age == 0 && there >= patienceLeast:
			p.age = bucketTop(2 * b)
		}
	}
}

// forget halves what was seen, so that callers may change their minds.
func (p *patience) forget() {
	p.ticks, p.leavers, p.dirty = 0, 0, true
	for b := range p.left {
		p.left[b] /= 2
		p.stayed[b] /= 2
		p.leavers += p.left[b]
	}
	p.begun = p.leavers > 0
}
