// Package boltstore keeps flows in one file, with go.etcd.io/bbolt, and a journal
// beside it. A commit is durable when it returns, and all of it or none is there
// after a crash.
//
// A commit is one write to the journal and one sync. What the journal holds is in
// memory too, and is brought into the file in the background: of each item only the
// newest state, and of those only what no later commit has overtaken. A start after
// a crash does so first. While no server has it open there is only the file.
// docs/adr/0012-flow-journal.md says why.
//
// In the file, a transaction appends one entry to a log of item records, and the
// payloads that are new to a few chunks, so that it touches few pages however many
// items it has. An item's latest record counts. What is no longer current is
// garbage: it is removed from the log's head, in the transactions that come after,
// once there is more of it than of what is current. docs/adr/0007-flow-store.md.
//
// The index, which says where each item's record and payload are, is in memory:
// about 60 bytes an item. Payloads that are not in the journal are read from the
// file, which the operating system caches.
package boltstore
