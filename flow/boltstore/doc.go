// Package boltstore keeps flows in one file, with go.etcd.io/bbolt. A commit is
// durable when it returns, and all of it or none is there after a crash.
//
// Every commit appends one entry to a log of item records, and the payloads that
// are new to a few chunks, so that it touches few pages however many items it
// moves. An item's latest record counts. What is no longer current is garbage:
// it is removed from the log's head, in the commits that come after, once there
// is more of it than of what is current. docs/adr/0007-flow-store.md says why.
//
// The index, which says where each item's record and payload are, is in memory:
// about 60 bytes an item. Payloads are read from the file, which the operating
// system caches.
package boltstore
