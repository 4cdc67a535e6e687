package admission

import (
	"time"

	"github.com/penstock-go/penstock/admission/limit"
	"github.com/penstock-go/penstock/admission/queue"
)

// Config says what a Controller protects. The zero Config is one gate whose
// limit finds itself, behind one waiting room.
type Config struct {
	// Limit is the law of a lone gate; nil means [limit.Default]. It must be nil
	// where Gates are given.
	//
	// Where neither is given, the work is taken to run in this process: a
	// [Controller] then puts what package sense sees of the process beside the
	// law ([limit.Direct]), from [New] until [Controller.Close], and lets other
	// goroutines come in before admitted work runs while the process is crowded
	// (sense.View.Yield). Elsewhere, and in a Core, the law is alone.
	Limit limit.Law

	// Gates are the callees. Empty means one, unnamed, with Limit. At most
	// [MaxGates].
	Gates []Gate

	// Routes are the ways in: [Controller.AcquireRoute] names one by its index.
	// Routes over the same gates share one waiting room. Empty means one route
	// over all gates. At most [MaxRoutes].
	Routes []Route

	// Observe admits everything and counts what would have been refused.
	Observe bool

	// Seed makes the controller's draws (which gate, which jitter) repeatable.
	// 0 means seeded by the operating system in a [Controller], and the number 0
	// in a [Core].
	Seed uint64
}

// A Gate is one callee: a limit with its in-flight count.
type Gate struct {
	// Name appears in Stats and Explain, and identifies the gate across
	// [Controller.Reconfigure].
	Name string
	// Limit is the gate's law. nil means [limit.Default]; for a gate that
	// Reconfigure finds by its name, nil means that it keeps the law it has.
	Limit limit.Law
}

// A Route is one way in: a plain cap and a bound on waiting, in front of the
// room of its gates.
type Route struct {
	// Name appears in Explain.
	Name string
	// Gates are indices into Config.Gates; empty means all.
	Gates []int
	// Cap refuses work (reason limit) while so many slots of this route are
	// waiting or running. 0 means no cap.
	Cap int
	// WaitFor is the longest wait. 0 means found from the service time: see
	// [Core]. Negative means that nothing may wait.
	WaitFor time.Duration
	// Order is the order of service in the room. Routes that share a room must
	// agree on it.
	Order queue.Order
	// CoDel adds RFC 8289's drop law to the room. Read package queue's warning.
	// Routes that share a room must agree on it.
	CoDel bool
}

// The bounds on a configuration.
const (
	MaxGates  = 1024
	MaxRoutes = 4096
)
