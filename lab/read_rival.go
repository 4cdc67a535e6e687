package lab

import (
	"time"

	"github.com/penstock-go/penstock/config"
	"github.com/penstock-go/penstock/sim/rival"
)

// A rivalSpec is somebody else's control as a file writes it.
type rivalSpec struct {
	law               string
	threshold, window time.Duration
	step              int
}

var rivalNames = []string{"rajomon", "dagor"}

var rivalKeys = table[rivalSpec]{
	{"law", "whose", "", word(func(r *rivalSpec) *string { return &r.law }, rivalNames...)},
	{
		"threshold", "wait above which it takes the service for overloaded: of rajomon the longest, of dagor the mean of a window", "5ms for rajomon, 20ms for dagor",
		duration(func(r *rivalSpec) *time.Duration { return &r.threshold }, minTime, time.Hour),
	},
	{
		"window", "time between two decisions", "10ms for rajomon, 1s or 2000 requests for dagor",
		duration(func(r *rivalSpec) *time.Duration { return &r.window }, time.Millisecond, time.Hour),
	},
	{
		"step", "of rajomon: tokens by which the price rises for 10 ms above the threshold", "10",
		integer(func(r *rivalSpec) *int { return &r.step }, 1, 1_000_000),
	},
}

var rivalForm = form[stageSpec]{
	"a mapping such as {law: dagor}", rivalKeys.jsonSchema(),
	func(v value, s *stageSpec) {
		var r rivalSpec
		rivalKeys.read(v, &r)
		if step := v.fields(rivalKeys.names()...)("step"); step.present() && r.law == "dagor" {
			step.place.BadKey("law dagor has no step", config.Alternatives("law", "threshold", "window"))
		}
		s.Rival = r.control
	},
}

// control makes the control of one stage.
func (r rivalSpec) control(callees int) rival.Controller {
	if r.law == "dagor" {
		return rival.NewDagor(rival.DagorConfig{Threshold: r.threshold, Window: r.window}, callees)
	}
	return rival.NewRajomon(rival.RajomonConfig{Threshold: r.threshold, Interval: r.window, Step: int64(r.step)}, callees)
}
