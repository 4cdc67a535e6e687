// Package fields makes the values of the signal's fields for hosts: once, where
// many messages say the same, and shared by all of them.
package fields

import (
	"sync/atomic"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/pressure"
)

// value is a field's only value. Its capacity keeps an append from writing where
// others read.
func value(s string) []string { return []string{s}[:1:1] }

// works are the fields of first attempts, which are few: each is written once.
var works [penstock.Criticalities][penstock.Cohorts + 1][2]atomic.Pointer[[]string]

// Work is the value of the field Penstock-Work, nil for none. Messages share it:
// it must not be changed in place.
func Work(w *penstock.Work) []string {
	if w.Criticality >= penstock.Criticalities || w.Cohort > penstock.Cohorts || w.Attempt < 0 || w.Attempt > 1 {
		return work(w)
	}
	at := &works[w.Criticality][w.Cohort][w.Attempt]
	if made := at.Load(); made != nil {
		return *made
	}
	at.Store(new(work(w)))
	return *at.Load()
}

func work(w *penstock.Work) []string {
	var buf [48]byte
	b := pressure.AppendWork(buf[:0], *w)
	if len(b) == 0 {
		return nil
	}
	return value(string(b))
}
