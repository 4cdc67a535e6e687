// Package wire carries a stream between two processes, with the receiver in
// control there as well: it grants a number of items and, if it likes, a time for
// which the grant is good, and the sender never goes beyond. A receiver that is
// slow is felt by the sender's source within one round trip; one that never asks
// costs the sender one goroutine that waits, and no buffer.
//
// [Send] and [Receive] work over any reliable stream of bytes. [Accept] and
// [Dial] make one of a WebSocket (RFC 6455) or of an HTTP/2 request (RFC 9113).
// Either side may be the sender.
//
//	// The side that has the items:
//	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
//		conn, err := wire.Accept(w, r)
//		if err != nil {
//			return // Accept has answered
//		}
//		wire.Send(r.Context(), conn, events, demand.JSON[Event]{})
//	})
//
//	// The side that wants them:
//	conn, err := wire.Dial(ctx, "ws://127.0.0.1:8080/events", nil)
//	...
//	events := wire.Receive(conn, demand.JSON[Event]{}, wire.Config{Window: 1024})
//
// The format is five kinds of frame, described in docs/demand-wire.md. Nothing is
// encrypted or authenticated here: that is the connection's business.
package wire
