package pressure

import (
	"strconv"
	"time"

	"github.com/penstock-go/penstock"
)

// AppendHeader appends s as a value of the field Penstock-Pressure: an RFC 9651
// dictionary of level (Decimal), price (Integer), delay (Decimal, milliseconds)
// and retry (Integer, milliseconds, rounded up). Level is always there; a
// member that is not there is 0. Values are clamped first. It allocates only
// where dst lacks room; 64 bytes are enough.
func AppendHeader(dst []byte, s Signal) []byte {
	s = s.Clamp()
	dst = append(dst, "level="...)
	dst = appendDecimal(dst, toThousandths(s.Level, 1))
	if s.Price > 0 {
		dst = append(dst, ", price="...)
		dst = strconv.AppendInt(dst, int64(s.Price), 10)
	}
	if us := s.Delay.Microseconds(); us > 0 {
		dst = append(dst, ", delay="...)
		dst = appendDecimal(dst, us)
	}
	if s.Retry > 0 {
		dst = append(dst, ", retry="...)
		dst = strconv.AppendInt(dst, roundUp(s.Retry, time.Millisecond), 10)
	}
	return dst
}

// Parse reads a value of the field Penstock-Pressure. Other members and all
// parameters are skipped, values outside their range are clamped, and an
// Integer is accepted where a Decimal is due. It reports false for a field that
// is malformed, has a member of a wrong type, or has none of the four.
func Parse(field string) (Signal, bool) {
	var level, price, delay, retry item
	d := readDictionary(field)
	for d.next() {
		switch d.key { // of two members with one key the last counts, section 3.2
		case "level":
			level = d.value
		case "price":
			price = d.value
		case "delay":
			delay = d.value
		case "retry":
			retry = d.value
		}
	}
	if d.malformed || !level.isNumber() || !price.isInteger() || !delay.isNumber() || !retry.isInteger() {
		return Signal{}, false
	}
	s := Signal{
		Level: float64(level.within(0, 1000)) / 1000,
		Price: penstock.Price(price.within(0, int64(penstock.MaxPrice)*1000) / 1000),
		Delay: time.Duration(delay.within(0, int64(MaxDelay/time.Microsecond))) * time.Microsecond,
		Retry: time.Duration(retry.within(0, int64(MaxRetry/time.Microsecond))) * time.Microsecond,
	}
	known := level.kind != absent || price.kind != absent || delay.kind != absent || retry.kind != absent
	return s, known
}

// isInteger reports whether the item may stand for an integer; an absent one
// stands for 0.
func (v item) isInteger() bool { return v.kind == absent || v.kind == integer }

// isNumber is isInteger for decimals.
func (v item) isNumber() bool { return v.isInteger() || v.kind == decimal }

// within moves the item's thousandths into a range.
func (v item) within(least, most int64) int64 { return min(max(v.thousandths, least), most) }
