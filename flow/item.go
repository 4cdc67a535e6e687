package flow

import (
	"fmt"

	"github.com/penstock-go/penstock"
)

// State is where an item durably is.
type State uint8

// The states. Whether a waiting item is leased is not durable.
const (
	Waiting  State = iota // inside its stage, to be handed out when it is due
	Delayed               // outside its stage, until it is due and there is room
	Blocked               // finished in its stage, keeping its place until the next has room
	Spilling              // to be spilled, keeping its place until the spillway has room
	Spilled               // in the spillway
	Ended                 // gone; remembered so that its id is not accepted again
)

// States is the number of states.
const States = 6

var stateNames = [States]string{"waiting", "delayed", "blocked", "spilling", "spilled", "ended"}

// String returns the state's name on the wire.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// An Item is what a store keeps of one item beside its payload.
type Item struct {
	No       uint64        // its number: unique in a store, older is smaller
	Flow     string        // the flow's name
	ID       string        // unique in the flow: what its producer calls it, 1 to [IDMax] bytes
	Key      string        // whom it is for: fairness, and order where a stage asks for it; empty for none
	Stage    string        // the stage's name; of an ended item the last
	Reason   string        // why it was spilled, or sent back last; at most [ReasonMax] bytes
	Created  Wall          // when it was accepted
	Due      Wall          // not to be handed out before; of an ended item, when it is forgotten; 0: at once
	Deadline Wall          // when it becomes worthless; 0: never
	Hop      uint32        // counts its changes, from 1
	Cost     int32         // what it takes of a stage's limit, 1 to [penstock.MaxCost]
	Charge   int32         // what it takes up now: its cost, or the limit when it entered if that was less; 0 outside
	Size     int32         // of its payload, in bytes
	Rank     penstock.Rank // who goes first
	Attempts uint16        // how often it was sent back in this stage
	State    State
}

// Bounds of what a producer or a worker may say of an item, in bytes.
const (
	IDMax     = 128
	KeyMax    = 128
	ReasonMax = 256
)

// clip bounds a reason.
func clip(s string) string {
	if len(s) <= ReasonMax {
		return s
	}
	return s[:ReasonMax]
}
