package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/bench/process"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/penstockhttp"
	"github.com/penstock-go/penstock/sim/arrival"
)

// burnThreads is the servers' GOMAXPROCS, so that the load has the rest of a small
// machine to itself.
const burnThreads = 1

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

// stepsIn finds how many steps take so long. It is asked once for all servers: they
// must have the same work.
func stepsIn(long time.Duration) int {
	const steps = 1_000_000
	var took []time.Duration
	for range 200 {
		begin := time.Now()
		runtime.KeepAlive(burn(steps))
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return int(steps * long.Seconds() / took[len(took)/4].Seconds())
}

// serveCPU runs a server whose handler computes so many steps, behind nothing (law
// "none"), behind the middleware with nothing configured ("auto"), with the law
// alone, without what is seen of the process ("inferred"), or behind one that
// refuses everything ("refuse"). It prints its address.
func serveCPU(law string, steps int) error {
	runtime.GOMAXPROCS(burnThreads)
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, burn(steps))
	})
	switch law {
	case "auto":
		h = penstockhttp.Handler(admission.New(admission.Config{}), h)
	case "inferred":
		h = penstockhttp.Handler(admission.New(admission.Config{Limit: limit.Default()}), h)
	case "refuse":
		ctl := admission.New(admission.Config{})
		ctl.Drain()
		h = penstockhttp.Handler(ctl, h)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, h)
}

// cpu loads servers that compute, without a gateway.
func (b *bench) cpu() {
	b.say("\n## A Go server that computes, with the middleware\n\n%d thread, no gateway; deadline 100 ms, which the server is not told. Before each row, its capacity is measured: answers per second behind nothing, closed loop, two callers for two seconds.", burnThreads)
	for _, service := range []time.Duration{10 * time.Millisecond, 2 * time.Millisecond} {
		b.computes(service, stepsIn(service))
	}
}

func (b *bench) computes(service time.Duration, steps int) {
	refusal := refusalCost()
	b.say("\nAbout %v of processor time for each request. A refusal takes the server %.0f us of it, connection and HTTP included; what that leaves of the capacity is the bound.\n", service, refusal*1e6)
	b.say("| offered | middleware | goodput/s | of capacity | bound | p50 ms | p99 ms of good | refused | late | errors |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, law := range []string{"none", "inferred", "auto"} {
		for _, times := range []float64{0.8, 1.2, 2, 5} {
			plain := cpuServer("none", steps)
			full := closedLoop("http://"+plain.Line+"/", 2, 2*time.Second)
			plain.Stop()
			server := cpuServer(law, steps)
			rep := must(load.Run(context.Background(), load.Config{
				URL: "http://" + server.Line + "/", Profile: must(arrival.Flat(times * full)), Seed: 1,
				For: b.length + 3*time.Second, Warmup: 3 * time.Second, Deadline: patience, Interval: 500 * time.Millisecond,
			}))
			server.Stop()
			name := map[string]string{"none": "none", "auto": "penstock, nothing configured", "inferred": "penstock, the law alone"}[law]
			b.say("| %.1fx | %s | %.1f | %.3f | %.3f | %.1f | %.1f | %.2f %% | %.2f %% | %d |", times, name, rep.GoodPerSecond, rep.GoodPerSecond/full/min(1, times),
				leaves(times, full*refusal), ms(rep.Latency.P50), ms(rep.Latency.P99), share(rep.Refused, rep.Offered), share(rep.Late, rep.Offered), rep.Errors)
		}
	}
}

// leaves is the share of its capacity, or of what is offered where that is less,
// that a server can give to its work if a refusal costs it so many times what its
// work does.
func leaves(times, refusal float64) float64 {
	return min(1, max(0, (1-times*refusal)/(1-refusal)))
}

// refusalCost is the processor time that a server spends for each request that it
// refuses, in seconds.
func refusalCost() float64 {
	const long = 2 * time.Second
	server := cpuServer("refuse", 0)
	refused := closedLoop("http://"+server.Line+"/", 4, long) * long.Seconds()
	server.Stop()
	return server.Spent().Seconds() / refused
}

func cpuServer(law string, steps int) *process.Process {
	return must(process.Again("-role", "cpu", "-law", law, "-steps", strconv.Itoa(steps)))
}
