// Package arena puts limiters to work on the plants of lab/arena, as real code:
// real goroutines, channels and timers, in the virtual time of testing/synctest.
//
// Its test writes a results file that penstock lab arena reads: see docs/arena.md
// at the root of the repository, and "make arena".
package arena
