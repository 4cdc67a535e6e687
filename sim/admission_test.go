package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/penstock-go/penstock"
	"github.com/penstock-go/penstock/admission"
	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/mono"
	"github.com/penstock-go/penstock/sim"
)

// The host steps the core in time, and tells the fate of what waited.
func TestAdmission(t *testing.T) {
	var loop sim.Loop
	var log []string
	host := sim.NewAdmission(&loop, admission.Config{
		Limit: limit.Fixed(1), Routes: []admission.Route{{WaitFor: 20 * time.Millisecond}},
	}, func(now mono.Time, d admission.Decision) {
		why := ""
		if d.Refusal != nil {
			why = " " + d.Refusal.Reason.String()
		}
		log = append(log, fmt.Sprintf("%v: %d%s", time.Duration(now), d.State, why))
	})
	var first, second, third admission.Decision
	at := func(t mono.Time, f func(now mono.Time)) {
		loop.At(t, sim.HandlerFunc(func(now mono.Time, _ uint64) { f(now) }), 0)
	}
	at(0, func(now mono.Time) {
		first = host.Offer(now, 0, penstock.Work{})
		second = host.Offer(now, 0, penstock.Work{})
	})
	at(1*ms, func(now mono.Time) { third = host.Offer(now, 0, penstock.Work{}) })
	at(5*ms, func(now mono.Time) {
		if !host.Leave(now, second.Ticket) || host.Leave(now, second.Ticket) {
			t.Error("a waiting unit leaves once")
		}
	})
	at(30*ms, func(now mono.Time) {
		if !host.Abandon(now, first.Ticket) || !host.Done(now, first.Ticket, penstock.OK) || host.Done(now, first.Ticket, penstock.OK) {
			t.Error("a running unit is abandoned once and done once")
		}
	})
	loop.Run(mono.Time(time.Minute))
	if first.State != admission.Admitted || second.State != admission.Waiting || third.State != admission.Waiting {
		t.Errorf("%+v, %+v, %+v", first, second, third)
	}
	if got := fmt.Sprint(log); got != "[21ms: 0 sojourn]" {
		t.Errorf("settled: %s", got)
	}
	if s := host.Core.Stats(loop.Now()); s.Left != 1 || s.StaleDone != 1 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// A host whose core rests leaves the loop empty: virtual time may jump.
func TestAdmissionRests(t *testing.T) {
	var loop sim.Loop
	host := sim.NewAdmission(&loop, admission.Config{Limit: limit.Fixed(1)}, func(mono.Time, admission.Decision) {})
	d := host.Offer(0, 0, penstock.Work{})
	host.Offer(0, 0, penstock.Work{})
	host.Done(1*ms, d.Ticket, penstock.OK)
	loop.Run(mono.Time(time.Second))
	was := loop.Fired()
	loop.Run(mono.Time(time.Hour))
	if n := loop.Fired() - was; n > 1 {
		t.Errorf("%d events in an hour in which nothing happens", n)
	}
}
