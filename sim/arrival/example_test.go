package arrival_test

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock/sim/arrival"
)

func Example() {
	profile, err := arrival.Spike(2, 10, time.Second, 500*time.Millisecond)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(profile, "expects", profile.Expected(2*time.Second), "in 2s")

	process := arrival.Constant(profile)
	for at, ok := process.Next(); ok && at < 1300*time.Millisecond; at, ok = process.Next() {
		fmt.Println(at)
	}
	// Output:
	// steps:2/s@1s,10/s@500ms,2/s expects 8 in 2s
	// 0s
	// 500ms
	// 1s
	// 1.1s
	// 1.2s
}

func ExampleParseProfile() {
	_, err := arrival.ParseProfile("spike:base=100,peak=2000/s,for=3s")
	fmt.Println(err)
	// Output:
	// arrival: spike: base: "100" is not a rate: a number and a unit, as in 100/s, 6000/m or 0.5/h
	// arrival: spike: at is missing: a time, as in 5s
}
