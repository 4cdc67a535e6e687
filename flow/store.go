package flow

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Op says what a [Change] does.
type Op uint8

// The operations. Each is atomic.
const (
	OpNone   Op = iota // nothing to store
	OpPut              // a new item, with its payload
	OpMove             // to another stage or place, with a payload if it has changed
	OpNack             // back into its stage
	OpSpill            // towards or into the spillway
	OpFinish           // ended
	OpMerge            // its payload is replaced, and another item, Absorbed, ends with it
	OpDefine           // a flow's definition is new
)

var opNames = [...]string{"none", "put", "move", "nack", "spill", "finish", "merge", "define"}

// String names the operation.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// A Change is one step of one item, or a new definition. It holds the whole
// state after the step, so that to commit it twice is to commit it once: a store
// ignores a change whose hop it has seen.
type Change struct {
	Op         Op
	Item       Item   // the item after the change
	Payload    []byte // the payload after the change, where HasPayload
	HasPayload bool
	Absorbed   *Item       // of [OpMerge]: the other item, ended
	Definition *Definition // of [OpDefine]
}

// A Store keeps items. It is semantic: it knows items, payloads and flows, and
// not what their states mean. Package storetest has its conformance suite.
//
// Its methods may be called from several goroutines, Open once and first.
type Store interface {
	// Open returns the epoch, durably higher than that of every earlier Open,
	// the definitions, and all items in no particular order, without payloads.
	// The sequence is read once, before any other call. After an error it ends.
	Open(ctx context.Context) (epoch uint64, defs []Definition, items iter.Seq2[Item, error], err error)

	// Commit makes all changes durable, or none. After an error that is
	// [ErrStoreBroken] it is unknown whether they are, and the store must be
	// opened anew.
	Commit(ctx context.Context, changes []Change) error

	// Payload returns an item's payload as committed last. It is
	// [ErrUnknownItem] if there is no such item, or it has ended.
	Payload(ctx context.Context, no uint64) ([]byte, error)

	Close() error
}

// Errors of stores.
var (
	// ErrStoreBroken says that a store no longer knows what is durable. To open
	// it anew finds out.
	ErrStoreBroken = errors.New("flow: the store is broken until it is opened anew")
	// ErrStoreFull says that there is no room on the disk, and nothing was stored.
	ErrStoreFull = errors.New("flow: the store is full")
	// ErrUnknownItem says that there is no such item.
	ErrUnknownItem = errors.New("flow: no such item")
)

// An Epoch is the time between two openings of a store. The cores of one store
// share it: it fences leases, and numbers items.
type Epoch struct {
	n    uint64
	last uint64
}

// epochShift places the epoch in an item's number, so that no number is given
// twice however often a store is opened.
const epochShift = 40

// NewEpoch begins the epoch that [Store.Open] returned.
func NewEpoch(n uint64) *Epoch { return &Epoch{n: n, last: n << epochShift} }

func (e *Epoch) number() uint64 {
	e.last++
	return e.last
}
