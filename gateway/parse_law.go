package gateway

import (
	"math"

	"github.com/penstock-go/penstock/admission/limit"
)

var lawNames = []string{"auto", "fixed", "aimd"}

// lawOf returns what makes the law of one gate. most bounds its slots; 0 is no
// bound, which fixed does not allow.
func lawOf(name string, most float64) func() limit.Law {
	switch {
	case name == "fixed":
		return func() limit.Law { return limit.Fixed(most) }
	case name == "aimd" && most == 0:
		return func() limit.Law { return limit.AIMD(math.Inf(1)) }
	case name == "aimd":
		return func() limit.Law { return limit.AIMD(most) }
	case most == 0:
		return limit.Default
	}
	return func() limit.Law { return limit.DefaultUpTo(most) }
}
