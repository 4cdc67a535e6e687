package pressure

import (
	"math"
	"strconv"
	"time"
)

// appendDecimal writes an RFC 9651 decimal (section 4.1.5): at least one digit
// after the point, at most three, no zeros that say nothing. It must be given a
// number that is not negative.
func appendDecimal(dst []byte, thousandths int64) []byte {
	dst = strconv.AppendInt(dst, thousandths/1000, 10)
	f := thousandths % 1000
	dst = append(dst, '.', byte('0'+f/100))
	if f%100 != 0 {
		dst = append(dst, byte('0'+f/10%10))
	}
	if f%10 != 0 {
		dst = append(dst, byte('0'+f%10))
	}
	return dst
}

// toThousandths rounds x, held within 0 and most, to a whole number of
// thousandths. A NaN becomes 0.
func toThousandths(x, most float64) int64 {
	if !(x > 0) {
		return 0
	}
	return int64(math.RoundToEven(min(x, most) * 1000))
}

// roundUp is d in whole units, rounded up so that nobody comes back early.
func roundUp(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }

func clampDuration(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }
