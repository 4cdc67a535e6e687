package load_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

func TestEveryRequestHasOneFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		r := run(t.Context(), t, load.Config{
			Profile: profile("100/s"), Even: true, For: time.Second, Deadline: 50 * ms,
		}, func(w http.ResponseWriter, req *http.Request) {
			switch n.Add(1) % 10 {
			case 0: // hangs until the client has left
				<-req.Context().Done()
			case 1:
				w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"status":503,"reason":"queue_full","retry_after_ms":40}`)
			case 2:
				w.WriteHeader(http.StatusTooManyRequests)
			case 3:
				w.WriteHeader(http.StatusInternalServerError)
			case 4:
				w.WriteHeader(http.StatusGatewayTimeout)
			case 5:
				panic(http.ErrAbortHandler)
			case 6:
				w.WriteHeader(http.StatusFound)
			default:
				_, _ = io.WriteString(w, "hello")
			}
		})
		want := load.Report{Offered: 100, FirstOffered: 100, Good: 40, Late: 10, Refused: 20, Errors: 30}
		got := load.Report{
			Offered: r.Offered, FirstOffered: r.FirstOffered, Good: r.Good, Late: r.Late, Refused: r.Refused, Errors: r.Errors,
		}
		if !equalReports(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		checkMap(t, "statuses", r.RefusedByStatus, map[string]uint64{"503": 10, "429": 10})
		checkMap(t, "reasons", r.RefusedByReason, map[string]uint64{"queue_full": 10, "unstated": 10})
		checkMap(t, "kinds", r.ErrorsByKind, map[string]uint64{"status": 10, "timeout": 10, "reset": 10})
		checkMap(t, "answers", r.Statuses, map[string]uint64{"200": 30, "302": 10, "429": 10, "500": 10, "503": 10, "504": 10})
		if r.Bytes != 30*int64(len("hello"))+10*int64(len(`{"status":503,"reason":"queue_full","retry_after_ms":40}`)) {
			t.Errorf("%d bytes", r.Bytes)
		}
		if r.GoodPerSecond != 40 || r.OfferedPerSecond != 100 || r.RefusedPerSecond != 20 {
			t.Errorf("per second: %v good, %v offered, %v refused", r.GoodPerSecond, r.OfferedPerSecond, r.RefusedPerSecond)
		}
	})
}

// TestLatencyCountsFromTheIntendedInstant stalls the server for a second with
// the only connection busy: each request shows the part of the stall that it
// would have seen, not only the one that was on the connection.
func TestLatencyCountsFromTheIntendedInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := run(t.Context(), t, load.Config{
			Profile: profile("10/s"), Even: true, For: time.Second, Connections: 1, Deadline: 10 * time.Second,
		}, func(http.ResponseWriter, *http.Request) {
			time.Sleep(time.Second - time.Since(start))
		})
		// Meant for 0, 100, ... 900 ms and all answered at 1000 ms.
		if r.Good != 10 || r.Latency.Max != time.Second {
			t.Fatalf("%d good, max %v", r.Good, r.Latency.Max)
		}
		for name, c := range map[string]struct{ got, want time.Duration }{
			"p50": {r.Latency.P50, 500 * ms}, "p90": {r.Latency.P90, 900 * ms},
		} {
			if !near(c.got, c.want) {
				t.Errorf("%s: %v, want %v", name, c.got, c.want)
			}
		}
		if r.Lag.Max != 0 {
			t.Errorf("lag %v: the generator was not late, the server was", r.Lag.Max)
		}
		if r.Connections != 1 {
			t.Errorf("%d connections, want 1", r.Connections)
		}
	})
}

// near allows for the histogram's three digits.
func near(got, want time.Duration) bool { return (got - want).Abs() <= want/1000 }

func TestLatencyIsWhatTheServerTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t.Context(), t, load.Config{Profile: profile("500/s"), Seed: 3, For: 2 * time.Second},
			func(http.ResponseWriter, *http.Request) { time.Sleep(7 * ms) })
		// Poisson arrivals closer than the pacer's nap go out together.
		if r.Latency.P50 < 7*ms || r.Latency.Max > 7*ms+100*time.Microsecond {
			t.Errorf("latency %+v, want 7 ms", r.Latency)
		}
		if r.Lag.Max > 100*time.Microsecond {
			t.Errorf("lag %+v", r.Lag)
		}
	})
}

// TestArrivalsAreThoseOfTheProcess: the server sees each request when the
// arrival process of the same seed says, but for the pacer's nap.
func TestArrivalsAreThoseOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile("onoff:rate=2000/s,on=100ms,off=100ms,low=50/s")
		var mu sync.Mutex
		var seen []time.Duration
		start := time.Now()
		r := run(t.Context(), t, load.Config{Profile: p, Seed: 42, For: time.Second},
			func(http.ResponseWriter, *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, time.Since(start))
			})
		slices.Sort(seen)
		process := arrival.Poisson(p, rand.New(rand.NewPCG(42, 0)))
		for i, got := range seen {
			want, ok := process.Next()
			if late := got - want; !ok || late < 0 || late > 100*time.Microsecond {
				t.Fatalf("request %d at %v, want %v", i, got, want)
			}
		}
		if next, _ := process.Next(); next < time.Second {
			t.Fatalf("%d requests seen, and one is missing at %v", len(seen), next)
		}
		if r.Good != uint64(len(seen)) {
			t.Errorf("%d good of %d", r.Good, len(seen))
		}
	})
}

func TestBounds(t *testing.T) {
	hang := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	for name, c := range map[string]struct {
		cfg           load.Config
		late, notSent uint64
	}{
		"connections": {
			// Two hang at a time; the others give up waiting for a connection.
			cfg:  load.Config{Connections: 2, Deadline: 200 * ms},
			late: 50,
		},
		"outstanding": {
			// Five at a time: 0 to 80 ms, 200 to 280, ..., 800 to 880.
			cfg:  load.Config{Outstanding: 5, Deadline: 200 * ms},
			late: 25, notSent: 25,
		},
		"outstanding, waiting for a connection": {
			cfg:  load.Config{Outstanding: 5, Connections: 2, Deadline: 200 * ms},
			late: 25, notSent: 25,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := c.cfg
				cfg.Profile, cfg.Even, cfg.For = profile("50/s"), true, time.Second
				r := run(t.Context(), t, cfg, hang)
				if r.Late != c.late || r.NotSent != c.notSent {
					t.Errorf("late %d, not sent %d, want %d, %d", r.Late, r.NotSent, c.late, c.notSent)
				}
				if warned := len(r.Warnings) > 0; warned != (c.notSent > 0) {
					t.Errorf("warnings: %q", r.Warnings)
				}
			})
		})
	}
}

// TestClientsThatGiveUpLeave: when the deadline has passed, the server sees the
// connection end.
func TestClientsThatGiveUpLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left atomic.Int64
		r := run(t.Context(), t, load.Config{Profile: profile("10/s"), Even: true, For: time.Second, Deadline: 30 * ms},
			func(_ http.ResponseWriter, req *http.Request) {
				start := time.Now()
				<-req.Context().Done()
				if time.Since(start) == 30*ms {
					left.Add(1)
				}
			})
		if r.Late != 10 || left.Load() != 10 {
			t.Errorf("%d late, %d left after 30 ms, want 10", r.Late, left.Load())
		}
	})
}

func TestWarmupIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := run(t.Context(), t, load.Config{
			Profile: profile("100/s"), Even: true, For: 3 * time.Second, Warmup: time.Second, Interval: 500 * ms,
		}, func(w http.ResponseWriter, _ *http.Request) {
			if time.Since(start) < time.Second {
				w.WriteHeader(http.StatusServiceUnavailable) // cold
			}
		})
		if r.Offered != 200 || r.Good != 200 || r.Duration != 2*time.Second || r.GoodPerSecond != 100 {
			t.Errorf("offered %d, good %d in %v, %v/s", r.Offered, r.Good, r.Duration, r.GoodPerSecond)
		}
		if len(r.Series) != 4 {
			t.Fatalf("%d rows, want 4", len(r.Series))
		}
		for i, row := range r.Series {
			if row.At != time.Duration(i)*500*ms || row.Offered != 50 || row.Good != 50 {
				t.Errorf("row %d: %+v", i, row)
			}
		}
	})
}

// TestSeriesShowsWhen: the answers of a stall are in the row of its end, with
// its latency.
func TestSeriesShowsWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := run(t.Context(), t, load.Config{Profile: profile("10/s"), Even: true, For: 4 * time.Second},
			func(http.ResponseWriter, *http.Request) {
				if at := time.Since(start); at >= time.Second && at < 2500*ms {
					time.Sleep(2500*ms - at)
				}
			})
		var good []uint64
		var p99 []time.Duration
		for _, row := range r.Series {
			good = append(good, row.Good)
			p99 = append(p99, row.P99.Round(100*ms))
		}
		if want := []uint64{10, 0, 20, 10}; !slices.Equal(good, want) {
			t.Errorf("good per row: %v, want %v", good, want)
		}
		if want := []time.Duration{0, 0, 1500 * ms, 0}; !slices.Equal(p99, want) {
			t.Errorf("p99 per row: %v, want %v", p99, want)
		}
	})
}

func TestCancelReportsSoFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(550*ms, cancel)
		start := time.Now()
		var n atomic.Int64
		r := run(ctx, t, load.Config{
			Profile: profile("10/s"), Even: true, For: time.Minute, Deadline: 30 * time.Second, Connections: 3,
		}, func(_ http.ResponseWriter, req *http.Request) {
			if n.Add(1) > 3 {
				<-req.Context().Done()
			}
		})
		// Due at 0, 100, ... 500 ms: three are answered, three hang; two more
		// seconds are given to them.
		if r.Offered != 6 || r.Good != 3 || r.Unfinished != 3 || !r.Interrupted {
			t.Errorf("offered %d, good %d, unfinished %d, interrupted %v", r.Offered, r.Good, r.Unfinished, r.Interrupted)
		}
		if d := time.Since(start); d != 2550*ms {
			t.Errorf("ended after %v, want 2.55s", d)
		}
		if r.Duration != 550*ms {
			t.Errorf("duration %v, want 550ms", r.Duration)
		}
	})
}

func TestCancelDuringConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork() // nobody accepts
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		r, err := load.Run(ctx, load.InBubble(load.Config{
			URL: "http://memory/", Profile: profile("10/s"), Even: true, For: time.Minute, Dial: n.Dial,
		}))
		if err != nil || r.Unfinished != r.Offered || r.Offered < 10 {
			t.Errorf("unfinished %d of %d, %v", r.Unfinished, r.Offered, err)
		}
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []load.Progress
		run(t.Context(), t, load.Config{
			Profile: profile("100/s"), Even: true, For: 2 * time.Second, Deadline: 300 * ms,
			Progress: func(p load.Progress) { got = append(got, p) },
		}, func(w http.ResponseWriter, req *http.Request) {
			time.Sleep(5 * ms)
			if strings.HasPrefix(req.URL.Path, "/") && time.Now().Nanosecond()/int(10*ms)%2 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		if len(got) < 7 || len(got) > 8 {
			t.Fatalf("called %d times in 2 s", len(got))
		}
		for i, p := range got {
			elapsed := time.Duration(i+1) * 250 * ms
			if p.Elapsed != elapsed || p.Left != 2*time.Second-elapsed {
				t.Errorf("call %d: elapsed %v, left %v", i, p.Elapsed, p.Left)
			}
			if p.OfferedPerSecond < 98 || p.OfferedPerSecond > 105 || p.GoodPerSecond+p.RefusedPerSecond < 95 {
				t.Errorf("call %d: %+v", i, p)
			}
		}
		if last := got[len(got)-1]; !near(last.P99, 5*ms) && last.P99.Round(100*time.Microsecond) != 5*ms {
			t.Errorf("p99 %v, want 5ms", last.P99)
		}
	})
}

func equalReports(a, b load.Report) bool {
	return a.Offered == b.Offered && a.FirstOffered == b.FirstOffered && a.Good == b.Good &&
		a.Late == b.Late && a.Refused == b.Refused && a.Errors == b.Errors
}

func checkMap(t *testing.T, what string, got, want map[string]uint64) {
	t.Helper()
	for k := range want {
		if got[k] != want[k] {
			t.Errorf("%s: got %v, want %v", what, got, want)
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
