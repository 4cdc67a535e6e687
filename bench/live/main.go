// Command live proves the gateway's figures with real processes on loopback: a
// plant (8 workers x 10 ms, one queue, works on for clients that have left), the
// gateway with nothing configured but the plant's address, and an open-loop
// load. Goodput is given as a share of the plant's own capacity, measured in
// the same run, and of an oracle: the best fixed limit of a sweep.
//
// Run it on an idle machine: bench/live/run.sh builds everything and writes a
// dated report.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-go/penstock/bench/plant"
	"github.com/penstock-go/penstock/bench/process"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

const (
	workers  = 8
	mean     = 10 * time.Millisecond
	patience = 100 * time.Millisecond
	capacity = 800.0 // requests per second, nominal
)

func main() {
	role := flag.String("role", "run", "run, plant or cpu")
	law := flag.String("law", "constant", "of the plant: constant or exponential; with -role cpu: none, auto, inferred or refuse")
	steps := flag.Int("steps", 0, "with -role cpu: what each request computes")
	only := flag.String("only", "", "comma-separated sections: steady, exponential, steps, timeouts, storm, cpu")
	penstock := flag.String("penstock", "bin/penstock", "the binary under test")
	length := flag.Duration("for", 10*time.Second, "length of a steady row")
	flag.Parse()
	if *role == "plant" {
		if err := servePlant(workers, *law, mean); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if *role == "cpu" {
		must(0, serveCPU(*law, *steps))
	}
	b := &bench{penstock: *penstock, length: *length, out: os.Stdout}
	sections := []struct {
		name string
		run  func()
	}{{"steady", b.steady}, {"exponential", b.exponential}, {"steps", b.steps}, {"timeouts", b.timeouts}, {"storm", b.storm}, {"cpu", b.cpu}}
	for _, s := range sections {
		if *only == "" || strings.Contains(","+*only+",", ","+s.name+",") {
			s.run()
		}
	}
}

// servePlant runs a plant, with its control on a second listener, and prints
// both addresses.
func servePlant(workers int, law string, mean time.Duration) error {
	p := plant.New(workers, law, mean)
	return process.Serve(func(l net.Listener) error { return http.Serve(l, p) }, p.Control)
}

type bench struct {
	penstock string
	length   time.Duration
	out      io.Writer
	warnings []string // to come after the table
}

func (b *bench) say(format string, args ...any) { must(fmt.Fprintf(b.out, format+"\n", args...)) }

// a rig is a plant, and the gateway before it if there is one.
type rig struct {
	target, control string
	stop            []func()
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
	return v
}

func (r *rig) close() {
	for _, stop := range slices.Backward(r.stop) {
		stop()
	}
}

func kill(cmd *exec.Cmd) func() {
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// rig starts a plant, and a gateway with the given limit: "" is no gateway,
// "auto" is the default.
func (b *bench) rig(law, limit string) *rig {
	r := &rig{}
	plant := must(process.Again("-role", "plant", "-law", law))
	r.stop = append(r.stop, plant.Stop)
	r.target, r.control, _ = strings.Cut(plant.Line, " ")
	if limit == "" {
		return r
	}
	front, admin := freeAddress(), freeAddress()
	args := []string{"gateway", "--listen", front, "--to", "http://" + r.target, "--admin", admin}
	if limit != "auto" {
		file := must(os.CreateTemp("", "live-*.yaml"))
		must(fmt.Fprintf(file, "listen: %s\nadmin: %s\nroutes:\n  - match: {path: /}\n    to: [http://%s]\n    limit: {law: fixed, max: %s}\n", front, admin, r.target, limit))
		must(0, file.Close())
		args = []string{"gateway", "--config", file.Name()}
		r.stop = append(r.stop, func() { _ = os.Remove(file.Name()) })
	}
	gw := exec.Command(b.penstock, args...)
	must(0, gw.Start())
	r.stop = append(r.stop, kill(gw))
	for range 100 {
		if resp, err := http.Get("http://" + admin + "/readyz"); err == nil {
			_ = resp.Body.Close() // nothing was read from it
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.target = front
	return r
}

func freeAddress() string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// tell changes the plant and returns its counts.
func (r *rig) tell(query string) plant.Stats {
	resp := must(http.Get("http://" + r.control + "/?" + query))
	defer func() { _ = resp.Body.Close() }()
	var s plant.Stats
	must(0, json.NewDecoder(resp.Body).Decode(&s))
	return s
}

// offer runs an open-loop load of the given multiple of nominal capacity.
func (r *rig) offer(times float64, length, warmup time.Duration, retry load.Retry, seed uint64) load.Report {
	return must(load.Run(context.Background(), load.Config{
		URL: "http://" + r.target + "/", Profile: must(arrival.Flat(times * capacity)), Seed: seed,
		For: length + warmup, Warmup: warmup, Deadline: patience, Retry: retry, Interval: 500 * time.Millisecond,
	}))
}

// capacityOf measures what the plant finishes per second when it is kept busy
// by twice its workers, closed loop.
func (r *rig) capacityOf() float64 {
	return closedLoop("http://"+r.target+"/", 2*workers, 3*time.Second)
}

// closedLoop is how many answers per second so many callers get who ask again as
// soon as they have one.
func closedLoop(url string, callers int, long time.Duration) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * callers}}
	begin := time.Now()
	var answers atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(begin) < long {
				if resp, err := client.Get(url); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					answers.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return float64(answers.Load()) / time.Since(begin).Seconds()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func share(n, of uint64) float64 { return 100 * float64(n) / float64(max(of, 1)) }

func (b *bench) steady() {
	plain := b.rig("constant", "")
	full := plain.capacityOf()
	plain.close()
	b.say("\n## Constant service, 10 ms\n\nThe plant finishes %.0f requests/s when kept busy. Deadline 100 ms, Poisson arrivals.\n", full)
	b.say("| offered | gateway | goodput/s | of capacity | p50 ms | p99 ms of good | refused | late | errors | peak ghosts in the plant |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, limit := range []string{"", "auto"} {
		for _, times := range []float64{0.5, 1.2, 2, 5, 10} {
			r := b.rig("constant", limit)
			rep := r.offer(times, b.length, 3*time.Second, load.Retry{}, 1)
			ghosts := r.tell("").PeakGhosts
			r.close()
			b.row(times, limit, rep, full, ghosts)
		}
	}
	if len(b.warnings) > 0 {
		b.say("\nWarnings:\n\n%s", strings.Join(b.warnings, "\n"))
	}
}

func (b *bench) row(times float64, limit string, rep load.Report, full float64, ghosts int) {
	name := map[string]string{"": "none", "auto": "penstock, nothing configured"}[limit]
	if name == "" {
		name = "penstock, fixed " + limit
	}
	b.say("| %.1fx | %s | %.0f | %.3f | %.1f | %.1f | %.2f %% | %.2f %% | %d | %d |", times, name, rep.GoodPerSecond, rep.GoodPerSecond/min(full, times*capacity),
		ms(rep.Latency.P50), ms(rep.Latency.P99), share(rep.Refused, rep.Offered), share(rep.Late, rep.Offered), rep.Errors, ghosts)
	for _, w := range rep.Warnings {
		b.warnings = append(b.warnings, fmt.Sprintf("- %.1fx, %s: %s", times, name, w))
	}
}

func (b *bench) exponential() {
	plain := b.rig("exponential", "")
	full := plain.capacityOf()
	plain.close()
	b.say("\n## Exponential service, mean 10 ms\n\nThe plant finishes %.0f requests/s when kept busy. The oracle is the best of five fixed limits behind the same gateway.\n", full)
	b.say("| offered | goodput/s | oracle's | ratio | p99 ms | oracle's | ratio | refused | oracle's limit | peak ghosts |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, times := range []float64{0.5, 1.2, 2, 5, 10} {
		r := b.rig("exponential", "auto")
		rep := r.offer(times, b.length, 3*time.Second, load.Retry{}, 2)
		ghosts := r.tell("").PeakGhosts
		r.close()
		var best load.Report
		at := ""
		for _, limit := range []string{"8", "10", "12", "16", "24"} {
			r := b.rig("exponential", limit)
			got := r.offer(times, b.length, 3*time.Second, load.Retry{}, 2)
			r.close()
			if got.GoodPerSecond > best.GoodPerSecond {
				best, at = got, limit
			}
		}
		b.say("| %.1fx | %.0f | %.0f | %.3f | %.1f | %.1f | %.2f | %.2f %% | %s | %d |", times, rep.GoodPerSecond, best.GoodPerSecond, rep.GoodPerSecond/best.GoodPerSecond,
			ms(rep.Latency.P99), ms(best.Latency.P99), ms(rep.Latency.P99)/ms(best.Latency.P99), share(rep.Refused, rep.Offered), at, ghosts)
	}
}

// steps changes the plant in the middle of a run, and back.
func (b *bench) steps() {
	b.say("\n## Capacity falls to a quarter for 10 s, and comes back\n\nGoodput over the 10 s after each change; attainable is the best fixed limit's for that phase, in a run of its own.\n")
	b.say("| change | offered | first second /s | 10 s /s | attainable /s | ratio | after: first second /s | 10 s /s | attainable /s | ratio |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, change := range []struct {
		name, down, up string
		fixed          []string
	}{
		{"service 10 -> 40 -> 10 ms", "speed=0.25", "speed=1", []string{"8"}},
		{"workers 8 -> 2 -> 8", "workers=2", "workers=8", []string{"3", "12"}},
	} {
		for _, times := range []float64{0.8, 2} {
			got := b.step("auto", change.down, change.up, times)
			var best phases
			for _, limit := range change.fixed {
				f := b.step(limit, change.down, change.up, times)
				best.slow, best.after = max(best.slow, f.slow), max(best.after, f.after)
			}
			b.say("| %s | %.1fx | %.0f | %.0f | %.0f | %.3f | %.0f | %.0f | %.0f | %.3f |", change.name, times,
				got.slowFirst, got.slow, best.slow, got.slow/best.slow, got.afterFirst, got.after, best.after, got.after/best.after)
		}
	}
}

// phases are goodputs per second: of the 10 s after each change and of their
// first second.
type phases struct{ slowFirst, slow, afterFirst, after float64 }

func (b *bench) step(limit, down, up string, times float64) phases {
	r := b.rig("constant", limit)
	defer r.close()
	begin := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(time.Until(begin.Add(10 * time.Second)))
		r.tell(down)
		time.Sleep(time.Until(begin.Add(20 * time.Second)))
		r.tell(up)
	})
	rep := r.offer(times, 30*time.Second, 0, load.Retry{}, 3)
	wg.Wait()
	return phases{
		good(rep, 10*time.Second, 11*time.Second), good(rep, 10*time.Second, 20*time.Second),
		good(rep, 20*time.Second, 21*time.Second), good(rep, 20*time.Second, 30*time.Second),
	}
}

// good is the goodput per second between two instants of a run.
func good(rep load.Report, from, to time.Duration) float64 {
	var n uint64
	for _, i := range rep.Series {
		if i.At >= from && i.At < to {
			n += i.Good
		}
	}
	return float64(n) / (to - from).Seconds()
}

func (b *bench) storm() {
	b.say("\n## A 10 s slow-down to 0.3x speed at 0.7x load, clients retry 3 times\n\nGoodput as a share of what was offered first (560/s).\n")
	b.say("| gateway | before | during | first second after | seconds 2 to 4 after | 10 to 20 s after | requests per first attempt, whole run |\n|---|---|---|---|---|---|---|")
	for _, limit := range []string{"", "auto"} {
		r := b.rig("constant", limit)
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Until(begin.Add(10 * time.Second)))
			r.tell("speed=0.3")
			time.Sleep(time.Until(begin.Add(20 * time.Second)))
			r.tell("speed=1")
		})
		rep := r.offer(0.7, 40*time.Second, 0, load.Retry{Max: 3, Backoff: 20 * time.Millisecond}, 4)
		wg.Wait()
		r.close()
		const s = time.Second
		of := 0.7 * capacity
		name := map[string]string{"": "none", "auto": "penstock, nothing configured"}[limit]
		b.say("| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |", name, good(rep, 5*s, 10*s)/of, good(rep, 10*s, 20*s)/of, good(rep, 20*s, 21*s)/of,
			good(rep, 22*s, 24*s)/of, good(rep, 30*s, 40*s)/of, float64(rep.Offered)/float64(rep.FirstOffered))
	}
}
