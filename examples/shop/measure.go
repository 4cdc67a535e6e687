package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/penstock-go/penstock/load"
	"github.com/penstock-go/penstock/sim/arrival"
)

// The load of the comparison: three times what the shop can do while its
// database has half of its speed.
const (
	capacity = 100.0
	offered  = 3 * capacity
	patience = time.Second
)

// settings are what is compared.
var settings = []struct {
	name string
	cfg  Config
}{
	{"nothing", Config{}},
	{"fixed limits (30) and breakers", Config{Admission: true, Limit: 30, Breakers: true}},
	{"admission in each service", Config{Admission: true}},
	{"admission and signal", Config{Admission: true, Signal: true}},
}

// compare measures all settings and writes a table.
func compare(ctx context.Context, out io.Writer) error {
	if _, err := fmt.Fprintf(out, "| shop | good/s | p99 of good | refused | refused by the front | refused behind it |\n|---|---|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, s := range settings {
		if err := measure(ctx, out, s.name, s.cfg); err != nil {
			return err
		}
	}
	return nil
}

func measure(ctx context.Context, out io.Writer, name string, cfg Config) error {
	shop, err := Open(cfg)
	if err != nil {
		return err
	}
	defer shop.Close()
	shop.Database.SetSpeed(0.5)
	profile, err := arrival.Flat(offered)
	if err != nil {
		return err
	}
	rep, err := load.Run(ctx, load.Config{URL: "http://" + shop.Addr + "/", Profile: profile, Seed: 1, For: 12 * time.Second, Warmup: 4 * time.Second, Deadline: patience})
	if err != nil {
		return err
	}
	var first, behind uint64
	for i, s := range shop.Services {
		c := count(s)
		if i == 0 {
			first = c.refused + c.door
		} else {
			behind += c.refused + c.door
		}
	}
	_, err = fmt.Fprintf(out, "| %s | %.0f | %v | %.0f %% | %d | %d |\n", name, rep.GoodPerSecond, rep.Latency.P99.Round(time.Millisecond),
		100*float64(rep.Refused)/float64(max(rep.Offered, 1)), first, behind)
	return err
}
