package demo

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

const ms = time.Millisecond

// TestWorkers: jobs are done in the order in which they came, as many at a time
// as there are workers, each in its time, whoever waits for them.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{law: sim.Constant(10 * ms), jobs: make(chan *job, 100), stop: make(chan struct{})}
		for range 2 {
			s.running.Go(func() { s.work(rand.New(rand.NewPCG(1, 1))) })
		}
		var jobs []*job
		start := mono.Now()
		submit := func(gone bool) {
			j := &job{arrived: mono.Now(), done: make(chan struct{})}
			j.gone.Store(gone)
			jobs = append(jobs, j)
			s.inside.Add(1)
			s.jobs <- j
		}
		for i := range 6 {
			submit(i == 1)
		}
		time.Sleep(45 * ms)
		submit(false)
		submit(true)
		for i, want := range []time.Duration{0, 0, 10 * ms, 10 * ms, 20 * ms, 20 * ms, 45 * ms, 45 * ms} {
			<-jobs[i].done
			if got := jobs[i].begun.Sub(start); got != want {
				t.Errorf("job %d began after %v, want %v", i, got, want)
			}
		}
		if got := mono.Now().Sub(start); got != 55*ms {
			t.Errorf("all done after %v, want 55ms", got)
		}
		synctest.Wait()
		if s.inside.Load() != 0 || s.wasted.Load() != 2 {
			t.Errorf("%d inside, %d wasted, want 0 and 2", s.inside.Load(), s.wasted.Load())
		}
		close(s.stop)
		s.running.Wait()
	})
}

// slow makes the first draw hold its worker up, as a busy machine does.
type slow struct {
	once sync.Once
	by   time.Duration
}

func (l *slow) Draw(*rand.Rand) time.Duration {
	l.once.Do(func() { time.Sleep(l.by) })
	return 10 * ms
}

func (l *slow) Mean() time.Duration { return 10 * ms }

// TestLateWorker: a worker that was held up makes up for it, so that the service
// does as much as it is said to; but not without bounds.
func TestLateWorker(t *testing.T) {
	for _, c := range []struct {
		by   time.Duration
		jobs int
		want time.Duration // when all are done
	}{
		{0, 3, 30 * ms},
		{15 * ms, 1, 15 * ms},
		{15 * ms, 3, 30 * ms}, // made up for
		{catchUp + 100*ms, 11, 200 * ms},
		{catchUp + 100*ms, 12, 210 * ms}, // and not beyond catchUp
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{law: &slow{by: c.by}, jobs: make(chan *job, c.jobs), stop: make(chan struct{})}
			start := mono.Now()
			var last *job
			for range c.jobs {
				last = &job{arrived: start, done: make(chan struct{})}
				s.jobs <- last
			}
			s.running.Go(func() { s.work(rand.New(rand.NewPCG(1, 1))) })
			<-last.done
			if got := mono.Now().Sub(start); got != c.want {
				t.Errorf("held up by %v, %d jobs are done after %v, want %v", c.by, c.jobs, got, c.want)
			}
			close(s.stop)
			s.running.Wait()
		})
	}
}

// gated holds each job up until it has been sent twice: once it has begun, and
// once it may end.
type gated chan struct{}

func (g gated) Draw(*rand.Rand) time.Duration {
	<-g
	<-g
	return 1
}

func (g gated) Mean() time.Duration { return 1 }

func startService(t *testing.T, law sim.ServiceLaw) *service {
	t.Helper()
	s, err := newService(Config{Workers: 1, Service: law}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request has the service serve a request, and returns the answer.
func request(ctx context.Context, s *service) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return w
}

// TestWorksOn: a job whose client leaves is done nevertheless.
func TestWorksOn(t *testing.T) {
	law := make(gated)
	s := startService(t, law)
	ctx, leave := context.WithCancel(t.Context())
	var client sync.WaitGroup
	client.Go(func() { request(ctx, s) })
	law <- struct{}{}
	leave()
	client.Wait()
	if got := s.inside.Load(); got != 1 {
		t.Errorf("%d inside when the client had left, want 1", got)
	}
	client.Go(func() {
		if w := request(t.Context(), s); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "done: waited ") {
			t.Errorf("got %d, %q", w.Code, w.Body)
		}
	})
	for range 3 {
		law <- struct{}{} // the first ends, the second begins and ends
	}
	client.Wait()
	if s.inside.Load() != 0 || s.wasted.Load() != 1 {
		t.Errorf("%d inside, %d wasted, want 0 and 1", s.inside.Load(), s.wasted.Load())
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// TestFullQueue: even an endless queue has an end, and close does not wait for
// what is in it.
func TestFullQueue(t *testing.T) {
	law := make(gated)
	s := startService(t, law)
	var client sync.WaitGroup
	client.Go(func() {
		if w := request(t.Context(), s); w.Code != http.StatusServiceUnavailable || w.Body.String() != "stopped\n" {
			t.Errorf("when stopped: got %d, %q", w.Code, w.Body)
		}
	})
	law <- struct{}{}
	for range MaxQueue {
		s.jobs <- &job{done: make(chan struct{})}
	}
	if w := request(t.Context(), s); w.Code != http.StatusServiceUnavailable || w.Body.String() != "the queue is full\n" {
		t.Errorf("with a full queue: got %d, %q", w.Code, w.Body)
	}
	if got := s.inside.Load(); got != 1 {
		t.Errorf("%d inside, want the one that came through the door", got)
	}
	closed := make(chan error)
	go func() { closed <- s.close() }()
	client.Wait()
	close(law) // the worker's job ends
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
