package sense_test

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-go/penstock/admission/sense"
	"github.com/penstock-go/penstock/mono"
)

// What the runtime of this very process tells.
func TestThisProcess(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	debug.SetMemoryLimit(1 << 62)
	p := sense.NewProbe()
	defer p.Close()
	runtime.GC()
	p.LookAtAll(mono.Now())
	keep := make([]byte, 64<<20)
	runtime.GC()
	debug.SetMemoryLimit(1 << 30)
	r := p.LookAtAll(mono.Now())
	runtime.KeepAlive(keep)
	if !(r.Heap >= 64.0/1024 && r.Heap < 1) {
		t.Errorf("a live heap of %g of 1 GiB, 64 MiB are live", r.Heap)
	}
	if !(r.GC >= 0 && r.GC <= 1) || r.GCLimited != 0 {
		t.Errorf("the collector took %g of the time, limited %g", r.GC, r.GCLimited)
	}
	if !(r.SchedulerDelay >= 0) {
		t.Errorf("a scheduler delay of %g", r.SchedulerDelay)
	}
	debug.SetMemoryLimit(1<<63 - 1)
	if r := p.LookAtAll(mono.Now()); !sense.Unknown(r.Heap) {
		t.Errorf("%g of a memory limit that is not there", r.Heap)
	}
}

// The sampler runs while anybody has a view, and no longer: leak.Main looks for
// what is left.
func TestOneSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := mono.Now()
		a := sense.Open()
		if r := a.Latest(); !sense.Unknown(r.SchedulerDelay) || r.At != 0 {
			t.Errorf("before the first look: %+v", r)
		}
		time.Sleep(5*sense.Period + sense.Period/2)
		b := sense.Open()
		for _, v := range []*sense.View{a, b} {
			if r := v.Latest(); r.At != start.Add(5*sense.Period) || r.Lateness != 0 {
				t.Errorf("looked at %v, late by %g", r.At.Sub(start), r.Lateness)
			}
		}
		a.Close()
		a.Close()
		time.Sleep(sense.Period)
		if r := b.Latest(); r.At != start.Add(6*sense.Period) {
			t.Errorf("the sampler went with its first user: last looked at %v", r.At.Sub(start))
		}
		b.Close()
		time.Sleep(time.Second)
		if r := b.Latest(); r.At != start.Add(6*sense.Period) {
			t.Errorf("looked at %v, after the last user had gone", r.At.Sub(start))
		}
		c := sense.Open()
		defer c.Close()
		time.Sleep(3 * sense.Period / 2)
		if r := c.Latest(); r.At != mono.Now().Add(-sense.Period/2) {
			t.Errorf("opened again, it looked at %v", r.At.Sub(start))
		}
	})
}
