// Command flow measures flows: beside other durable queues (peers), and how soon
// pressure is felt through a server (pressure). See docs/bench.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

const workers = 64

func main() {
	dir := flag.String("dir", os.TempDir(), "folder for the files; its disk is what is measured")
	pg := flag.String("pg", "", "URL of a PostgreSQL database for River; empty leaves it out")
	redis := flag.String("redis", "", "address of a Redis server for Asynq; empty leaves it out")
	rounds := flag.Int("rounds", 3, "interleaved rounds; medians are printed")
	each := flag.Duration("for", 5*time.Second, "length of one run")
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage: flow [flags] peers|pressure")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch flag.Arg(0) {
	case "peers":
		err = peers(ctx, *dir, *pg, *redis, *rounds, *each)
	case "pressure":
		err = pressure(ctx, *dir)
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// quantile sorts, and returns the share q of the way through.
func quantile[T int | float64 | time.Duration](s []T, q float64) T {
	if len(s) == 0 {
		return 0
	}
	slices.Sort(s)
	return s[int(q*float64(len(s)-1))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
