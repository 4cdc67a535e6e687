package pressure_test

import (
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

var sample = pressure.Load{
	Signal: pressure.Signal{Level: 0.842, Price: 300, Delay: 1500 * us, Retry: 120 * ms},
	RPS:    812.25,
	EPS:    2,
}

// sink keeps a result that would otherwise be of no use.
var sink penstock.Cohort

// operations are the hot paths: one step of each.
func operations() map[string]func() {
	buf := make([]byte, 0, 256)
	work := penstock.Work{Criticality: penstock.Critical, Cohort: penstock.CohortAt(17), Attempt: 2}
	header := string(pressure.AppendHeader(nil, sample.Signal))
	load := string(pressure.AppendLoad(nil, sample))
	var s pressure.Spreader
	var m pressure.Meter
	var n pressure.News
	raw := pressure.AppendLoadBinary(nil, sample)
	book := pressure.NewBook[int](10)
	book.Of("stock:8080", "/items", func() *int { return new(int) })
	var now mono.Time
	return map[string]func(){
		"append=header":   func() { buf = pressure.AppendHeader(buf[:0], sample.Signal) },
		"append=load":     func() { buf = pressure.AppendLoad(buf[:0], sample) },
		"append=work":     func() { buf = pressure.AppendWork(buf[:0], work) },
		"append=deadline": func() { buf = pressure.AppendDeadline(buf[:0], 250*ms) },
		"parse=header":    func() { pressure.Parse(header) },
		"parse=load":      func() { pressure.ParseLoad(load) },
		"parse=work":      func() { pressure.ParseWork("c=critical, k=17, a=2") },
		"parse=baggage":   func() { pressure.ParseBaggage("userId=alice,penstock.c=sheddable;p=1,penstock.k=5") },
		"parse=deadline":  func() { pressure.ParseDeadline("250") },
		"parse=envoy":     func() { pressure.ParseEnvoyTimeout("250") },
		"parse=grpc":      func() { pressure.ParseGRPCTimeout("250m") },
		"append=binary":   func() { buf = pressure.AppendLoadBinary(buf[:0], sample) },
		"append=timeout":  func() { buf = pressure.AppendGRPCTimeout(buf[:0], 250*ms) },
		"append=quota":    func() { buf = pressure.AppendQuota(buf[:0], pressure.Quota{Policy: "default", Remaining: 5}) },
		"parse=binary":    func() { pressure.ParseLoadBinary(raw) },
		"parse=pushback":  func() { pressure.ParsePushback("250") },
		"parse=quota":     func() { pressure.ParseQuota(`"default";r=5;t=1`) },
		"news":            func() { now = now.Add(ms); n.Hear(now, sample.Signal); n.At(now) },
		"book":            func() { book.Of("stock:8080", "/items", nil) },
		"merge":           func() { pressure.Merge(sample.Signal, pressure.Signal{Level: 1}) },
		"spread":          func() { now = now.Add(ms); s.Next(now, 1000, 3) },
		"meter":           func() { now = now.Add(ms); m.Count(now, false); m.Rates(now) },
		"cohort":          func() { sink = pressure.CohortOf(uint64(now), 42, now); now = now.Add(time.Second) },
	}
}

func TestNoAllocations(t *testing.T) {
	for name, step := range operations() {
		if n := testing.AllocsPerRun(100, step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func Benchmark(b *testing.B) {
	for name, step := range operations() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}
