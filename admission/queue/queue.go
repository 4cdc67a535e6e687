// Package queue holds bounded waiting rooms.
package queue

// Order is the order in which a room serves the work of one band.
type Order uint8

// The orders.
const (
	// Auto shares between flows (as Fair) and serves each flow first in, first
	// out; while refusals are sustained, last in, first out.
	Auto Order = iota
	FIFO
	LIFO
	// Fair shares between flows by deficit round robin, each flow first in,
	// first out.
	Fair
)
