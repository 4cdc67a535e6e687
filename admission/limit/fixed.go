package limit

import (
	"fmt"
	"math"

	"github.com/penstock-go/penstock/mono"
)

// Fixed returns a law that always answers n slots. It panics if n is not a
// positive finite number.
func Fixed(n float64) Law {
	if !(n > 0) || math.IsInf(n, 0) {
		panic("limit: Fixed takes a positive finite number of slots")
	}
	return fixed(n)
}

type fixed float64

func (fixed) Observe(mono.Time, Sample) {}
func (f fixed) Limit() float64          { return float64(f) }
func (fixed) Next() (mono.Time, bool)   { return 0, false }
func (f fixed) Explain() string         { return fmt.Sprintf("fixed at %g by configuration", float64(f)) }
