package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/penstock-go/penstock/mono"
)

// Retry says how clients behave whose request did not succeed. A retry is new
// offered work: it has its own deadline and its own fate, and tells the server
// in the field Penstock-Work which attempt it is (a=2 for the first retry).
type Retry struct {
	// Max is how many retries may follow a first attempt, 0 to MaxRetries.
	Max int
	// Backoff bounds the wait before the first retry; the bound doubles with
	// every further one up to MaxBackoff. The wait is drawn evenly between 0
	// and the bound ("full jitter"). Default: DefaultBackoff.
	Backoff time.Duration
	// On are the fates that are retried: Refused, Late or Failed. Default: all
	// three.
	On []Fate
	// HonourRetryAfter makes clients wait for as long as a refusal asks, if
	// that is longer: the refusal's retry_after_ms, else its Retry-After in
	// seconds.
	HonourRetryAfter bool
}

func (r Retry) check() error {
	var errs []error
	if r.Max < 0 || r.Max > MaxRetries {
		errs = append(errs, fmt.Errorf("load: retries: %d is not between 0 and %d", r.Max, MaxRetries))
	}
	if r.Backoff < 0 || r.Backoff > MaxBackoff {
		errs = append(errs, fmt.Errorf("load: retry backoff: %v is not a time above 0 and up to %v", r.Backoff, MaxBackoff))
	}
	for _, f := range r.On {
		if f != Refused && f != Late && f != Failed {
			errs = append(errs, fmt.Errorf("load: retry on: %v cannot be retried: refused, late and error can", f))
		}
	}
	return errors.Join(errs...)
}

// after says whether and when a client tries again whose attempt ended so.
func (r Retry) after(attempt int, res result, rng *rand.Rand) (wait time.Duration, again bool) {
	if attempt > r.Max || !slices.Contains(r.On, res.fate) {
		return 0, false
	}
	bound := r.Backoff
	for i := 1; i < attempt && bound < MaxBackoff; i++ {
		bound *= 2
	}
	wait = time.Duration(rng.Int64N(int64(min(bound, MaxBackoff)) + 1))
	if r.HonourRetryAfter && res.fate == Refused {
		wait = max(wait, res.retryAfter)
	}
	return wait, true
}

// A job is one request to be sent.
type job struct {
	intended mono.Time // when the client wants to send it
	deadline mono.Time // when the client gives up
	attempt  int       // from 1
	queued   bool      // had to wait for a connection
}

// jobHeap holds the retries to come, the earliest first: a binary heap. It
// never holds more than Config.Outstanding.
type jobHeap []job

func (h *jobHeap) push(j job) {
	*h = append(*h, j)
	a := *h
	for i := len(a) - 1; i > 0; {
		parent := (i - 1) / 2
		if a[parent].intended <= a[i].intended {
			return
		}
		a[i], a[parent] = a[parent], a[i]
		i = parent
	}
}

func (h *jobHeap) pop() job {
	a := *h
	first := a[0]
	last := len(a) - 1
	a[0] = a[last]
	a = a[:last]
	*h = a
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && a[child+1].intended < a[child].intended {
			child++
		}
		if a[i].intended <= a[child].intended {
			return first
		}
		a[i], a[child] = a[child], a[i]
		i = child
	}
}
