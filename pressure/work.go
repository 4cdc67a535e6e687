package pressure

import (
	"strconv"

	"github.com/penstock-go/penstock"
)

// MaxAttempt bounds the attempt that the field Penstock-Work can state.
const MaxAttempt = 100

// AppendWork appends what is known of w as a value of the field Penstock-Work:
// an RFC 9651 dictionary of c (criticality, a Token), k (cohort, an Integer from
// 0 to 127) and a (attempt, an Integer from 1 to [MaxAttempt]). What w leaves
// unspecified is left out: where nothing is appended, send no field. It
// allocates only where dst lacks room; 40 bytes are enough.
func AppendWork(dst []byte, w penstock.Work) []byte {
	start := len(dst)
	if w.Criticality != penstock.Unspecified && w.Criticality <= penstock.CriticalPlus {
		dst = append(dst, "c="...)
		dst = append(dst, w.Criticality.String()...)
	}
	if w.Cohort.Specified() {
		dst = appendMember(dst, start, "k=", w.Cohort.Index())
	}
	if w.Attempt > 0 {
		dst = appendMember(dst, start, "a=", min(w.Attempt, MaxAttempt))
	}
	return dst
}

func appendMember(dst []byte, start int, key string, value int) []byte {
	if len(dst) > start {
		dst = append(dst, ", "...)
	}
	dst = append(dst, key...)
	return strconv.AppendInt(dst, int64(value), 10)
}

// ParseWork reads a value of the field Penstock-Work. Of the result only
// Criticality, Cohort and Attempt are ever set. Other members and all
// parameters are skipped, numbers outside their range are clamped, and a
// criticality that it does not know counts as absent. It reports false for a
// field that is malformed, has a member of a wrong type, or says nothing.
func ParseWork(field string) (w penstock.Work, ok bool) {
	var criticality, cohort, attempt item
	d := readDictionary(field)
	for d.next() {
		switch d.key {
		case "c":
			criticality = d.value
		case "k":
			cohort = d.value
		case "a":
			attempt = d.value
		}
	}
	if d.malformed || criticality.kind != absent && criticality.kind != token ||
		!cohort.isInteger() || !attempt.isInteger() {
		return w, false
	}
	if criticality.kind == token {
		w.Criticality, ok = penstock.ParseCriticality(criticality.token)
	}
	if cohort.kind == integer {
		w.Cohort = penstock.CohortAt(uint64(cohort.within(0, (penstock.Cohorts-1)*1000) / 1000))
		ok = true
	}
	if attempt.kind == integer {
		w.Attempt = int(attempt.within(1000, MaxAttempt*1000) / 1000)
		ok = true
	}
	return w, ok
}
