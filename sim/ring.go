package sim

// A ring is a queue of jobs, first in, first out. It grows by doubling and never
// shrinks. The zero ring is empty.
type ring struct {
	jobs    []uint64 // its length is a power of two
	head, n int
}

func (r *ring) push(job uint64) {
	if r.n == len(r.jobs) {
		grown := make([]uint64, max(16, 2*len(r.jobs)))
		for i := range r.n {
			grown[i] = r.jobs[(r.head+i)&(len(r.jobs)-1)]
		}
		r.jobs, r.head = grown, 0
	}
	r.jobs[(r.head+r.n)&(len(r.jobs)-1)] = job
	r.n++
}

func (r *ring) pop() (uint64, bool) {
	if r.n == 0 {
		return 0, false
	}
	job := r.jobs[r.head]
	r.head = (r.head + 1) & (len(r.jobs) - 1)
	r.n--
	return job, true
}

func (r *ring) peek() uint64 { return r.jobs[r.head] }

// remove takes a job out of the middle. The order of the others stays.
func (r *ring) remove(job uint64) bool {
	mask := len(r.jobs) - 1
	if r.n > 0 && r.jobs[r.head] == job { // who leaves has mostly waited longest
		r.pop()
		return true
	}
	for i := range r.n {
		if r.jobs[(r.head+i)&mask] != job {
			continue
		}
		for k := i; k < r.n-1; k++ {
			r.jobs[(r.head+k)&mask] = r.jobs[(r.head+k+1)&mask]
		}
		r.n--
		return true
	}
	return false
}

func (r *ring) clear() { r.head, r.n = 0, 0 }
