// Command shop compares ways to protect the same four services (package
// examples/shop/services): front over HTTP, cart over gRPC, stock, and a database
// with 8 connections. The database has half of its speed, so that the shop can
// do 100 requests per second, and users ask for three times as many, each for a
// second.
//
// The shop is a process, the load another. Run it on an idle machine:
// bench/shop/run.sh builds it and writes a dated report.
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
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/bench/process"
	"github.com/penstock-go/penstock/examples/shop/services"
	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

const (
	capacity = 100.0 // of the database at half speed, per second
	slow     = 0.5
	patience = time.Second
	warmup   = 5 * time.Second
)

func main() {
	role := flag.String("role", "run", "run or shop")
	times := flag.Float64("times", 3, "how much more is asked than the shop can do")
	length := flag.Duration("for", 45*time.Second, "length of a row, after 5s of warm-up")
	only := flag.String("only", "", "a part of the names of the settings wanted")
	setting := flag.Int("setting", 0, "with -role shop: which")
	flag.Parse()
	if *role == "shop" {
		check(serve(settings[*setting]))
		return
	}
	say("| shop | good/s | p99 of good | refused | late | errors | calls of the busiest service per request | clients that left the database |\n|---|---|---|---|---|---|---|---|")
	for i, s := range settings {
		if strings.Contains(s.name, *only) {
			measure(i, s.name, *times, *length)
		}
	}
}

func say(format string, args ...any) {
	_, err := fmt.Printf(format+"\n", args...)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// seen is what a shop tells of itself.
type seen struct {
	Arrived  map[string]uint64 `json:"arrived"`  // requests at each service, before its guard
	Finished uint64            `json:"finished"` // queries
	Left     uint64            `json:"left"`     // clients that the database lost before their query was done
}

// serve runs a shop until it is killed. It prints the front's address and that of
// its control.
func serve(s setting) error {
	counts := newCounts()
	shop, err := services.Open(services.Config{Guard: counts.around(s.guard)})
	if err != nil {
		return err
	}
	defer shop.Close()
	shop.Database.SetSpeed(slow)
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(shop.Addr, control.Addr())
	return http.Serve(control, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		finished, left := shop.Database.Queries()
		_ = json.NewEncoder(w).Encode(seen{counts.arrived(), finished, left})
	}))
}

// ask reads what a shop tells.
func ask(control string) (s seen) {
	res, err := http.Get("http://" + control + "/")
	check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	check(err)
	check(json.Unmarshal(body, &s))
	return s
}

// measure writes the row of one setting.
func measure(index int, name string, times float64, length time.Duration) {
	shop, err := process.Again("-role", "shop", "-setting", strconv.Itoa(index))
	check(err)
	defer shop.Stop()
	front, control, _ := strings.Cut(shop.Line, " ")
	profile, err := arrival.Flat(times * capacity)
	check(err)
	rep, err := load.Run(context.Background(), load.Config{
		URL: "http://" + front + "/", Profile: profile, Seed: 1, For: warmup + length, Warmup: warmup, Deadline: patience,
	})
	check(err)
	s := ask(control)
	most := uint64(0)
	for _, n := range s.Arrived {
		most = max(most, n)
	}
	share := func(n, of uint64) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	say("| %s | %.1f | %d ms | %.0f %% | %.0f %% | %.0f %% | %.2f | %.0f %% |", name, rep.GoodPerSecond, rep.Latency.P99.Milliseconds(),
		share(rep.Refused, rep.Offered), share(rep.Late, rep.Offered), share(rep.Errors, rep.Offered),
		float64(most)/float64(max(s.Arrived["front"], 1)), share(s.Left, s.Arrived["database"]))
	for _, w := range rep.Warnings {
		fmt.Fprintln(os.Stderr, name+":", w)
	}
}
