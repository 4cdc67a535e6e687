// Command call measures what one call costs with penstock on both sides, beside
// the same call without it, and beside one that sends and reads the same fields by
// hand: net/http's and grpc-go's own price for the signal's bytes, below which
// nobody who speaks can come.
//
//	make calls                               (4 minutes, on an idle machine)
//	go run -C bench ./call -kinds http -rounds 200
//
// Client and server are one process. Their calls go over loopback, one at a time,
// in short runs that take turns, so that a busy moment hits all rows alike.
package main
