package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/sim/arrival"
)

// A server whose handler computes for about 10 ms of processor time, on one
// thread, so that the load has the rest of a small machine to itself.
const (
	burnFor     = 10 * time.Millisecond
	burnThreads = 1
)

// burn computes: so many steps of xorshift.
func burn(steps int) uint64 {
	x := uint64(88172645463325252)
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// calibrate finds how many steps take burnFor.
func calibrate() int {
	const steps = 1_000_000
	var took []time.Duration
	for range 50 {
		begin := time.Now()
		runtime.KeepAlive(burn(steps))
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return int(steps * burnFor.Seconds() / took[len(took)/2].Seconds())
}

// serveCPU runs a server that computes, behind nothing (law "none"), behind the
// middleware with nothing configured ("auto"), or with the law alone, without
// what is seen of the process ("inferred"). It prints its address.
func serveCPU(law string) error {
	runtime.GOMAXPROCS(burnThreads)
	steps := calibrate()
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, burn(steps))
	})
	switch law {
	case "auto":
		h = penstockhttp.Handler(admission.New(admission.Config{}), h)
	case "inferred":
		h = penstockhttp.Handler(admission.New(admission.Config{Limit: limit.Default()}), h)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, h)
}

// cpu loads a server that computes, without a gateway.
func (b *bench) cpu() {
	b.say("\n## A Go server that computes, with the middleware\n\n10 ms of processor time for each request, %d thread, no gateway; deadline 100 ms. Its capacity is its goodput behind nothing at a load that leaves it no rest and no queue: closed loop, two callers.\n", burnThreads)
	b.say("| offered | middleware | goodput/s | of capacity | p50 ms | p99 ms of good | refused | late | errors |\n|---|---|---|---|---|---|---|---|---|")
	full := func() float64 {
		addr, stop := cpuServer("none")
		defer stop()
		return closedLoop("http://"+addr+"/", 2, 5*time.Second)
	}()
	for _, law := range []string{"none", "inferred", "auto"} {
		for _, times := range []float64{0.8, 1.2, 2, 5} {
			addr, stop := cpuServer(law)
			rep := must(load.Run(context.Background(), load.Config{
				URL: "http://" + addr + "/", Profile: must(arrival.Flat(times * full)), Seed: 1,
				For: b.length + 3*time.Second, Warmup: 3 * time.Second, Deadline: patience, Interval: 500 * time.Millisecond,
			}))
			stop()
			name := map[string]string{"none": "none", "auto": "penstock, nothing configured", "inferred": "penstock, the law alone"}[law]
			b.say("| %.1fx | %s | %.1f | %.3f | %.1f | %.1f | %.2f %% | %.2f %% | %d |", times, name, rep.GoodPerSecond, rep.GoodPerSecond/full/min(1, times),
				ms(rep.Latency.P50), ms(rep.Latency.P99), share(rep.Refused, rep.Offered), share(rep.Late, rep.Offered), rep.Errors)
		}
	}
	b.say("\nCapacity: %.1f requests/s.", full)
}

func cpuServer(law string) (addr string, stop func()) {
	cmd, out := start(must(os.Executable()), "-role", "cpu", "-law", law)
	line := must(out.ReadString('\n'))
	return line[:len(line)-1], kill(cmd)
}
