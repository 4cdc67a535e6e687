// Command logpipe is a real job for streams by demand: lines of a log are parsed,
// enriched by a slow HTTP service that says how full it is, and written to SQLite
// in batches. Whatever is slowest sets the pace, and memory stays what the windows
// allow.
//
//	logpipe generate -bytes 1000000000 -o access.log
//	logpipe run -in access.log -db access.db
//	logpipe run -in access.log -db access.db -stop 10s   # the sink stops half-way
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "logpipe:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "generate" && args[0] != "run" {
		return errors.New("usage: logpipe generate -bytes N -o FILE | run -in FILE -db FILE [-stop 10s]")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	if args[0] == "generate" {
		bytes := flags.Int64("bytes", 1_000_000_000, "size of the log")
		out := flags.String("o", "access.log", "where to write it")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return generate(*out, *bytes)
	}
	cfg := config{progress: os.Stderr}
	flags.StringVar(&cfg.in, "in", "access.log", "the log")
	flags.StringVar(&cfg.db, "db", "access.db", "the database, made anew")
	flags.DurationVar(&cfg.stop, "stop", 0, "how long the sink stops half-way")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	start := time.Now()
	r, err := run(ctx, cfg)
	if err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Printf("%d lines of %d bytes in %.1f s: %.0f lines/s, %.1f MB/s; %d rows; at most %d MiB resident\n",
		r.lines, r.bytes, took.Seconds(), float64(r.lines)/took.Seconds(), float64(r.bytes)/took.Seconds()/1e6, r.rows, resident())
	if r.rows != r.lines {
		return fmt.Errorf("%d lines, but %d rows", r.lines, r.rows)
	}
	return nil
}
