package lab

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-go/penstock/config"
)

// A Dimension is what a number counts.
type Dimension uint8

// The dimensions, with the unit in which a value of each is held.
const (
	Number Dimension = iota // a plain number
	Rate                    // events per second
	Time                    // seconds
	Share                   // fraction: 1 is 100 %
	Bytes                   // bytes
)

var dimensionNames = [...]string{
	Number: "a number such as 5",
	Rate:   "a rate such as 500/s",
	Time:   "a time such as 250ms",
	Share:  "a percentage such as 98%",
	Bytes:  "a size such as 64MiB",
}

// String says what a quantity of the dimension looks like.
func (d Dimension) String() string { return dimensionNames[d] }

// A Quantity is a number with its unit, as an expectation writes it.
type Quantity struct {
	Value     float64 // in the unit of Dimension
	Dimension Dimension
	text      string // as written
}

// String is the quantity as it was written.
func (q Quantity) String() string { return q.text }

// ParseQuantity reads a number of at least 0 with the unit of its dimension:
// 5, 500/s, 250ms, 98%, 64MiB. The second answer says what is wrong.
func ParseQuantity(s string) (q Quantity, problem string) {
	switch {
	case strings.HasSuffix(s, "%"):
		f, err := config.ParsePercent(s)
		return Quantity{f, Share, s}, problemOf(err)
	case strings.Contains(s, "/"):
		r, err := config.ParseRate(s)
		return Quantity{r.PerSecond(), Rate, s}, problemOf(err)
	case strings.Trim(s, "0123456789.") == "":
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v > config.MaxRateCount || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
			return Quantity{}, config.Quote(s) + " is no number"
		}
		return Quantity{v, Number, s}, ""
	case strings.HasSuffix(s, "B"):
		b, err := config.ParseSize(s)
		return Quantity{float64(b), Bytes, s}, problemOf(err)
	}
	d, err := config.ParseDuration(s)
	if err == nil && d < 0 {
		return Quantity{}, config.Quote(s) + " is negative"
	}
	return Quantity{d.Seconds(), Time, s}, problemOf(err)
}

// problemOf is what an exported parser of package config found, without the
// package's name.
func problemOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "config: ")
}

// format writes a measured value for people: three or four digits, and its unit.
func (d Dimension) format(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return strings.ReplaceAll(strconv.FormatFloat(v, 'f', -1, 64), "Inf", "infinite")
	}
	switch d {
	case Rate:
		return digits(v) + "/s"
	case Time:
		return formatSeconds(v)
	case Share:
		return digits(100*v) + "%"
	case Bytes:
		return formatBytes(v)
	case Number:
	}
	return digits(v)
}

// digits writes a number with three decimals below 1, two below 10, one below
// 1000, and none from there on.
func digits(v float64) string {
	decimals := 0
	switch a := math.Abs(v); {
	case a < 1:
		decimals = 3
	case a < 10:
		decimals = 2
	case a < 1000:
		decimals = 1
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

func formatSeconds(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0s"
	case a < 0.99950e-3:
		return digits(v*1e6) + "us"
	case a < 0.99950:
		return digits(v*1e3) + "ms"
	case a < 120 || a > math.MaxInt64/1e9:
		return digits(v) + "s"
	}
	return config.FormatDuration(time.Duration(v * float64(time.Second)).Round(time.Second))
}

func formatBytes(v float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if math.Abs(v) >= u.size {
			return digits(v/u.size) + u.name
		}
	}
	return digits(v) + "B"
}
