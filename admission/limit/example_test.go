package limit_test

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
)

// A law is told how work went, and answers with a limit.
func ExampleAIMD() {
	law := limit.AIMD(100)
	fmt.Println(law.Explain())

	now := mono.Time(0).Add(80 * time.Millisecond)
	law.Observe(now, limit.Sample{Started: 0, InFlightAtStart: 20, Outcome: penstock.Dropped, Cost: 1})
	fmt.Println(law.Explain())
	// Output:
	// limit 20.0, grows until work is lost, at most 100
	// limit 18.0, grows until work is lost, at most 100
}

func ExampleFixed() {
	fmt.Println(limit.Fixed(8).Explain())
	// Output: fixed at 8 by configuration
}
