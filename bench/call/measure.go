package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// A row is one way to make a call. once makes it.
type row struct {
	name string
	once func() error
}

// A sample is what one call of a run cost, on average over the run.
type sample struct{ wall, cpu, allocs, bytes float64 }

// run makes so many calls. What is read of the system costs more than a call, and
// stays outside.
func (r row) run(calls int) (sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	used, err := processor()
	begun := time.Now()
	for range calls {
		if err := r.once(); err != nil {
			return sample{}, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	took := time.Since(begun)
	usedAfter, errAfter := processor()
	runtime.ReadMemStats(&after)
	per := float64(calls)
	return sample{
		wall: float64(took) / per, cpu: float64(usedAfter-used) / per,
		allocs: float64(after.Mallocs-before.Mallocs) / per, bytes: float64(after.TotalAlloc-before.TotalAlloc) / per,
	}, errors.Join(err, errAfter)
}

// processor is the processor time that this process has used, user and system.
func processor() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// interleave runs the rows in turns, in another order each round, and returns
// each row's samples. A first round warms up, and is not kept.
func interleave(rows []row, rounds, calls int) ([][]sample, error) {
	all := make([][]sample, len(rows))
	for round := range rounds + 1 {
		for _, i := range rand.Perm(len(rows)) {
			s, err := rows[i].run(calls)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				all[i] = append(all[i], s)
			}
		}
	}
	return all, nil
}

// quantile is that of what pick takes of the samples.
func quantile(q float64, samples []sample, pick func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = pick(s)
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1)+0.5)]
}

func wall(s sample) float64   { return s.wall / 1000 }
func cpu(s sample) float64    { return s.cpu / 1000 }
func allocs(s sample) float64 { return s.allocs }
func size(s sample) float64   { return s.bytes }

// show prints what the rows cost, and what that is over the first of them.
func show(rows []row, all [][]sample) {
	fmt.Printf("%-27s %15s %22s %12s %8s\n", "", "wall us (p10)", "CPU us (p10)", "allocations", "bytes")
	for i, r := range rows {
		s := all[i]
		fmt.Printf("%-27s %7.2f (%5.2f) %14.2f (%5.2f) %12.1f %8.0f\n", r.name,
			quantile(.5, s, wall), quantile(.1, s, wall), quantile(.5, s, cpu), quantile(.1, s, cpu),
			quantile(.5, s, allocs), quantile(.5, s, size))
	}
	last := len(rows) - 1
	for i := range last {
		showOver(rows[last], rows[i], all[last], all[i])
	}
	fmt.Println()
}

// showOver prints what a row costs over another.
func showOver(r, base row, samples, of []sample) {
	d := over(samples, of)
	fmt.Printf("%-27s %7.2f (%5.2f) %14.2f (%5.2f) %12.1f %8.0f\n", r.name+" - "+base.name,
		quantile(.5, d, wall), quantile(.1, samples, wall)-quantile(.1, of, wall),
		quantile(.5, d, cpu), quantile(.1, samples, cpu)-quantile(.1, of, cpu),
		quantile(.5, d, allocs), quantile(.5, d, size))
}

// over is what the runs of one row cost more than those of another in the same
// rounds.
func over(samples, base []sample) []sample {
	d := make([]sample, len(samples))
	for i, s := range samples {
		b := base[i]
		d[i] = sample{s.wall - b.wall, s.cpu - b.cpu, s.allocs - b.allocs, s.bytes - b.bytes}
	}
	return d
}
