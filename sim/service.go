package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// A ServiceLaw draws service times.
type ServiceLaw interface {
	// Draw returns one service time, positive.
	Draw(rng *rand.Rand) time.Duration
	// Mean is the mean of what Draw returns.
	Mean() time.Duration
}

// Constant is always the same time.
type Constant time.Duration

// Draw returns the constant.
func (c Constant) Draw(*rand.Rand) time.Duration { return time.Duration(c) }

// Mean returns the constant.
func (c Constant) Mean() time.Duration { return time.Duration(c) }

// Exponential is the memoryless law with the given mean.
type Exponential time.Duration

// Draw draws one time.
func (e Exponential) Draw(rng *rand.Rand) time.Duration {
	return max(1, time.Duration(rng.ExpFloat64()*float64(e)))
}

// Mean returns the mean.
func (e Exponential) Mean() time.Duration { return time.Duration(e) }

// LogNormal has the given mean and squared coefficient of variation.
type LogNormal struct {
	Of  time.Duration // mean
	CV2 float64       // variance over squared mean, positive
}

// Draw draws one time.
func (l LogNormal) Draw(rng *rand.Rand) time.Duration {
	s2 := math.Log(1 + l.CV2)
	return max(1, time.Duration(float64(l.Of)*math.Exp(rng.NormFloat64()*math.Sqrt(s2)-s2/2)))
}

// Mean returns the mean.
func (l LogNormal) Mean() time.Duration { return l.Of }

// Bimodal is Slow with probability Share, else Fast.
type Bimodal struct {
	Fast, Slow time.Duration
	Share      float64 // 0 to 1
}

// Draw draws one time.
func (b Bimodal) Draw(rng *rand.Rand) time.Duration {
	if rng.Float64() < b.Share {
		return b.Slow
	}
	return b.Fast
}

// Mean returns the mean.
func (b Bimodal) Mean() time.Duration {
	return time.Duration(b.Share*float64(b.Slow) + (1-b.Share)*float64(b.Fast))
}
