package admission_test

import (
	"testing"

	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/mono"
)

func TestAlarm(t *testing.T) {
	var a admission.Alarm
	for i, step := range []struct {
		fired bool // else set
		at    mono.Time
		ok    bool // what Next says
		want  bool // reset, or accepted
	}{
		{at: 0, ok: false, want: false}, // nothing to wait for
		{at: -5, ok: true, want: true},
		{at: -5, ok: true, want: false},
		{at: 7, ok: true, want: false}, // later: the one that is set comes first
		{at: -9, ok: true, want: true}, // earlier
		{fired: true, at: -5, want: false},
		{fired: true, at: -9, want: true},
		{fired: true, at: -9, want: false},
		{at: 7, ok: true, want: true},
		{at: 0, ok: false, want: false},
		{fired: true, at: 7, want: true},
		{at: 0, ok: true, want: true}, // zero is an instant
		{fired: true, at: 0, want: true},
	} {
		if step.fired {
			if got := a.Fired(step.at); got != step.want {
				t.Errorf("step %d: Fired(%d) = %v", i, step.at, got)
			}
			continue
		}
		at, reset := a.Set(step.at, step.ok)
		if reset != step.want || reset && at != step.at {
			t.Errorf("step %d: Set(%d, %v) = %d, %v", i, step.at, step.ok, at, reset)
		}
	}
}
