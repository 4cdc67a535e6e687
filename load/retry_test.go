package load_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/load"
)

// seen is what a server noted: requests by the Penstock-Work field, and when.
type seen struct {
	mu    sync.Mutex
	count map[string]int
	at    map[string][]time.Duration
	start time.Time
}

func newSeen() *seen {
	return &seen{count: map[string]int{}, at: map[string][]time.Duration{}, start: time.Now()}
}

func (s *seen) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	work := r.Header.Get("Penstock-Work")
	s.count[work]++
	s.at[work] = append(s.at[work], time.Since(s.start))
}

func TestRetriesAmplify(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	all := map[string]int{"": 20, "a=2": 20, "a=3": 20, "a=4": 20}
	first := map[string]int{"": 20}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		on      []load.Fate
		want    map[string]int
	}{
		"refused":                    {refuse, []load.Fate{load.Refused}, all},
		"late":                       {hang, []load.Fate{load.Late}, all},
		"error":                      {abort, []load.Fate{load.Failed}, all},
		"anything":                   {refuse, nil, all},
		"refused, told late, error":  {refuse, []load.Fate{load.Late, load.Failed}, first},
		"late, told refused":         {hang, []load.Fate{load.Refused}, first},
		"error, told refused, late":  {abort, []load.Fate{load.Refused, load.Late}, first},
		"good is never tried again ": {func(http.ResponseWriter, *http.Request) {}, nil, first},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSeen()
				r := run(t.Context(), t, load.Config{
					Profile: profile("steps:20/s@1s"), Even: true, For: time.Minute, Deadline: 100 * ms,
					Retry: load.Retry{Max: 3, Backoff: 50 * ms, On: c.on},
				}, func(w http.ResponseWriter, req *http.Request) { s.note(req); c.handler(w, req) })
				if fmt.Sprint(s.count) != fmt.Sprint(c.want) {
					t.Errorf("the server saw %v, want %v", s.count, c.want)
				}
				if want := uint64(20 * len(c.want)); r.Offered != want || r.FirstOffered != 20 {
					t.Errorf("offered %d, first %d, want %d, 20", r.Offered, r.FirstOffered, want)
				}
			})
		})
	}
}

// TestBackoff: the n-th retry comes within Backoff x 2^(n-1) of the refusal,
// and the waits spread over the whole of it.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		last := map[string]time.Time{} // when each user was refused last
		var longest [4]time.Duration
		run(t.Context(), t, load.Config{
			// One user at a time, so that the server knows who comes again.
			Profile: profile("steps:1/s@60s"), Even: true, For: 70 * time.Second,
			Retry: load.Retry{Max: 3, Backoff: 40 * ms},
		}, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			var attempt int
			if _, err := fmt.Sscanf(r.Header.Get("Penstock-Work"), "a=%d", &attempt); err == nil {
				longest[attempt-1] = max(longest[attempt-1], time.Since(last["user"]))
			}
			last["user"] = time.Now()
			w.WriteHeader(http.StatusTooManyRequests)
		})
		for retry, bound := range map[int]time.Duration{1: 40 * ms, 2: 80 * ms, 3: 160 * ms} {
			if got := longest[retry]; got > bound+100*time.Microsecond || got < bound/2 {
				t.Errorf("retry %d: longest wait of 60 is %v, want up to %v", retry, got, bound)
			}
		}
	})
}

func TestHonourRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		honour        bool
		seconds, body string
		atLeast       time.Duration
		atMost        time.Duration
	}{
		"not honoured":          {false, "2", "", 0, 10 * ms},
		"seconds":               {true, "2", "", 2 * time.Second, 2001 * ms},
		"milliseconds":          {true, "2", `{"reason":"limit","retry_after_ms":700}`, 700 * ms, 701 * ms},
		"shorter than backoff":  {true, "0", "", 0, 10 * ms},
		"no number":             {true, "soon", `{"retry_after_ms":"soon"}`, 0, 10 * ms},
		"negative":              {true, "-5", `{"retry_after_ms":-1}`, 0, 10 * ms},
		"an hour is the bound":  {true, "999999999999", "", time.Hour, time.Hour + 10*ms},
		"an hour is the bound2": {true, "", `{"retry_after_ms":1e300}`, time.Hour, time.Hour + 10*ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSeen()
				run(t.Context(), t, load.Config{
					Profile: profile("steps:1/s@1s"), Even: true, For: 2 * time.Hour, Interval: time.Minute,
					Retry: load.Retry{Max: 1, Backoff: 10 * ms, HonourRetryAfter: c.honour},
				}, func(w http.ResponseWriter, r *http.Request) {
					s.note(r)
					w.Header().Set("Retry-After", c.seconds)
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = io.WriteString(w, c.body)
				})
				if len(s.at["a=2"]) != 1 {
					t.Fatalf("the server saw %v", s.count)
				}
				if wait := s.at["a=2"][0]; wait < c.atLeast || wait > c.atMost+100*time.Microsecond {
					t.Errorf("came again after %v, want %v to %v", wait, c.atLeast, c.atMost)
				}
			})
		})
	}
}

// TestNoRetryAfterTheEnd: users whose next attempt would come after the run's
// end are not offered any more.
func TestNoRetryAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := run(t.Context(), t, load.Config{
			Profile: profile("10/s"), Even: true, For: time.Second,
			Retry: load.Retry{Max: 1, Backoff: 10 * ms, HonourRetryAfter: true},
		}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		if r.Offered != 10 || time.Since(start) != time.Second {
			t.Errorf("offered %d in %v, want 10 in 1s", r.Offered, time.Since(start))
		}
	})
}

// TestPendingRetriesAreOutstanding: users who wait for their next attempt take
// part in the bound.
func TestPendingRetriesAreOutstanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t.Context(), t, load.Config{
			Profile: profile("100/s"), Even: true, For: time.Second, Outstanding: 7,
			Retry: load.Retry{Max: 1, HonourRetryAfter: true},
		}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		// A retry beyond the end takes no place.
		if r.Refused != 100 || r.NotSent != 0 {
			t.Errorf("refused %d, not sent %d, want 100, 0", r.Refused, r.NotSent)
		}
		r = run(t.Context(), t, load.Config{
			Profile: profile("steps:100/s@1s"), Even: true, For: 20 * time.Minute, Outstanding: 7,
			Retry: load.Retry{Max: 1, HonourRetryAfter: true},
		}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		if r.Refused != 14 || r.NotSent != 93 {
			t.Errorf("refused %d, not sent %d, want 7 and their retries, 93", r.Refused, r.NotSent)
		}
	})
}
