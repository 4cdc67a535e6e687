package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
)

var errMute = errors.New("the signal has not come")

func main() {
	kinds := flag.String("kinds", "http,http/json,http/deadline,http/json/deadline,grpc,grpc/deadline", "what to measure")
	rounds := flag.Int("rounds", 100, "runs of each row")
	calls := flag.Int("calls", 300, "calls of a run")
	profile := flag.String("profile", "", "a row's name: make its calls alone, rounds x calls of them, and write their CPU profile to call.prof")
	flag.Parse()
	if err := measure(strings.Split(*kinds, ","), *rounds, *calls, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(1)
	}
}

func measure(kinds []string, rounds, calls int, profile string) error {
	ctl := admission.New(admission.Config{Limit: limit.Fixed(100)})
	defer ctl.Close()
	fmt.Printf("%s, %d processors, %d interleaved runs of %d calls\n\n", runtime.Version(), runtime.GOMAXPROCS(0), rounds, calls)
	for _, kind := range kinds {
		ctx := penstock.WithWork(context.Background(), penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(3)})
		base, timed := strings.CutSuffix(kind, "/deadline")
		timeout := time.Duration(0)
		if timed {
			timeout = time.Hour
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		var rows []row
		var stop func()
		var err error
		switch base {
		case "http":
			rows, stop, err = httpRows(ctx, ctl, nothing, timeout)
		case "http/json":
			rows, stop, err = httpRows(ctx, ctl, document, timeout)
		case "grpc":
			rows, stop, err = grpcRows(ctx, ctl)
		default:
			err = fmt.Errorf("-kinds: %q, allowed are http, http/json and grpc, and each with /deadline behind it", kind)
		}
		if err != nil {
			return err
		}
		fmt.Println(kind)
		err = measureRows(rows, rounds, calls, profile)
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func measureRows(rows []row, rounds, calls int, profile string) error {
	if profile != "" {
		for _, r := range rows {
			if r.name == profile {
				return profiled(r, rounds*calls)
			}
		}
		return fmt.Errorf("-profile: no row %q", profile)
	}
	all, err := interleave(rows, rounds, calls)
	if err != nil {
		return err
	}
	show(rows, all)
	return nil
}

func profiled(r row, calls int) error {
	f, err := os.Create("call.prof")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	s, err := r.run(calls)
	pprof.StopCPUProfile()
	fmt.Printf("%-20s %.2f us, CPU %.2f us, %.1f allocations\n", r.name, wall(s), cpu(s), allocs(s))
	return errors.Join(err, f.Close())
}
