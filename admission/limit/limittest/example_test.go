//go:build !race

// A single-threaded simulation has no races, and takes long under their detector.

package limittest_test

import (
	"fmt"
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/limit/limittest"
	"github.com/penstock-go/penstock/mono"
)

// theirs is someone else's limiter: it is told how long each call took, and has a
// limit.
type theirs struct{ limit float64 }

func (l *theirs) OnSample(took time.Duration) {
	if took < 25*time.Millisecond {
		l.limit += 0.1
	} else {
		l.limit = max(1, l.limit*0.99)
	}
}

// adapted is what it takes to put it through the suite.
type adapted struct{ theirs }

func (a *adapted) Observe(now mono.Time, s limit.Sample) { a.OnSample(now.Sub(s.Started)) }
func (a *adapted) Limit() float64                        { return a.limit }
func (a *adapted) Next() (mono.Time, bool)               { return 0, false }
func (a *adapted) Explain() string                       { return fmt.Sprint("limit ", a.limit) }

// A limiter tuned to service times of 10 ms does well there, and fails where they
// are ten times as long.
func Example() {
	newLaw := func() limit.Law { return &adapted{theirs{limit: 10}} }
	for _, c := range limittest.Checks() {
		if c.Name == "steady" || c.Name == "scales" {
			fmt.Println(c.Name, len(c.Run(newLaw)) == 0)
		}
	}
	// Output:
	// steady true
	// scales false
}
