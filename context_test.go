package penstock_test

import (
	"testing"

	"github.com/penstock-go/penstock"
)

type visit struct{ level float64 }

func (visit) Work() penstock.Work { return penstock.Work{Criticality: penstock.Sheddable, Attempt: 2} }

func (v visit) Pressure() float64 { return v.level }

// TestContext: what a host puts into a context is what its handler finds.
func TestContext(t *testing.T) {
	plain := t.Context()
	if w, ok := penstock.WorkFrom(plain); ok || w != (penstock.Work{}) || penstock.PressureFrom(plain) != 0 {
		t.Errorf("a context that serves nothing has work %v, %v and pressure %v", w, ok, penstock.PressureFrom(plain))
	}
	served := penstock.WithVisit(plain, visit{0.75})
	if w, ok := penstock.WorkFrom(served); !ok || w.Criticality != penstock.Sheddable || w.Attempt != 2 {
		t.Errorf("the work is %v, %v", w, ok)
	}
	if got := penstock.PressureFrom(served); got != 0.75 {
		t.Errorf("the pressure is %v; want 0.75", got)
	}
	batch := penstock.WithWork(served, penstock.Work{Criticality: penstock.CriticalPlus})
	if w, _ := penstock.WorkFrom(batch); w.Criticality != penstock.CriticalPlus || penstock.PressureFrom(batch) != 0 {
		t.Errorf("work of one's own is %v at pressure %v", w, penstock.PressureFrom(batch))
	}
}
