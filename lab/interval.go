package lab

import "math"

// An Interval is where a mean lies, with the confidence at which it was made.
type Interval struct {
	Mean, Low, High float64
	N               int // replications that it was made from
}

// Holds95 is the confidence of the intervals that tables and reports show.
const Holds95 = 0.95

// Estimate returns the interval of the mean of independent values, by Student's
// t distribution. Fewer than two values have an interval without bounds; values
// that are all the same one without width. A value that is not a number makes
// all of it not a number.
//
// Source: Law, Simulation Modeling and Analysis, 5th ed., section 4.5.
func Estimate(values []float64, confidence float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{Mean: math.NaN(), Low: math.Inf(-1), High: math.Inf(1)}
	}
	mean := 0.0
	for _, v := range values {
		mean += v / float64(n)
	}
	if n == 1 {
		return Interval{Mean: mean, Low: math.Inf(-1), High: math.Inf(1), N: 1}
	}
	squares, equal := 0.0, true
	for _, v := range values {
		squares += (v - mean) * (v - mean)
		equal = equal && v == values[0]
	}
	if equal { // the mean would be off by rounding
		return Interval{values[0], values[0], values[0], n}
	}
	half := studentQuantile((1+confidence)/2, n-1) * math.Sqrt(squares/float64(n-1)/float64(n))
	return Interval{mean, mean - half, mean + half, n}
}

// studentQuantile is the value that a variable of Student's t distribution with
// the given degrees of freedom stays below with probability p, for p of at least
// one half.
func studentQuantile(p float64, degrees int) float64 {
	low, high := 0.0, 1.0
	for studentBelow(high, degrees) < p && high < 1e12 {
		high *= 2
	}
	for range 80 {
		middle := (low + high) / 2
		if studentBelow(middle, degrees) < p {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// studentBelow is the distribution function for t of at least 0.
func studentBelow(t float64, degrees int) float64 {
	nu := float64(degrees)
	return 1 - betaShare(nu/(nu+t*t), nu/2, 0.5)/2
}

// betaShare is the regularised incomplete beta function, by its continued
// fraction (Abramowitz and Stegun, 26.5.8, evaluated as modified by Lentz).
func betaShare(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaShare(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))

	const tiny, terms = 1e-300, 500
	c, d, h := 1.0, 0.0, 1.0
	for i := range terms {
		m := float64(i / 2)
		numerator := 1.0
		switch {
		case i == 0:
		case i%2 == 0:
			numerator = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			numerator = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = 1 + numerator*d
		if math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		c = 1 + numerator/c
		if math.Abs(c) < tiny {
			c = tiny
		}
		h *= c * d
		if math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	return front * (h - 1) / a
}
