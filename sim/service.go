package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A ServiceLaw draws times: of service, of thinking, of travel.
type ServiceLaw interface {
	// Draw returns one time, positive.
	Draw(rng *rand.Rand) time.Duration
	// Mean is the mean of what Draw returns.
	Mean() time.Duration
}

// duration is a drawn number of nanoseconds, at least 1 and far from overflow.
func duration(ns float64) time.Duration { return max(1, time.Duration(min(ns, math.MaxInt64/4))) }

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
	return duration(float64(l.Of) * math.Exp(rng.NormFloat64()*math.Sqrt(s2)-s2/2))
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

// Uniform is anything from Least to Most.
type Uniform struct {
	Least, Most time.Duration // Least up to Most, positive
}

// Draw draws one time.
func (u Uniform) Draw(rng *rand.Rand) time.Duration {
	return duration(float64(u.Least) + rng.Float64()*float64(u.Most-u.Least))
}

// Mean returns the mean.
func (u Uniform) Mean() time.Duration { return u.Least + (u.Most-u.Least)/2 }

// Gamma has the given mean and squared coefficient of variation. With CV2 1 it
// is exponential, with 1/k the sum of k exponential phases (Erlang).
type Gamma struct {
	Of  time.Duration // mean
	CV2 float64       // variance over squared mean, positive
}

// Draw draws one time, by the method of G. Marsaglia and W. W. Tsang, "A simple
// method for generating gamma variables", ACM TOMS 26 (2000).
func (g Gamma) Draw(rng *rand.Rand) time.Duration {
	shape := 1 / g.CV2
	boost := 1.0
	if shape < 1 { // their section 6
		boost = math.Pow(1-rng.Float64(), g.CV2)
		shape++
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return duration(float64(g.Of) * g.CV2 * boost * d * v)
		}
	}
}

// Mean returns the mean.
func (g Gamma) Mean() time.Duration { return g.Of }

// BoundedPareto has a heavy tail with an end: the chance to take longer than t
// falls as t^-Alpha between Least and Most.
type BoundedPareto struct {
	Least, Most time.Duration // Least below Most, positive
	Alpha       float64       // positive; the smaller, the heavier
}

// Draw draws one time, by inversion.
func (p BoundedPareto) Draw(rng *rand.Rand) time.Duration {
	ratio := math.Pow(float64(p.Least)/float64(p.Most), p.Alpha)
	return duration(float64(p.Least) * math.Pow(1-rng.Float64()*(1-ratio), -1/p.Alpha))
}

// Mean returns the mean.
func (p BoundedPareto) Mean() time.Duration {
	l, h, a := float64(p.Least), float64(p.Most), p.Alpha
	scale := 1 - math.Pow(l/h, a)
	if a == 1 {
		return time.Duration(l * math.Log(h/l) / scale)
	}
	return time.Duration(a / (a - 1) * (l - h*math.Pow(l/h, a)) / scale)
}

// Empirical draws from times that were measured, each as likely as any other.
// Make one with [NewEmpirical].
type Empirical struct {
	times []time.Duration
	mean  time.Duration
}

// NewEmpirical returns the law of the given times, of which there must be at
// least one. Times below a nanosecond count as one.
func NewEmpirical(times []time.Duration) Empirical {
	if len(times) == 0 {
		panic("sim: an empirical law needs at least one time")
	}
	e := Empirical{times: slices.Clone(times)}
	sum := 0.0
	for i, t := range e.times {
		e.times[i] = max(1, t)
		sum += float64(e.times[i])
	}
	e.mean = duration(sum / float64(len(e.times)))
	return e
}

// Draw draws one time.
func (e Empirical) Draw(rng *rand.Rand) time.Duration { return e.times[rng.IntN(len(e.times))] }

// Mean returns the mean.
func (e Empirical) Mean() time.Duration { return e.mean }
