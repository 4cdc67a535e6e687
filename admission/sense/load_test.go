package sense_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/sense"
)

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name string
		r    sense.Reading
		load float64
		why  string
	}{
		{"all quiet", sense.Reading{}, 0, ""},
		{"nothing known", sense.Reading{SchedulerDelay: nan, Lateness: nan, GC: nan, GCLimited: nan, Heap: nan, Throttled: nan, MemoryStall: nan}, 0, ""},
		{"lateness", sense.Reading{Lateness: 0.010, SchedulerDelay: nan}, 0.5, "timers"},
		{"collector", sense.Reading{GC: 0.5}, 2, "collector's share"},
		{"collector held back", sense.Reading{GCLimited: 1, GC: .4}, 2, "limiter"},
		{"heap", sense.Reading{Heap: 0.7}, 1, "heap"},
		{"throttled", sense.Reading{Throttled: 1}, 4, "kernel"},
		{"memory stall", sense.Reading{MemoryStall: 0.05}, 0.5, "memory"},
		{"goroutines that wait for one another are no load", sense.Reading{SchedulerDelay: 1}, 0, ""},
		{"caches and busy processors are no load", sense.Reading{Memory: 1, CPUStall: 1}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			load, why := c.r.Load()
			if math.Abs(load-c.load) > 1e-9 || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
				t.Errorf("%g (%s), want %g (%s)", load, why, c.load, c.why)
			}
		})
	}
}

// The default law, held down while this process cannot keep up.
func ExampleView_Load() {
	view := sense.Open()
	defer view.Close()
	law := limit.Direct(limit.Default(), view.Load)
	fmt.Println(law.Limit())
	// Output: 16
}
