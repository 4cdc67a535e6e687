package limit

import "math"

// Names returns the names that [Named] knows, for configuration files.
func Names() []string { return []string{"auto", "fixed", "aimd", "vegas", "gradient2"} }

// Named returns what makes the law of the given name: auto is [Default], fixed
// needs most, the others are called like their functions. [Delay] has no name
// here: it needs callees that report their queue. most bounds the slots, 0 is
// no bound. Named returns nil for a name that it does not know, for fixed
// without most, and for a most that is not 0 and below 1.
func Named(name string, most float64) func() Law {
	bound := most
	switch {
	case most == 0:
		bound = math.Inf(1)
	case !(most >= 1):
		return nil
	}
	switch name {
	case "auto":
		return func() Law { return DefaultUpTo(bound) }
	case "fixed":
		if most == 0 {
			return nil
		}
		return func() Law { return Fixed(most) }
	case "aimd":
		return func() Law { return AIMD(bound) }
	case "vegas":
		return func() Law { return Vegas(bound) }
	case "gradient2":
		return func() Law { return Gradient2(bound) }
	}
	return nil
}
