// Command signal measures how "I'm full" travels through six processes, over
// HTTP or gRPC: hop 1 calls hop 2, and so on to hop 6, a worker of bounded
// capacity (8 x 20 ms). An open-loop load drives the first; in the middle of a run
// the last loses half of its speed, and later gets it back.
//
// It tells when each hop was felt to be full and when it first refused, where
// work is refused once all is settled, what that costs in goodput, what every hop
// held at most, and how fast all is well again.
//
// Run it on an idle machine: bench/signal/run.sh builds it and writes a dated
// report.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	hops     = 6
	workers  = 8
	mean     = 20 * time.Millisecond
	capacity = 400.0 // of the last hop at full speed, per second
	ownWork  = 2 * time.Millisecond
	places   = 300 // of the hops before the last, each
	patience = 500 * time.Millisecond
)

func main() {
	role := flag.String("role", "run", "run or hop")
	protocols := flag.String("protocols", "http,grpc", "what the hops speak, comma-separated")
	loads := flag.String("loads", "0.8,2", "multiples of the last hop's capacity, comma-separated")
	deaf := flag.Bool("deaf", true, "also measure hops that do not listen")
	phase := flag.Duration("phase", 15*time.Second, "length of each of the three phases of a run: full speed, half of it, full speed")
	var cfg hopConfig
	flag.IntVar(&cfg.index, "index", 1, "with -role hop: which, 1 to 6")
	flag.StringVar(&cfg.protocol, "protocol", "http", "with -role hop: http or grpc")
	flag.StringVar(&cfg.next, "next", "", "with -role hop: the address of the next one, none for the last")
	flag.BoolVar(&cfg.listens, "listens", true, "with -role hop: listen to what the next one says")
	flag.Parse()
	if *role == "hop" {
		check(serveHop(cfg))
		return
	}
	b := &bench{phase: *phase, out: os.Stdout}
	for protocol := range strings.SplitSeq(*protocols, ",") {
		b.protocol(protocol, numbers(*loads), *deaf)
	}
}

func numbers(list string) []float64 {
	var all []float64
	for text := range strings.SplitSeq(list, ",") {
		var x float64
		_, err := fmt.Sscan(text, &x)
		check(err)
		all = append(all, x)
	}
	return all
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "signal:", err)
		os.Exit(1)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
