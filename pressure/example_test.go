package pressure_test

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/pressure"
)

func Example() {
	field := string(pressure.AppendHeader(nil, pressure.Signal{
		Level: 0.92, Price: 300, Delay: 4 * time.Millisecond, Retry: 120 * time.Millisecond,
	}))
	fmt.Println(field)

	s, ok := pressure.Parse(field)
	fmt.Println(s.Level, s.Price, s.Delay, s.Retry, ok)

	_, ok = pressure.Parse("level=full")
	fmt.Println(ok)
	// Output:
	// level=0.92, price=300, delay=4.0, retry=120
	// 0.92 300 4ms 120ms true
	// false
}

func ExampleSpreader() {
	var s pressure.Spreader // of a consumer that finishes 100 per second
	for range 3 {
		fmt.Println(s.Next(mono.Time(0), 100, 1))
	}
	// Output:
	// 100ms
	// 200ms
	// 300ms
}

func ExampleParseWork() {
	w, ok := pressure.ParseWork("c=sheddable, k=17, a=2")
	fmt.Println(w.Criticality, w.Cohort.Index(), w.Attempt, ok)
	// Output: sheddable 17 2 true
}
